-- The statements of the service, by name; see queries.sql.

-- name: service_session
-- A statement that waits this long waits for a lock that someone forgot. Plans as in
-- reader_session: the service reads feeds, too, and whatever else it reads has its index.
select set_config('statement_timeout', '5s', false), set_config('timezone', 'UTC', false),
       set_config('jit', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
       set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)

-- name: one_snapshot
set transaction isolation level repeatable read, read only

-- name: number_now
-- Numbers what this transaction has changed so far, so that it can read its own number.
set constraints all immediate

-- name: feed_position
select coalesce((select last_seq from sonnette.feeds where user_id = %(user_id)s), 0) as feed_seq,
       (select id from sonnette.epoch) as epoch

-- name: wallet
-- A user without a wallet has nothing in it.
select coalesce(sum(balance), 0)::numeric(12,2), coalesce(sum(frozen), 0)::numeric(12,2),
       coalesce(sum(balance - frozen), 0)::numeric(12,2)
from public.wallets where user_id = %(user_id)s

-- name: offers_page
select account as provider, service_code, country_code, operator, price, stock
from sonnette.offers
where (%(service_code)s::text is null or service_code = %(service_code)s)
  and (%(country_code)s::text is null or country_code = %(country_code)s)
  and (%(after_service)s::text is null
       or (service_code, country_code, price, account, operator)
          > (%(after_service)s, %(after_country)s, %(after_price)s::numeric, %(after_account)s, %(after_operator)s))
order by service_code, country_code, price, account, operator
limit %(most)s

-- name: buy
select id, user_id, provider, order_id, service_code, country_code, operator, phone, status, sms_code, sms_text,
       sms_count, sms_received_at, price, frozen_amount, charged, cancel_after, expires_at, failure,
       created_at, updated_at
from sonnette.buy(%(user_id)s, %(service_code)s, %(country_code)s, %(operator)s, %(max_price)s)

-- name: activation
select id, user_id, provider, order_id, service_code, country_code, operator, phone, status, sms_code, sms_text,
       sms_count, sms_received_at, price, frozen_amount, charged, cancel_after, expires_at, failure,
       created_at, updated_at
from public.activations where id = %(activation_id)s and user_id = %(user_id)s

-- name: activation_named
select id from public.activations
where user_id = %(user_id)s and (id::text = lower(%(name)s) or order_id = %(name)s)
order by id::text = lower(%(name)s) desc, created_at desc
limit 1

-- name: activations_page
-- Newest first; rows made in the same instant by their id.
select id, user_id, provider, order_id, service_code, country_code, operator, phone, status, sms_code, sms_text,
       sms_count, sms_received_at, price, frozen_amount, charged, cancel_after, expires_at, failure,
       created_at, updated_at
from public.activations
where user_id = %(user_id)s
  and (%(statuses)s::text[] is null or status = any (%(statuses)s))
  and (%(after_id)s::uuid is null or created_at < %(after_at)s
       or created_at = %(after_at)s and id > %(after_id)s)
order by created_at desc, id
limit %(most)s

-- name: messages_of
select id, activation_id, user_id, received_at, sender, code, text, source
from public.messages where activation_id = %(activation_id)s and user_id = %(user_id)s
order by id

-- name: ask
select id from sonnette.ask(%(user_id)s, %(activation_id)s, %(kind)s)

-- name: answered_check
-- The newest check that was answered so short a time ago that nothing new can be known. Not one that is
-- still to come, by a clock that was set back: it would be the answer until then.
select id from sonnette.requests
where activation_id = %(activation_id)s and user_id = %(user_id)s and kind = 'check'
  and done_at is not null and at between now() - make_interval(secs => %(within_s)s) and now()
order by id desc limit 1

-- name: request_answered
-- What came of a request; no outcome yet while nobody has answered it.
select done_at is not null as done, outcome, found::text as found from sonnette.requests
where id = %(request_id)s and user_id = %(user_id)s

-- name: key_claimed
-- A row where the key is now the caller's: new, or left over from more than a day ago. Another
-- transaction that is just claiming it is waited for.
insert into sonnette.idempotency_keys as k (user_id, route, key, body_hash, running_until)
values (%(user_id)s, %(route)s, %(key)s, %(body_hash)s,
        clock_timestamp() + make_interval(secs => %(lease_s)s))
on conflict (user_id, route, key) do update
set body_hash = excluded.body_hash, at = excluded.at, running_until = excluded.running_until,
    backend_pid = excluded.backend_pid, activation_id = null, request_id = null,
    status = null, headers = null, body = null
where k.at < now() - interval '24 hours'
returning true

-- name: key_found
-- What is known under a key that was claimed before. It runs no longer when its time is up or the
-- connection that claimed it is gone, as after a kill -9.
select body_hash, activation_id, request_id, status, headers, body,
       case when exists (select from pg_stat_activity s where s.pid = k.backend_pid)
            then greatest(0, extract(epoch from running_until - clock_timestamp()))::float8
            else 0 end as running_s
from sonnette.idempotency_keys k
where user_id = %(user_id)s and route = %(route)s and key = %(key)s
for update

-- name: key_asked
update sonnette.idempotency_keys
set activation_id = %(activation_id)s, request_id = %(request_id)s
where user_id = %(user_id)s and route = %(route)s and key = %(key)s

-- name: key_taken_over
update sonnette.idempotency_keys
set running_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
    backend_pid = pg_backend_pid()
where user_id = %(user_id)s and route = %(route)s and key = %(key)s

-- name: key_released
update sonnette.idempotency_keys set running_until = clock_timestamp()
where user_id = %(user_id)s and route = %(route)s and key = %(key)s and status is null

-- name: key_answered
update sonnette.idempotency_keys
set status = %(status)s, headers = %(headers)s, body = %(body)s
where user_id = %(user_id)s and route = %(route)s and key = %(key)s and status is null

-- name: keys_pruned
with old as (
    select user_id, route, key from sonnette.idempotency_keys
    where at < now() - interval '24 hours'
    order by at limit %(most)s
    for update skip locked)
delete from sonnette.idempotency_keys k using old
where (k.user_id, k.route, k.key) = (old.user_id, old.route, old.key)

-- name: log_pruned
select sonnette.prune(make_interval(secs => %(older_than_s)s), %(most)s)

-- name: tidied
select sonnette.tidy(make_interval(secs => %(older_than_s)s), %(most)s)

-- name: log_kept
-- How many changes the log has, as the statistics know it, and the age of the oldest in seconds.
select coalesce((select n_live_tup from pg_stat_all_tables where relid = 'sonnette.changes'::regclass), 0) as changes,
       coalesce((select extract(epoch from clock_timestamp() - c.at) from sonnette.changes c
                 where (c.tx, c.n) >= (begins.tx, begins.n) order by c.tx, c.n limit 1), 0)::float8 as oldest_s
from sonnette.log_begins() begins

-- name: webhook_account
-- By what the webhooks of an account are known.
select webhook_secret_sha256, webhook_addresses::text[] from sonnette.accounts where name = %(account)s

-- name: webhook_received
select sonnette.webhook_received(%(account)s, %(order_id)s, %(body)s::jsonb, %(remote_address)s::inet, %(dedupe_key)s)
