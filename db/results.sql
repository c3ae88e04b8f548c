-- What providers have answered, written down by the poller: a number, an SMS, an ending, a refusal,
-- when to look again. Each sets statuses in its caller's transaction and leaves the money to the
-- triggers of activations.sql; each says whether it changed anything. SQLSTATEs as in functions.sql.

-- lock_batch(activations) -> those whose row and whose user's wallet were both locked. Never waits:
-- what someone else holds is left out and stays due.
create or replace function sonnette.lock_batch(activation_ids uuid[]) returns setof uuid
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    rows_locked uuid[];
    wallets_locked uuid[];
begin
    select array_agg(id) into rows_locked from (
        select id from public.activations where id = any (activation_ids)
        order by id for no key update skip locked) a;
    select array_agg(user_id) into wallets_locked from (
        select w.user_id from public.wallets w
        where w.user_id in (select user_id from public.activations where id = any (rows_locked))
        order by w.user_id for no key update skip locked) w;
    return query
        select a.id from public.activations a
        where a.id = any (rows_locked)
          and (a.user_id = any (wallets_locked)
               or not exists (select from public.wallets w where w.user_id = a.user_id));
end
$$;

-- number_bought(...): requested -> pending, with what the provider sold; what was an orphan until now is
-- adopted. False where it is not requested.
create or replace function sonnette.number_bought(
    activation_id uuid, order_id text, phone text, operator text, cancel_after timestamptz, expires_at timestamptz
) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update public.activations a
    set status = 'pending', order_id = number_bought.order_id, phone = number_bought.phone,
        operator = coalesce(number_bought.operator, a.operator),
        cancel_after = number_bought.cancel_after, expires_at = number_bought.expires_at
    where a.id = number_bought.activation_id and a.status = 'requested';
    if not found then
        return false;
    end if;
    update sonnette.orphans o set done_at = now(), outcome = 'adopted', activation_id = a.id
    from public.activations a
    where a.id = number_bought.activation_id and o.account = a.provider
      and o.order_id = a.order_id and o.done_at is null;
    return true;
end
$$;

-- purchase_failed(...): requested -> failed, and the money comes back.
create or replace function sonnette.purchase_failed(activation_id uuid, failure text) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update public.activations a set status = 'failed', failure = purchase_failed.failure
    where a.id = purchase_failed.activation_id and a.status = 'requested';
    return found;
end
$$;

-- sms_arrived(...): one SMS that the provider has. 'delivered': a row in messages, the newest SMS on
-- the activation, and a live one is `received`; who has paid gets what is found after the end, too.
-- 'late': the money is back, so it is kept for operators alone. Null where this SMS (dedupe_key) is
-- known already, or no number was sold.
create or replace function sonnette.sms_arrived(
    activation_id uuid, code text, sms_text text, sender text, received_at timestamptz, source text, dedupe_key text
) returns text
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    a public.activations;
    over boolean;
begin
    select * into a from public.activations where id = sms_arrived.activation_id for no key update;
    if not found or a.status = 'requested' then
        return null;
    end if;
    over := sonnette.status_leads_to(a.status) = array[]::text[];
    if over and not a.charged then
        insert into sonnette.late_messages (activation_id, user_id, status, received_at, sender, code, text, source, dedupe_key)
        values (a.id, a.user_id, a.status, sms_arrived.received_at, sms_arrived.sender, sms_arrived.code,
                sms_arrived.sms_text, sms_arrived.source, sms_arrived.dedupe_key)
        on conflict do nothing;
        return case when found then 'late' end;
    end if;
    insert into public.messages (activation_id, user_id, received_at, sender, code, text, source, dedupe_key)
    values (a.id, a.user_id, sms_arrived.received_at, sms_arrived.sender, sms_arrived.code, sms_arrived.sms_text,
            sms_arrived.source, sms_arrived.dedupe_key)
    on conflict do nothing;
    if not found then
        return null;
    end if;
    update public.activations
    set status = case when over then a.status else 'received' end, sms_code = sms_arrived.code,
        sms_text = sms_arrived.sms_text, sms_received_at = sms_arrived.received_at, sms_count = a.sms_count + 1
    where id = a.id;
    return 'delivered';
end
$$;

