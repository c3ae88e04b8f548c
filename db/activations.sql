-- Status and money of activations: the triggers by which an UPDATE typed in psql has the same
-- effect as the API. Applied again whenever its text changes.
--
-- Money follows status, here and nowhere else: an INSERT freezes the price, the first `received`
-- commits it, an ending without an SMS refunds what is still frozen, and every movement leaves its
-- ledger row in the same statement.

-- status_leads_to(status): the statuses that may follow. The one place where the life of an
-- activation is written down.
create or replace function sonnette.status_leads_to(status text) returns text[]
    language sql immutable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select case status
        when 'requested'  then array['pending', 'failed']
        when 'pending'    then array['received', 'completed', 'cancelling', 'cancelled', 'timeout', 'failed']
        when 'received'   then array['pending', 'completed']
        when 'cancelling' then array['pending', 'received', 'cancelled', 'timeout', 'failed']
        else array[]::text[]
    end
$$;

-- guard_activation(): BEFORE each row whose status, owner or money changes. Refuses what the rules
-- forbid with a sentence, and sets what follows from the status: charged, frozen_amount, sms_count,
-- sms_received_at.
create or replace function sonnette.guard_activation() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    arrives boolean;
begin
    if tg_op = 'INSERT' then
        if new.status not in ('requested', 'pending') then
            raise exception using errcode = 'SN409',
                message = format('an activation begins as requested or pending, not as %s', new.status),
                detail = json_build_object('status', new.status);
        end if;
        new.charged := false;
        new.frozen_amount := new.price;
        return new;
    end if;

    if new.status <> old.status and new.status <> all (sonnette.status_leads_to(old.status)) then
        raise exception using errcode = 'SN409',
            message = format('activation %s is %s and cannot become %s', old.id, old.status, new.status),
            detail = json_build_object('status', old.status),
            hint = case when sonnette.status_leads_to(old.status) = array[]::text[]
                        then format('%s is an ending.', old.status)
                        else format('It may become %s.',
                                    array_to_string(sonnette.status_leads_to(old.status), ', ')) end;
    end if;
    if new.status = 'completed' and old.status = 'pending' and not old.charged then
        raise exception using errcode = 'SN409',
            message = format('activation %s has received nothing and cannot be completed', old.id),
            detail = json_build_object('status', old.status),
            hint = 'Set cancelling, and the provider is asked and the money comes back.';
    end if;
    if (new.price, new.charged, new.frozen_amount) is distinct from (old.price, old.charged, old.frozen_amount) then
        raise exception using errcode = 'SN409',
            message = 'price, charged and frozen_amount of an activation follow its status and are not set by hand',
            detail = json_build_object('status', old.status),
            hint = 'Set the status; sonnette.credit() and sonnette.debit() correct a wallet.';
    end if;
    if new.user_id <> old.user_id and old.frozen_amount > 0 then
        raise exception using errcode = 'SN409',
            message = format('activation %s holds frozen money of its user and cannot change hands', old.id),
            detail = json_build_object('status', old.status);
    end if;

    -- Back to `received` without a word of a further SMS: none came, and none is made up.
    arrives := new.status = 'received' and old.status <> 'received'
        and not (old.charged
                 and (new.sms_code, new.sms_text, new.sms_received_at, new.sms_count)
                     is not distinct from (old.sms_code, old.sms_text, old.sms_received_at, old.sms_count));
    if arrives then
        new.charged := true;
        new.frozen_amount := 0;
        if new.sms_count = old.sms_count then
            new.sms_count := old.sms_count + 1;
        end if;
        if new.sms_received_at is not distinct from old.sms_received_at then
            new.sms_received_at := now();
        end if;
    elsif new.status in ('cancelled', 'timeout', 'failed') then
        new.frozen_amount := 0;
    end if;
    return new;
end
$$;

-- touch_activation(): BEFORE each row that changes at all: an UPDATE of nothing is no event.
create or replace function sonnette.touch_activation() returns trigger
    language plpgsql
as $$
begin
    new.updated_at := pg_catalog.clock_timestamp();
    return new;
end
$$;

