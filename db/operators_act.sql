-- ops: what operators do. Each change leaves a row in ops.audit in the same transaction. A part of
-- operators.sql, whose common parts these use.

create function ops.asked(activation uuid, kind text) returns sonnette.requests
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    a public.activations := ops.activation_of(activation);
    request sonnette.requests := sonnette.ask(a.user_id, a.id, kind);
begin
    perform ops.note(kind, a.id::text, jsonb_build_object('request', request.id, 'status', a.status));
    return request;
end
$$;

create function ops.recover_sms(activation uuid) returns table (request bigint, asked_at timestamptz)
    language sql security definer
    set search_path = pg_catalog, pg_temp
as $$ select r.id, r.at from ops.asked(activation, 'recover') r $$;
comment on function ops.recover_sms(uuid) is 'Has the poller read again everything that the provider still knows of a number, also after its end; never charges twice. What is found for a paid number is the user''s at once; else it is late. Seconds later: ops.trace(activation) has the answer, ops.sms(activation) the codes';

create function ops.cancel(activation uuid) returns table (request bigint, asked_at timestamptz)
    language sql security definer
    set search_path = pg_catalog, pg_temp
as $$ select r.id, r.at from ops.asked(activation, 'cancel') r $$;
comment on function ops.cancel(uuid) is 'Cancels a number as its user would: the provider is asked first, the money comes back on its word. Refused with a sentence where the state or the provider''s time forbids it';

create function ops.credit(who text, amount numeric, reason text) returns table (user_id uuid, balance numeric, frozen numeric)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    found_id uuid := ops.user_of(who);
    wallet public.wallets;
begin
    if coalesce(btrim(reason), '') = '' then
        raise exception using errcode = 'SN422', message = 'say why: the reason stands in the ledger',
            detail = json_build_object('field', 'reason');
    end if;
    wallet := sonnette.credit(found_id, amount, reason);
    perform ops.note('credit', found_id::text, jsonb_build_object('amount', amount, 'reason', reason));
    return query select wallet.user_id, wallet.balance, wallet.frozen;
end
$$;
comment on function ops.credit(text, numeric, text) is 'Puts money into the wallet of a user who is known (name or uuid); the ledger has amount and reason, the user sees it at once. sonnette.debit() takes some';

create function ops.revoke(who text) returns timestamptz
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_id uuid := coalesce(ops.as_uuid(who), ops.user_of(who));
begin
    perform ops.note('revoke', found_id::text);
    return sonnette.revoke(found_id);
end
$$;
comment on function ops.revoke(text) is 'Takes back every token of a user that was issued until now; open sockets are closed within 5 s. A uuid need not be known here. See docs/security.md';

-- paused(account, whether): the common half of pause and resume.
create function ops.paused(account text, paused boolean) returns table (name text, paused_at timestamptz)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    update sonnette.accounts a
    set paused_at = case when paused then coalesce(a.paused_at, clock_timestamp()) end
    where a.name = paused.account;
    if not found then
        raise exception using errcode = 'SN404', message = format('there is no account %L', paused.account),
            detail = json_build_object('what', 'account'), hint = 'ops.accounts lists them.';
    end if;
    perform ops.note(case when paused then 'pause' else 'resume' end, paused.account);
    perform sonnette.ring('sonnette_work', array['*'], 1);
    return query select a.name, a.paused_at from sonnette.accounts a where a.name = paused.account;
end
$$;
create function ops.pause(account text) returns table (name text, paused_at timestamptz)
    language sql security definer
    set search_path = pg_catalog, pg_temp
as $$ select * from ops.paused(pause.account, true) $$;
create function ops.resume(account text) returns table (name text, paused_at timestamptz)
    language sql security definer
    set search_path = pg_catalog, pg_temp
as $$ select * from ops.paused(resume.account, false) $$;
comment on function ops.pause(text) is 'From now on nothing is bought at this provider account and the provider is asked nothing; what is under way ends. Its live numbers wait, purchases without a number fail after two minutes and are refunded. Ends with ops.resume(account)';
comment on function ops.resume(text) is 'Ends ops.pause(account); everything that is due is looked at, at once';

create function ops.drain(gateway uuid) returns text
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    p sonnette.processes;
begin
    update sonnette.processes set drain_at = coalesce(drain_at, clock_timestamp())
    where id = gateway and kind = 'gateway' and stopped_at is null returning * into p;
    if not found then
        raise exception using errcode = 'SN404', message = format('no gateway %s is running', gateway),
            detail = json_build_object('what', 'gateway'), hint = 'ops.processes has their ids.';
    end if;
    perform ops.note('drain', gateway::text, jsonb_build_object('host', p.host, 'pid', p.pid));
    return format('gateway %s on %s stops accepting and closes its sockets with 1012 at its next heartbeat, in 3 s', p.pid, p.host);
end
$$;
comment on function ops.drain(uuid) is 'Has one gateway (id in ops.processes) stop accepting, close its sockets with 1012 and end with exit code 0; its clients resume elsewhere. Under systemd it stays down until it is started, or, with its socket unit, until the next client comes';
