-- Webhooks: nobody signs them, so each is a hint that the poller confirms with the provider before
-- anybody pays. The service stores it here and answers; this rings for the poller.
-- A row of sonnette.inbox holds a code: only poller and operators may read it.

-- webhook_received(account, order or null, body, from where, key) -> whether it is a new one; the same
-- delivery again does nothing. An order that no activation has, and that no purchase under way may
-- turn out to be, is closed at once as `unknown`. Where others for the order are not confirmed it
-- waits as long as they do, and with 20 of them it is closed at once as `too_many`: whoever posts
-- without end makes no endless questions, and keeps no cancel or expiry waiting.
create or replace function sonnette.webhook_received(
    account text, order_id text, body jsonb, remote_address inet, dedupe_key text
) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    ended text;
    others integer;
    their_try timestamptz;
begin
    select count(*), max(i.next_try_at) filter (where i.tries > 0) into others, their_try
    from sonnette.inbox i
    where i.account = webhook_received.account and i.order_id = webhook_received.order_id and i.done_at is null;
    if others >= 20 then
        ended := 'too_many';
    -- Looked for twice: a purchase that is written in between is seen by the second look.
    elsif not sonnette.is_ordered(account, order_id) and not sonnette.is_buying(account)
          and not sonnette.is_ordered(account, order_id) then
        ended := 'unknown';
    end if;
    insert into sonnette.inbox (account, order_id, body, remote_address, dedupe_key, next_try_at, done_at, outcome)
    values (webhook_received.account, webhook_received.order_id, webhook_received.body,
            webhook_received.remote_address, webhook_received.dedupe_key,
            coalesce(their_try, clock_timestamp()), case when ended is not null then clock_timestamp() end, ended)
    on conflict on constraint inbox_once do nothing;
    return found;
end
$$;

-- is_ordered(account, order): whether an activation has that order.
create or replace function sonnette.is_ordered(account text, order_id text) returns boolean
    language sql stable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select exists (
        select from public.activations a
        where a.provider = is_ordered.account and a.order_id = is_ordered.order_id)
$$;

-- is_buying(account): whether a purchase is under way whose order nobody knows yet.
create or replace function sonnette.is_buying(account text) returns boolean
    language sql stable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select exists (
        select from sonnette.work w join public.activations a on a.id = w.activation_id
        where w.account = is_buying.account and a.status = 'requested')
$$;

-- inbox_rang(): 'i:<id>' on sonnette_work for each webhook that waits for the poller.
create or replace function sonnette.inbox_rang() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    perform sonnette.ring('sonnette_work', array_agg('i:' || id), 190) from new_rows where done_at is null;
    return null;
end
$$;

create or replace trigger inbox_inserted after insert on sonnette.inbox
    referencing new table as new_rows
    for each statement execute function sonnette.inbox_rang();
alter table sonnette.inbox enable always trigger inbox_inserted;

-- hint_closed(webhook, outcome): confirmed, unconfirmed or unanswered. False where it was closed.
create or replace function sonnette.hint_closed(inbox_id bigint, outcome text) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update sonnette.inbox i set done_at = clock_timestamp(), outcome = hint_closed.outcome, tries = i.tries + 1
    where i.id = hint_closed.inbox_id and i.done_at is null;
    return found;
end
$$;

-- hint_later(webhook, time): the provider has not confirmed it; it is asked again then.
create or replace function sonnette.hint_later(inbox_id bigint, next_try_at timestamptz) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update sonnette.inbox i set next_try_at = hint_later.next_try_at, tries = i.tries + 1
    where i.id = hint_later.inbox_id and i.done_at is null;
    return found;
end
$$;

-- hints_unknown(account) -> how many webhooks were closed, for which no purchase has brought the order.
create or replace function sonnette.hints_unknown(account text) returns integer
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    closed integer;
begin
    update sonnette.inbox i set done_at = clock_timestamp(), outcome = 'unknown'
    where i.account = hints_unknown.account and i.done_at is null
      and not sonnette.is_ordered(i.account, i.order_id)
      and (i.received_at < clock_timestamp() - interval '1 minute' or not sonnette.is_buying(hints_unknown.account));
    get diagnostics closed = row_count;
    return closed;
end
$$;
