-- Every statement that Python sends, by name. Parameters are psycopg's: %(name)s.

-- name: feed_after
-- For each due user: the feed's last number, and what follows `after`, at most `most` changes each.
-- One statement, so that rows and last_seq are of one snapshot. A user who has no feed yet is at 0.
-- Times as the wire has them: UTC, milliseconds, Z.
select due.user_id::text, coalesce(f.last_seq, 0) as last_seq,
       c.seq, to_char(c.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as commit_timestamp,
       c.table_schema, c.table_name, c.op, c.record, c.old
from unnest(%(user_ids)s::uuid[], %(after)s::bigint[]) as due (user_id, after)
left join sonnette.feeds f on f.user_id = due.user_id
left join lateral (
    select n.seq, l.at, l.table_schema, l.table_name, l.op, l.record::text as record, l.old::text as old
    from sonnette.numbers n
    join sonnette.changes l on l.tx = n.tx and l.n = n.n
    where n.user_id = due.user_id and n.seq > due.after
    order by n.seq
    limit %(most)s
) c on true

-- name: pruned_marks
-- Up to which number each of these users' feeds was pruned: that number stays, without its change.
select due.user_id::text, mark.seq
from unnest(%(user_ids)s::uuid[]) as due (user_id)
cross join lateral (
    select n.seq, n.tx, n.n from sonnette.numbers n where n.user_id = due.user_id order by n.seq limit 1) mark
where not exists (select from sonnette.changes l where l.tx = mark.tx and l.n = mark.n)

-- name: feeds_behind
-- The sweep: which of these users' feeds have moved past what was delivered.
select f.user_id::text
from unnest(%(user_ids)s::uuid[], %(positions)s::bigint[]) as known (user_id, position)
join sonnette.feeds f on f.user_id = known.user_id
where f.last_seq <> known.position

-- name: reader_session
-- For the connection that reads feeds: small statements, planned once (planning costs more than
-- reading), always along the indexes (else a long feed is read and sorted whole for its next
-- hundred changes), and none over the limit.
select set_config('statement_timeout', '10s', false), set_config('jit', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
       set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)

-- name: epoch
select id from sonnette.epoch

-- name: revocations_since
-- What was revoked since an earlier answer, whose `seen` is given ('0': everything), and the next
-- `seen`. A transaction that had not ended by then counts as later, so none is lost. One row at
-- least, with nobody in it where there is nothing new.
select r.user_id::text, r.not_before, seen.tx::text as seen
from (select pg_snapshot_xmin(pg_current_snapshot())) as seen (tx)
left join sonnette.revocations r on r.tx >= %(since)s::xid8

-- name: watched_tables
-- Each watched table with its owner column and its columns in the order of the table.
select w.table_schema, w.table_name, w.owner_column,
       array_agg(a.attname::text order by a.attnum) as columns,
       array_agg(t.typname::text order by a.attnum) as types
from sonnette.watched w
join pg_class c on c.oid = to_regclass(quote_ident(w.table_schema) || '.' || quote_ident(w.table_name))
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
group by w.table_schema, w.table_name, w.owner_column
order by w.table_schema, w.table_name

-- name: subscribable
-- Each watched table for the gateway: its owner column and, as JSON in the order of the table, its
-- columns as gateway/columns.py describes them. Types are seen through their domains. What a
-- collation does is known by provider and locale; their catalog columns differ from version to
-- version, hence the detour over jsonb. A text order is known only where bytes are UTF-8.
with recursive known as materialized (
    select w.table_schema, w.table_name, w.owner_column, a.attnum, a.attname, a.atttypid, a.attcollation,
           a.attnum = any (i.indkey) is true as key
    from sonnette.watched w
    cross join lateral to_regclass(quote_ident(w.table_schema) || '.' || quote_ident(w.table_name)) as found
    join pg_attribute a on a.attrelid = found and a.attnum > 0 and not a.attisdropped
    left join pg_index i on i.indrelid = found and i.indisprimary
),
beneath (type, base) as (
    select distinct atttypid, atttypid from known
    union all
    select b.type, d.typbasetype from beneath b join pg_type d on d.oid = b.base and d.typtype = 'd'
),
here as (
    select to_jsonb(d) as facts, pg_encoding_to_char(d.encoding) = 'UTF8' as utf8
    from pg_database d where d.datname = current_database()
),
collations as (
    select c.oid, n.nspname, c.collname, here.utf8,
           coalesce((to_jsonb(c) ->> 'collisdeterministic')::boolean, true) as deterministic,
           case c.collprovider when 'd' then coalesce(facts ->> 'datlocprovider', 'c') else c.collprovider::text end
               as provider,
           case c.collprovider when 'd' then facts ->> 'datcollate' else to_jsonb(c) ->> 'collcollate' end as ordering,
           case c.collprovider when 'd' then facts ->> 'datctype' else to_jsonb(c) ->> 'collctype' end as ctype,
           case c.collprovider when 'd' then facts ->> 'datlocale' else to_jsonb(c) ->> 'colllocale' end as locale
    from pg_collation c join pg_namespace n on n.oid = c.collnamespace, here
    where c.oid = any (array(select attcollation from known))
),
described as materialized (
    select oid, json_build_object(
               'schema', nspname, 'name', collname, 'deterministic', deterministic,
               'by_code_point', utf8 and (provider = 'b'
                   or provider = 'c' and lower(ordering) in ('c', 'posix', 'c.utf-8', 'c.utf8')),
               'case', case
                   when provider = 'c' and upper(ctype) in ('C', 'POSIX') or provider = 'b' and locale = 'C' then 'ascii'
                   when utf8 and (provider = 'c' or provider = 'b' and locale = 'C.UTF-8') then 'simple'
                   else 'other' end) as collation
    from collations
)
select k.table_schema, k.table_name, k.owner_column,
       json_agg(json_strip_nulls(json_build_object(
           'name', k.attname, 'type', t.typname, 'base', b.typname, 'kind', b.typtype,
           'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = b.oid),
           'collation', d.collation, 'key', k.key)) order by k.attnum)::text as columns
from known k
join pg_type t on t.oid = k.atttypid
join beneath on beneath.type = t.oid
join pg_type b on b.oid = beneath.base and b.typtype <> 'd'
left join described d on d.oid = k.attcollation
group by k.table_schema, k.table_name, k.owner_column
order by k.table_schema, k.table_name

-- name: letters
-- How single characters change their case in a collation: code points, where they do. The last pair
-- that Unicode knows is far below the end. {collation} is an identifier.
select code, ascii(lower(letter)) as lower, ascii(upper(letter)) as upper
from generate_series(1, 131071) code,
     lateral (select chr(code) collate {collation} as letter) one
where code not between 55296 and 57343 and (lower(letter) <> letter or upper(letter) <> letter)

-- name: revision
-- The migration that this database is at.
select version_num from sonnette.alembic_version

-- name: this_history
select sonnette.this_history()

-- name: listener_session
-- It is idle by nature: a limit on that, set for the role, would end it again and again.
select pg_is_in_recovery(), pg_backend_pid(), set_config('idle_session_timeout', '0', false)

-- name: lookout_session
-- Nothing that is written here has to survive a crash, and a canary must not wait for a disk or for
-- a synchronous standby.
select set_config('idle_session_timeout', '0', false), set_config('synchronous_commit', 'off', false),
       set_config('statement_timeout', '4s', false), set_config('jit', 'off', false)

-- name: look
-- What is not as it must be, a sentence each: triggers and tables of the feed, and the triggers that
-- move money and wake the poller. And how full the notify queue is.
select array(select sonnette.unwatched()) as unwatched, array(select sonnette.unguarded()) as unguarded,
       pg_notification_queue_usage() as queue_usage,
       (select case when is_called then last_value else 0 end from sonnette.rings_skipped) as rings_skipped

-- name: backend_pid
select pg_backend_pid()

-- name: history
-- The epoch, whether its place was ever written down, and whether this is that place.
select e.id, to_char(e.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), e.system_identifier is not null,
       (e.system_identifier, e.database_oid, e.timeline)
           = (here.system_identifier, here.database_oid, here.timeline) is true
from sonnette.epoch e, sonnette.here()

-- name: process_seen
select sonnette.process_seen(%(id)s, %(kind)s, %(host)s, %(pid)s, %(version)s, %(problems)s::text[], %(facts)s::jsonb)

-- name: process_stopped
select sonnette.process_stopped(%(id)s)

-- name: processes
-- Who lives or was alive of late, for people: the newest first within each kind.
select kind, host, pid, version, extract(epoch from clock_timestamp() - started_at)::float8 as up_s,
       extract(epoch from clock_timestamp() - seen_at)::float8 as unseen_s,
       stopped_at is not null as stopped, problems, facts
from sonnette.processes
order by kind, stopped_at is not null, seen_at desc

-- name: notify
select pg_notify(%(channel)s, %(payload)s)

-- name: migrator_lock
-- One migrator at a time; given back with the transaction.
select pg_advisory_xact_lock(hashtext('sonnette migrate'))

-- name: own_role
-- Back to the role that connected, which owns or may change the tables of others.
reset role

-- name: rewatch
-- Every watched table keeps pace with triggers.sql, whoever owns it.
select sonnette.watch(found, owner_column)
from sonnette.watched
cross join lateral to_regclass(quote_ident(table_schema) || '.' || quote_ident(table_name)) as found
where found is not null

-- name: repeatables
select name, hash from sonnette.repeatables

-- name: repeatable_applied
insert into sonnette.repeatables (name, hash) values (%(name)s, %(hash)s)
on conflict (name) do update set hash = excluded.hash, applied_at = now()

-- name: user_created
insert into public.users (id, name) values (%(user_id)s, %(name)s) on conflict do nothing

-- name: user_named
select id from public.users where name = %(name)s

-- name: credit
select balance, balance - frozen as available
from sonnette.credit(%(user_id)s, %(amount)s, %(reason)s, %(key)s)

-- name: debit
select balance from sonnette.debit(%(user_id)s, %(amount)s, %(reason)s, %(key)s)

-- name: offer_of_account
select price, stock from sonnette.offers
where account = %(account)s and service_code = %(service_code)s and country_code = %(country_code)s
order by stock = 0, price limit 1

-- name: trial_begins
insert into public.activations (user_id, provider, service_code, country_code, status, price)
values (%(user_id)s, %(account)s, %(service_code)s, %(country_code)s, 'requested', %(price)s)
returning id

-- name: server_version
select current_setting('server_version')

-- service --------------------------------------------------------------------------------------

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
-- The newest check that was answered so short a time ago that nothing new can be known.
select id from sonnette.requests
where activation_id = %(activation_id)s and user_id = %(user_id)s and kind = 'check'
  and done_at is not null and at > now() - make_interval(secs => %(within_s)s)
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

-- name: tail_position
select coalesce(max(last_seq), 0) from sonnette.feeds where user_id = %(user_id)s

-- name: tail_changes
select r.seq, row_to_json(r)::text from ops.replay(%(user)s, %(after)s, %(codes)s, %(most)s) r order by r.seq

-- name: watch
select sonnette.watch(%(table)s::regclass, %(owner_column)s)

-- name: role_taken_on
select set_config('role', %(role)s, false)

-- poller ---------------------------------------------------------------------------------------

-- name: poller_session
-- No statement of the poller's is a long one: one that takes so long waits for a forgotten lock.
-- A session that is silent for so long belongs to a poller that is frozen, or to a line that is dead.
select set_config('statement_timeout', %(statement_timeout)s, false),
       set_config('idle_session_timeout', %(silence)s, false),
       set_config('idle_in_transaction_session_timeout', %(silence)s, false),
       set_config('timezone', 'UTC', false), set_config('jit', 'off', false)

-- name: account_hold
-- One poller for each account, for as long as its connection lives.
select pg_try_advisory_lock(hashtextextended('sonnette account ' || %(account)s, 0))

-- name: touch
-- Says to the server that the poller lives.
select

-- name: account_paused
-- Whether an operator has paused the account (ops.pause).
select paused_at is not null from sonnette.accounts where name = %(account)s

-- name: work_due
-- What is due of an account, asked about, or told of by a webhook: an open request does not wait for next_check_at,
-- unless the last look led nowhere. A recovery waits for nothing: it is answered in any case. Purchases
-- have a limit of their own, so that a thousand of them do not stand before a code.
(select w.activation_id
 from sonnette.work w
 where w.account = %(account)s and w.next_check_at <= clock_timestamp()
   and w.activation_id <> all (%(busy)s::uuid[])
   and not exists (select from public.activations a where a.id = w.activation_id and a.status = 'requested')
 order by w.next_check_at
 limit %(most)s)
union
(select w.activation_id
 from sonnette.work w
 where w.account = %(account)s and w.next_check_at <= clock_timestamp()
   and w.activation_id <> all (%(busy)s::uuid[])
   and exists (select from public.activations a where a.id = w.activation_id and a.status = 'requested')
 order by w.next_check_at
 limit %(most_purchases)s)
union
(select r.activation_id
 from sonnette.requests r
 join public.activations a on a.id = r.activation_id
 left join sonnette.work w on w.activation_id = r.activation_id
 where r.done_at is null and a.provider = %(account)s and r.activation_id <> all (%(busy)s::uuid[])
   and (w.last_error is null or w.next_check_at <= clock_timestamp() or r.kind = 'recover')
 order by r.id
 limit %(most)s)
union
(select a.id
 from sonnette.inbox i
 join public.activations a on a.provider = i.account and a.order_id = i.order_id
 where i.account = %(account)s and i.done_at is null and i.next_try_at <= clock_timestamp()
   and a.id <> all (%(busy)s::uuid[])
 order by i.id
 limit %(most)s)

-- name: work_of_orders
select id from public.activations
where provider = %(account)s and order_id = any (%(order_ids)s::text[])
  and status in ('pending', 'received', 'cancelling') and id <> all (%(busy)s::uuid[])

-- name: work_rows
-- All that a decision needs of these activations, and the database's time.
select a.id, a.status, a.order_id, a.service_code, a.country_code, a.operator, a.price, a.charged,
       a.created_at, a.updated_at, a.expires_at, coalesce(w.attempts, 0) as attempts, w.last_error,
       m.ids as message_ids, m.codes, m.texts, l.codes as late_codes, l.texts as late_texts,
       h.ids as hint_ids, h.codes as hint_codes, h.texts as hint_texts, h.tries as hint_tries,
       r.ids as request_ids, r.kinds as request_kinds, clock_timestamp() as now
from public.activations a
left join sonnette.work w on w.activation_id = a.id
cross join lateral (
    select coalesce(array_agg(id order by id), '{}') as ids,
           coalesce(array_agg(code order by id), '{}') as codes,
           coalesce(array_agg(text order by id), '{}') as texts
    from public.messages where activation_id = a.id) m
cross join lateral (
    select coalesce(array_agg(code order by id), '{}') as codes,
           coalesce(array_agg(text order by id), '{}') as texts
    from sonnette.late_messages where activation_id = a.id) l
cross join lateral (
    select coalesce(array_agg(id order by id), '{}') as ids,
           coalesce(array_agg(body ->> 'code' order by id), '{}') as codes,
           coalesce(array_agg(body ->> 'text' order by id), '{}') as texts,
           coalesce(array_agg(tries order by id), '{}') as tries
    from sonnette.inbox
    where account = a.provider and order_id = a.order_id and done_at is null
      and next_try_at <= clock_timestamp()) h
cross join lateral (
    select coalesce(array_agg(id order by id), '{}') as ids,
           coalesce(array_agg(kind order by id), '{}') as kinds
    from sonnette.requests
    where activation_id = a.id and done_at is null) r
where a.id = any (%(ids)s::uuid[])

-- name: work_next
-- Seconds until the next row is due, purchases left out where no more are taken, or the next webhook is to
-- be confirmed.
select extract(epoch from least(
    (select min(w.next_check_at) from sonnette.work w
     where w.account = %(account)s and w.activation_id <> all (%(busy)s::uuid[])
       and (%(purchases)s or not exists (
           select from public.activations a where a.id = w.activation_id and a.status = 'requested'))),
    (select min(i.next_try_at)
     from sonnette.inbox i join public.activations a on a.provider = i.account and a.order_id = i.order_id
     where i.account = %(account)s and i.done_at is null and a.id <> all (%(busy)s::uuid[]))
    ) - clock_timestamp())::float8

-- name: orders_known
select order_id from public.activations
where provider = %(account)s and order_id = any (%(order_ids)s::text[])

-- name: orders_taken
-- The same, and numbers that were there before the purchase that looks for its own.
select order_id from public.activations
where provider = %(account)s and order_id = any (%(order_ids)s::text[])
union
select order_id from sonnette.orphans
where account = %(account)s and order_id = any (%(order_ids)s::text[]) and first_seen_at < %(before)s

-- name: purchase_begins
select sonnette.purchase_begins(%(id)s)

-- name: purchases_overdue
select w.activation_id
from sonnette.work w join public.activations a on a.id = w.activation_id
where w.account = %(account)s and a.status = 'requested'
  and a.created_at < clock_timestamp() - make_interval(secs => %(after_s)s)
  and (w.last_error is null or w.last_error not like 'purchase unanswered%%')
  and w.activation_id <> all (%(busy)s::uuid[])
order by a.created_at
limit %(most)s

-- name: orphans_seen
select sonnette.orphans_seen(%(account)s, %(order_ids)s::text[], %(phones)s::text[],
                             %(service_codes)s::text[], %(country_codes)s::text[])

-- name: orphan_released
select sonnette.orphan_released(%(account)s, %(order_id)s, %(outcome)s, %(over)s)

-- name: doubts
-- Purchases of the account that are in doubt, and numbers at the provider that are nobody's.
select (select count(*) from sonnette.in_doubt where account = %(account)s),
       (select count(*) from sonnette.orphans where account = %(account)s and done_at is null)

-- name: batch_locked
select sonnette.lock_batch(%(ids)s::uuid[])

-- name: statuses
select id, status from public.activations where id = any (%(ids)s::uuid[])

-- name: number_bought
select sonnette.number_bought(%(id)s, %(order_id)s, %(phone)s, %(operator)s, %(cancel_after)s, %(expires_at)s)

-- name: purchase_failed
select sonnette.purchase_failed(%(id)s, %(failure)s)

-- name: sms_arrived
-- No provider of the poller's tells the sender.
select sonnette.sms_arrived(%(id)s, %(code)s, %(text)s, null, %(received_at)s, %(source)s, %(dedupe_key)s)

-- name: hint_closed
select sonnette.hint_closed(%(id)s, %(outcome)s)

-- name: hint_later
select sonnette.hint_later(%(id)s, %(at)s)

-- name: hints_unknown
select sonnette.hints_unknown(%(account)s)

-- name: text_completed
select sonnette.text_completed(%(message_id)s, %(text)s)

-- name: end_activation
select sonnette.end_activation(%(id)s, %(status)s, %(failure)s)

-- name: cancel_refused
select sonnette.cancel_refused(%(id)s, %(failure)s, %(cancel_after)s)

-- name: another_refused
select sonnette.another_refused(%(id)s, %(failure)s)

-- name: reschedule
select sonnette.reschedule(%(ids)s::uuid[], %(at)s::timestamptz[], %(errors)s::text[])

-- name: request_done
select sonnette.request_done(%(id)s, %(outcome)s, %(found)s::jsonb)

-- name: account_seen
-- How the account does. `open_s`: for how long nothing is asked of its provider, null where it is.
insert into sonnette.accounts as a (name, dialect, markup, state, state_reason, failures, open_until, seen_at,
                                    webhook_secret_sha256, webhook_addresses)
values (%(account)s, %(dialect)s, %(markup)s, %(state)s, %(reason)s, %(failures)s,
        clock_timestamp() + make_interval(secs => %(open_s)s), clock_timestamp(),
        %(webhook_secret_sha256)s, %(webhook_addresses)s::cidr[])
on conflict (name) do update
set dialect = excluded.dialect, markup = excluded.markup, state = excluded.state,
    state_reason = excluded.state_reason, failures = excluded.failures, open_until = excluded.open_until,
    seen_at = excluded.seen_at, webhook_secret_sha256 = excluded.webhook_secret_sha256,
    webhook_addresses = excluded.webhook_addresses

-- name: offers_fetched
-- The price for users is the provider's x markup, rounded half up (round(numeric) does, above zero).
insert into sonnette.offers (account, service_code, country_code, provider_price, price, stock, fetched_at)
select %(account)s, o.service_code, o.country_code, o.cost, round(o.cost * %(markup)s, 2), o.stock, now()
from unnest(%(service_codes)s::text[], %(country_codes)s::text[], %(costs)s::numeric[], %(stocks)s::int[])
     as o (service_code, country_code, cost, stock)
where o.cost * %(markup)s < 1e9
on conflict (account, service_code, country_code, operator) do update
set provider_price = excluded.provider_price, price = excluded.price, stock = excluded.stock,
    fetched_at = excluded.fetched_at

-- name: offers_vanished
-- What the list that was just fetched does not have is out of stock.
update sonnette.offers set stock = 0 where account = %(account)s and fetched_at < now()

-- name: offers_known
-- Whether a price list of the account was ever stored.
select exists (select from sonnette.offers where account = %(account)s)
