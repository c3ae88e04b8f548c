-- What operators have to see of money and purchases, and what the poller writes down about purchases
-- whose answer it may lose. Applied again whenever its text changes.

-- money_differences: must be empty, after every commit. One line for each thing that does not agree.
create or replace view sonnette.money_differences as
with told as (
    select user_id,
           coalesce(sum(amount) filter (where kind = 'credit'), 0)
           - coalesce(sum(amount) filter (where kind in ('debit', 'commit')), 0) as balance,
           coalesce(sum(amount) filter (where kind = 'freeze'), 0)
           - coalesce(sum(amount) filter (where kind in ('commit', 'refund')), 0) as frozen
    from public.ledger group by user_id
), last as (
    select distinct on (user_id) user_id, balance_after, frozen_after
    from public.ledger order by user_id, id desc
), held as (
    select user_id, sum(frozen_amount) as frozen from public.activations group by user_id
), wallets as (
    select coalesce(w.user_id, t.user_id, h.user_id) as user_id, coalesce(w.balance, 0) as balance,
           coalesce(w.frozen, 0) as frozen, coalesce(t.balance, 0) as told_balance,
           coalesce(t.frozen, 0) as told_frozen, coalesce(l.balance_after, 0) as last_balance,
           coalesce(l.frozen_after, 0) as last_frozen, coalesce(h.frozen, 0) as held_frozen
    from public.wallets w
    full join told t on t.user_id = w.user_id
    full join held h on h.user_id = coalesce(w.user_id, t.user_id)
    left join last l on l.user_id = coalesce(w.user_id, t.user_id, h.user_id)
)
select user_id, null::uuid as activation_id, d.difference, d.found, d.wanted
from wallets, lateral (values
    ('balance is not the sum of the ledger', balance, told_balance),
    ('frozen is not the sum of the ledger', frozen, told_frozen),
    ('balance is not balance_after of the last ledger row', balance, last_balance),
    ('frozen is not frozen_after of the last ledger row', frozen, last_frozen),
    ('frozen is not what the activations hold', frozen, held_frozen)) d (difference, found, wanted)
where d.found <> d.wanted
union all
select a.user_id, a.id, d.difference, d.found, d.wanted
from public.activations a
cross join lateral (
    select coalesce(sum(amount) filter (where kind = 'freeze'), 0) as froze,
           coalesce(sum(amount) filter (where kind = 'commit'), 0) as paid,
           coalesce(sum(amount) filter (where kind = 'refund'), 0) as refunded
    from public.ledger l where l.activation_id = a.id) moved
cross join lateral (values
    ('frozen_amount is not what its ledger rows leave', a.frozen_amount, froze - paid - refunded),
    ('it is charged and not paid, or paid and not charged', case when a.charged then a.price else 0 end, paid)
    ) d (difference, found, wanted)
where d.found <> d.wanted;
comment on view sonnette.money_differences is 'Must be empty: where wallets, ledger and activations do not agree';

-- in_doubt: purchases that were put to the provider, or were about to be, and whose answer nobody has.
-- What an operator may do: look at the provider, then set `failed`, and the money comes back.
create or replace view sonnette.in_doubt as
select w.activation_id, w.account, a.user_id, a.service_code, a.country_code, a.price, a.created_at,
       w.last_error, w.next_check_at
from sonnette.work w
join public.activations a on a.id = w.activation_id
where a.status = 'requested' and w.last_error like 'purchase unanswered%';
comment on view sonnette.in_doubt is 'Purchases whose answer is not known: set failed where the provider has sold nothing';

-- purchase_begins(activation): writes down that the provider is about to be asked for its number, so
-- that a crash leaves a purchase in doubt and not one that looks untried. False where it is not
-- `requested`, or somebody holds the row: then nothing may be bought.
create or replace function sonnette.purchase_begins(activation_id uuid) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update sonnette.work w set last_error = 'purchase unanswered: no answer yet'
    where w.activation_id = (
        select due.activation_id from sonnette.work due
        join public.activations a on a.id = due.activation_id
        where due.activation_id = purchase_begins.activation_id and a.status = 'requested'
        for no key update of due skip locked);
    return found;
end
$$;

-- orphans_seen(account, parallel arrays) -> the orders to give back. Notes numbers that the provider
-- lists and that no activation has. Given back is only what fits a purchase of ours that ended while
-- its answer was missing: an account may be used by somebody else, too, whose numbers are not ours.
create or replace function sonnette.orphans_seen(
    account text, order_ids text[], phones text[], service_codes text[], country_codes text[]
) returns setof text
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update sonnette.orphans o set done_at = now(), outcome = 'adopted', activation_id = a.id
    from public.activations a
    where o.account = orphans_seen.account and o.done_at is null
      and a.provider = o.account and a.order_id = o.order_id;

    insert into sonnette.orphans as o (account, order_id, phone, service_code, country_code)
    select orphans_seen.account, seen.order_id, seen.phone, seen.service_code, seen.country_code
    from unnest(order_ids, phones, service_codes, country_codes)
         as seen (order_id, phone, service_code, country_code)
    where not exists (select from public.activations a
                      where a.provider = orphans_seen.account and a.order_id = seen.order_id)
    on conflict on constraint orphans_pkey do update set seen_at = clock_timestamp();

    update sonnette.orphans o set activation_id = (
        select a.id from public.activations a
        where a.provider = o.account and a.order_id is null and a.status = 'failed'
          and coalesce(a.failure, 'provider_error') = 'provider_error'
          and a.service_code = o.service_code and a.country_code = o.country_code
          and a.created_at between o.first_seen_at - interval '1 hour' and o.first_seen_at
          and not exists (select from sonnette.orphans other where other.activation_id = a.id)
        order by a.created_at limit 1)
    where o.account = orphans_seen.account and o.order_id = any (order_ids)
      and o.done_at is null and o.activation_id is null;

    return query
        select o.order_id from sonnette.orphans o
        where o.account = orphans_seen.account and o.order_id = any (order_ids)
          and o.done_at is null and o.activation_id is not null;
end
$$;

-- orphan_released(account, order, what the provider said, whether it is over): one that was given back.
create or replace function sonnette.orphan_released(account text, order_id text, outcome text, over boolean)
    returns void
    language sql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    insert into sonnette.orphans as o (account, order_id, outcome, done_at)
    values (orphan_released.account, orphan_released.order_id, orphan_released.outcome,
            case when orphan_released.over then now() end)
    on conflict on constraint orphans_pkey do update set outcome = excluded.outcome, done_at = excluded.done_at
$$;