-- settle(movements): moves money, a wallet once for all movements of its user, and writes the ledger.
-- freeze: frozen rises. commit: balance and frozen drop. refund: frozen drops.
-- Takes wallets in user_id order. SN402 where a freeze finds not enough money.
create or replace function sonnette.settle(movements sonnette.movement[]) returns void
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    short record;
begin
    if movements is null then
        return;
    end if;
    insert into public.wallets (user_id)
    select distinct user_id from unnest(movements) order by user_id
    on conflict do nothing;
    perform from public.wallets
    where user_id in (select user_id from unnest(movements))
    order by user_id
    for no key update;

    select w.balance - w.frozen as available, needed.amount into short
    from (select user_id, sum(amount) as amount from unnest(movements)
          where kind = 'freeze' group by user_id) needed
    join public.wallets w on w.user_id = needed.user_id
    where w.balance - w.frozen < needed.amount
    order by w.user_id limit 1;
    if found then
        raise exception using errcode = 'SN402',
            message = format('not enough money: %s needed, %s available', short.amount, short.available),
            detail = json_build_object('needed', short.amount::text, 'available', short.available::text);
    end if;

    with effects as (
        select m.user_id, m.activation_id, m.kind, m.amount, m.reason,
               case when m.kind = 'commit' then -m.amount else 0 end as d_balance,
               case when m.kind = 'freeze' then m.amount else -m.amount end as d_frozen
        from unnest(movements) m
    )
    insert into public.ledger (user_id, activation_id, kind, amount, balance_after, frozen_after, reason)
    select e.user_id, e.activation_id, e.kind, e.amount,
           w.balance + sum(e.d_balance) over course, w.frozen + sum(e.d_frozen) over course, e.reason
    from effects e join public.wallets w on w.user_id = e.user_id
    window course as (partition by e.user_id order by e.activation_id)
    order by e.user_id, e.activation_id;

    update public.wallets w
    set balance = w.balance - moved.committed, frozen = w.frozen + moved.frozen
    from (
        select user_id,
               coalesce(sum(amount) filter (where kind = 'commit'), 0) as committed,
               sum(case when kind = 'freeze' then amount else -amount end) as frozen
        from unnest(movements) group by user_id
    ) moved
    where w.user_id = moved.user_id;
end
$$;

-- The three AFTER STATEMENT triggers; 'a:<activation>' rings on sonnette_work for the poller and for
-- waiting services. Their names sort before sonnette_log_*, so the wallet's change
-- stands on the feed before the activation's own.
create or replace function sonnette.activations_inserted() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    perform sonnette.settle((
        select array_agg((user_id, id, 'freeze', frozen_amount, 'bought')::sonnette.movement)
        from new_rows where frozen_amount > 0));
    insert into sonnette.work (activation_id, account, next_check_at)
    select id, provider, now() from new_rows order by id;
    perform sonnette.ring('sonnette_work', array_agg('a:' || id), 190) from new_rows;
    return null;
end
$$;

create or replace function sonnette.activations_updated() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    if not exists (select from new_rows n join old_rows o on o.id = n.id where n.status <> o.status) then
        return null;
    end if;
    perform sonnette.settle((
        select array_agg((n.user_id, n.id, case when n.charged and not o.charged then 'commit' else 'refund' end,
                          o.frozen_amount, n.status)::sonnette.movement)
        from new_rows n join old_rows o on o.id = n.id
        where n.frozen_amount = 0 and o.frozen_amount > 0));

    insert into public.messages (activation_id, user_id, received_at, code, text, source, dedupe_key)
    select n.id, n.user_id, n.sms_received_at, n.sms_code, n.sms_text, 'operator', 'operator:' || n.sms_count
    from new_rows n join old_rows o on o.id = n.id
    where n.status = 'received' and o.status <> 'received' and n.sms_count <> o.sms_count
      and not exists (
          select from public.messages m
          where m.activation_id = n.id and m.code is not distinct from n.sms_code
            and m.text is not distinct from n.sms_text and m.received_at = n.sms_received_at);

    delete from sonnette.work w
    using new_rows n join old_rows o on o.id = n.id
    where w.activation_id = n.id and n.status <> o.status
      and sonnette.status_leads_to(n.status) = array[]::text[];
    insert into sonnette.work as w (activation_id, account, next_check_at)
    select n.id, n.provider, case when n.status = 'received' then coalesce(n.expires_at, now()) else now() end
    from new_rows n join old_rows o on o.id = n.id
    where n.status <> o.status and sonnette.status_leads_to(n.status) <> array[]::text[]
    order by n.id
    on conflict (activation_id) do update
        set account = excluded.account, next_check_at = excluded.next_check_at, attempts = 0, last_error = null;

    perform sonnette.ring('sonnette_work', array_agg('a:' || n.id), 190)
    from new_rows n join old_rows o on o.id = n.id where n.status <> o.status;
    return null;