-- text_completed(message, text): the text of an SMS of which only the code was known; on its
-- activation, too, where it is the newest. False where it has a text.
create or replace function sonnette.text_completed(message_id bigint, sms_text text) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    m public.messages;
begin
    select * into m from public.messages where id = text_completed.message_id;
    perform from public.activations where id = m.activation_id for no key update;
    update public.messages set text = text_completed.sms_text
    where id = text_completed.message_id and text is null;
    if not found then
        return false;
    end if;
    update public.activations a set sms_text = text_completed.sms_text
    where a.id = m.activation_id and a.sms_text is null and a.sms_code is not distinct from m.code
      and not exists (select from public.messages newer where newer.activation_id = a.id and newer.id > m.id);
    return true;
end
$$;

-- end_activation(...): to cancelled, timeout, failed or completed, as the provider said.
-- False where it is over already; SN409 where the status may not follow.
create or replace function sonnette.end_activation(activation_id uuid, status text, failure text) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    if end_activation.status <> all (array['cancelled', 'timeout', 'failed', 'completed']) then
        raise exception using errcode = 'SN422', message = format('%s is not an ending', end_activation.status),
            detail = json_build_object('field', 'status');
    end if;
    update public.activations a set status = end_activation.status, failure = end_activation.failure
    where a.id = end_activation.activation_id
      and a.status <> all (array['cancelled', 'timeout', 'failed', 'completed']);
    return found;
end
$$;

-- cancel_refused(...): cancelling -> pending; the provider keeps the number, and says from when not.
create or replace function sonnette.cancel_refused(activation_id uuid, failure text, cancel_after timestamptz)
    returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update public.activations a
    set status = 'pending', failure = cancel_refused.failure,
        cancel_after = coalesce(cancel_refused.cancel_after, a.cancel_after)
    where a.id = cancel_refused.activation_id and a.status = 'cancelling';
    return found;
end
$$;

-- another_refused(...): pending -> received, with what had come before; the provider will not wait
-- for a further SMS.
create or replace function sonnette.another_refused(activation_id uuid, failure text) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update public.activations a set status = 'received', failure = another_refused.failure
    where a.id = another_refused.activation_id and a.status = 'pending' and a.charged;
    return found;
end
$$;

-- reschedule(activations, times, errors or nulls) -> how many. The three arrays run in parallel.
create or replace function sonnette.reschedule(
    activation_ids uuid[], next_check_ats timestamptz[], errors text[]
) returns integer
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    moved integer;
begin
    update sonnette.work w
    set next_check_at = due.next_check_at, attempts = w.attempts + 1, last_error = due.error
    from unnest(activation_ids, next_check_ats, errors) as due (activation_id, next_check_at, error)
    where w.activation_id = due.activation_id;
    get diagnostics moved = row_count;
    return moved;
end
$$;

-- wake_overslept(account, most seconds a look may lie ahead, the same where the last one led nowhere) -> how
-- many. A clock that was set back leaves every look planned as far ahead as it was moved; those are due now.
-- Rows that somebody is just writing are left to the next call. Received rows wait for their expiry anyway.
create or replace function sonnette.wake_overslept(account text, most_s float8, most_after_error_s float8)
    returns integer
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    woken integer;
begin
    with overslept as (
        select w.activation_id
        from sonnette.work w join public.activations a on a.id = w.activation_id
        where w.account = wake_overslept.account and a.status in ('requested', 'pending', 'cancelling')
          and w.next_check_at > clock_timestamp() + make_interval(secs => most_s)
          and (w.last_error is null or w.next_check_at > clock_timestamp() + make_interval(secs => most_after_error_s))
        for update of w skip locked
    )
    update sonnette.work w set next_check_at = clock_timestamp()
    from overslept o where w.activation_id = o.activation_id;
    get diagnostics woken = row_count;
    return woken;
end
$$;

-- request_done(request, outcome, what was found or null): false where it was done already.
create or replace function sonnette.request_done(request_id bigint, outcome text, facts jsonb default null)
    returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    done integer;
begin
    update sonnette.requests r
    set done_at = now(), outcome = request_done.outcome, found = request_done.facts
    where r.id = request_done.request_id and r.done_at is null;
    get diagnostics done = row_count;
    return done > 0;
end
$$;
