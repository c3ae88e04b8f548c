-- ops: what operators do by functions, ops.blocked and ops.doctor. Each change leaves a row in ops.audit in the
-- same transaction. After operators.sql, whose parts these use; made anew whenever this text changes.
do $$
declare
    old record;
begin
    for old in select p.oid::regprocedure as name from pg_proc p
               where p.pronamespace = 'ops'::regnamespace
                 and p.proname = any (array['asked', 'recover_sms', 'cancel', 'credit', 'revoke', 'paused', 'pause', 'resume', 'drain', 'blocked',
                                           'doctor']) loop
        execute format('drop function %s', old.name);
    end loop;
end
$$;

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

create function ops.blocked() returns table (
    pid integer, login name, program text, doing text, waits_for interval,
    blocked_by integer, by_login name, by_program text, by_doing text, by_state text, by_since interval
)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
    select w.pid, w.usename, w.application_name, substring(w.query from '^\s*([A-Za-z_]+( [A-Za-z_]+){0,2})'),
           clock_timestamp() - w.query_start, h.pid, h.usename, h.application_name,
           substring(h.query from '^\s*([A-Za-z_]+( [A-Za-z_]+){0,2})'), h.state,
           clock_timestamp() - coalesce(h.xact_start, h.query_start)
    from pg_stat_activity w
    cross join lateral unnest(pg_blocking_pids(w.pid)) b (pid)
    join pg_stat_activity h on h.pid = b.pid
    where w.datname = current_database()
$$;
comment on function ops.blocked() is 'Who waits for whose lock. Of a statement only its first words are shown, never a value; by_since is how long the blocker''s transaction is open. pg_terminate_backend(blocked_by), by a superuser, ends it';