end
$$;

create or replace function sonnette.activations_deleted() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    perform sonnette.settle((
        select array_agg((user_id, id, 'refund', frozen_amount, 'deleted')::sonnette.movement)
        from old_rows where frozen_amount > 0));
    return null;
end
$$;

create or replace function sonnette.requests_changed() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    perform sonnette.ring('sonnette_work', array_agg('r:' || id), 190) from new_rows;
    return null;
end
$$;

create or replace trigger activations_guard_insert before insert on public.activations
    for each row execute function sonnette.guard_activation();
create or replace trigger activations_guard_update before update on public.activations
    for each row
    when ((old.status, old.user_id, old.price, old.charged, old.frozen_amount)
          is distinct from (new.status, new.user_id, new.price, new.charged, new.frozen_amount))
    execute function sonnette.guard_activation();
create or replace trigger activations_touch before update on public.activations
    for each row when (old.* is distinct from new.*)
    execute function sonnette.touch_activation();
create or replace trigger activations_inserted after insert on public.activations
    referencing new table as new_rows
    for each statement execute function sonnette.activations_inserted();
create or replace trigger activations_updated after update on public.activations
    referencing old table as old_rows new table as new_rows
    for each statement execute function sonnette.activations_updated();
create or replace trigger activations_deleted after delete on public.activations
    referencing old table as old_rows
    for each statement execute function sonnette.activations_deleted();
create or replace trigger requests_inserted after insert on sonnette.requests
    referencing new table as new_rows
    for each statement execute function sonnette.requests_changed();
create or replace trigger requests_updated after update on sonnette.requests
    referencing new table as new_rows
    for each statement execute function sonnette.requests_changed();
alter table public.activations enable always trigger activations_guard_insert;
alter table public.activations enable always trigger activations_guard_update;
alter table public.activations enable always trigger activations_touch;
alter table public.activations enable always trigger activations_inserted;
alter table public.activations enable always trigger activations_updated;
alter table public.activations enable always trigger activations_deleted;
alter table sonnette.requests enable always trigger requests_inserted;
alter table sonnette.requests enable always trigger requests_updated;

-- unguarded(): which of our other triggers are gone or off, a sentence each, as sonnette.unwatched()
-- has it for those of the feed. Without them an UPDATE moves no money, or wakes nobody.
create or replace function sonnette.unguarded() returns setof text
    language sql stable security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select format('%s has lost its trigger %s', e.table_name, e.trigger_name)
    from (values ('public.activations', 'activations_guard_insert'),
                 ('public.activations', 'activations_guard_update'),
                 ('public.activations', 'activations_touch'),
                 ('public.activations', 'activations_inserted'),
                 ('public.activations', 'activations_updated'),
                 ('public.activations', 'activations_deleted'),
                 ('sonnette.requests', 'requests_inserted'),
                 ('sonnette.requests', 'requests_updated'),
                 ('sonnette.inbox', 'inbox_inserted')) as e (table_name, trigger_name)
    where not exists (
        select from pg_trigger t
        where t.tgrelid = to_regclass(e.table_name) and t.tgname = e.trigger_name)
    union all
    select format('the trigger %s on %s is not ENABLE ALWAYS', t.tgname, t.tgrelid::regclass)
    from pg_trigger t
    join pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'sonnette'::regnamespace
    where t.tgenabled <> 'A' and t.tgname not like 'sonnette\_%'
$$;

select sonnette.watch('public.wallets', 'user_id');
select sonnette.watch('public.activations', 'user_id');
select sonnette.watch('public.messages', 'user_id');
