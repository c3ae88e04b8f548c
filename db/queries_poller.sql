-- The statements of the poller, by name; see queries.sql.

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

-- name: wake_overslept
select sonnette.wake_overslept(%(account)s, %(most_s)s, %(most_after_error_s)s)

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

-- name: account_state
-- How the account did when it was last held, and for how many seconds nothing is to be asked of its provider.
select state, state_reason, failures,
       greatest(0, coalesce(extract(epoch from open_until - clock_timestamp()), 0))::float8
from sonnette.accounts where name = %(account)s

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