create function ops.doctor() returns table (what text, well boolean, finding text)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
    select 'triggers', count(t) = 0, coalesce(string_agg(t, '; '), 'all there, and ENABLE ALWAYS')
    from (select sonnette.unwatched() union all select sonnette.unguarded()) wrong (t)
    union all
    select 'notify queue', pg_notification_queue_usage() <= 0.5,
           format('%s%% full; %s rings left out so far', round((pg_notification_queue_usage() * 100)::numeric, 1),
                  (select case when is_called then last_value else 0 end from sonnette.rings_skipped))
    union all
    select 'locks', count(*) filter (where waits_for > interval '5 seconds') = 0,
           coalesce(string_agg(format('%s (%s) waits for %s (%s)', pid, program, blocked_by, by_program), '; '), 'nobody waits for a lock')
    from ops.blocked()
    union all
    select 'old transactions', count(*) = 0,
           coalesce(string_agg(format('%s (%s) is open for %s', pid, application_name,
                                      date_trunc('second', clock_timestamp() - xact_start)), '; '), 'none is older than five minutes')
    from pg_stat_activity where datname = current_database() and xact_start < clock_timestamp() - interval '5 minutes'
    union all
    select 'standby', not pg_is_in_recovery(),
           case when pg_is_in_recovery() then 'this is a standby: nothing can be listened to or written here'
                else format('this is the primary; %s standbys stream from it', (select count(*) from pg_stat_replication)) end
    union all
    select 'pooler', case when count(*) > 0 then false end,
           coalesce(string_agg(format('%s %s: %s', p.kind, p.host, problem), '; '),
                    'no process complains of one; from inside it cannot be seen, `sonnette doctor` looks')
    from sonnette.processes p cross join unnest(p.problems) problem
    where p.stopped_at is null and problem like '%pooler%'
    union all
    select 'clock', coalesce(max(c.at) <= clock_timestamp(), true),
           format('%s; the newest change is of %s', clock_timestamp(), coalesce(max(c.at)::text, 'no time'))
    from (select at from sonnette.changes order by tx desc, n desc limit 100) c
    union all
    select 'grants', count(*) = 0, coalesce(string_agg(wrong, '; '), 'each role has its own and no other')
    from (
        select format('%s is a superuser or bypasses row security', rolname) from pg_roles
        where rolname like 'sonnette\_%' and (rolsuper or rolbypassrls)
        union all
        select format('the role %s is missing', r) from unnest(array['sonnette_owner', 'sonnette_service', 'sonnette_poller',
                                                                     'sonnette_gateway', 'sonnette_operator']) r
        where to_regrole(r) is null
        union all
        select format('%s may write %s', g.grantee, g.table_name) from information_schema.role_table_grants g
        where g.table_schema in ('public', 'sonnette') and g.table_name in ('wallets', 'ledger', 'changes', 'numbers', 'feeds')
          and g.privilege_type in ('INSERT', 'UPDATE', 'DELETE')
          and g.grantee = any (array['PUBLIC', 'sonnette_service', 'sonnette_poller', 'sonnette_gateway', 'sonnette_operator'])
        union all
        select 'everybody may connect to this database' from pg_database d cross join lateral aclexplode(d.datacl) a
        where d.datname = current_database() and a.grantee = 0 and a.privilege_type = 'CONNECT'
        union all
        select format('everybody may call %s', p.oid::regprocedure) from pg_proc p
        where p.pronamespace in ('sonnette'::regnamespace, 'ops'::regnamespace)
          and has_function_privilege('public', p.oid, 'execute')
    ) found (wrong)
    union all
    select 'epoch', (e.system_identifier, e.database_oid, e.timeline) = (h.system_identifier, h.database_oid, h.timeline),
           format('%s since %s%s', e.id, e.since, case when e.system_identifier is null then '; no process has looked at its place yet' end)
    from sonnette.epoch e cross join lateral (select * from sonnette.here() where not pg_is_in_recovery()) h
    union all
    select 'migrations', null, format('at %s; versions running: %s', (select version_num from sonnette.alembic_version),
           coalesce((select string_agg(distinct p.version, ', ') from sonnette.processes p
                     where p.stopped_at is null and p.seen_at > clock_timestamp() - interval '15 seconds'), 'none'))
    union all
    select 'processes', count(*) filter (where p.state in ('silent', 'troubled')) = 0
                        and count(distinct p.kind) filter (where p.state in ('well', 'draining')) = 3,
           coalesce(string_agg(format('%s %s on %s: %s, seen %s ago', p.kind, p.pid, p.host, p.state, date_trunc('second', p.unseen_for)), '; '
                               order by p.kind, p.host), 'none has ever been seen')
    from ops.processes p where p.state <> 'stopped'
    union all
    select 'accounts', count(*) filter (where a.state <> 'up') = 0,
           coalesce(string_agg(concat_ws(' ', a.account, a.state, a.state_reason), '; ' order by a.account), 'there is none')
    from ops.accounts a
    union all
    select 'numbers', count(*) = 0, format('%s of %s live ones are stuck', count(distinct s.activation), (select count(*) from sonnette.work))
    from ops.stuck s
    union all
    select 'without work', count(*) = 0, format('%s live numbers are looked at by nobody', count(*))
    from public.activations a
    where a.status in ('requested', 'pending', 'received', 'cancelling')
      and not exists (select from sonnette.work w where w.activation_id = a.id)
    union all
    select 'money', count(*) = 0, format('%s differences between wallets, ledger and activations', count(*))
    from sonnette.money_differences
$$;
comment on function ops.doctor() is 'Everything that can be looked at from inside the database, a line each: well true, false, or null where it is neither. What is false says what it is in finding; docs/operations.md what to do. Reads all numbers and the ledger, so it may take seconds';

-- Who may do all this.
do $$
declare
    mine record;
begin
    for mine in select p.oid::regprocedure as name, p.proname from pg_proc p where p.pronamespace = 'ops'::regnamespace loop
        execute format('revoke all on function %s from public', mine.name);
        if mine.proname <> all (array['note', 'as_uuid', 'user_of', 'activation_of', 'masked', 'asked', 'paused']) then
            execute format('grant execute on function %s to sonnette_operator', mine.name);
        else
            execute format('comment on function %s is %L', mine.name, 'A part of the others; not to be called');
        end if;
    end loop;
end
$$;
