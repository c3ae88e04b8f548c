-- ops: who blocks whom, ops.doctor, and, last of the four parts of operators.sql, who may do all this.

create function ops.blocked() returns table (
    pid integer, login name, program text, doing text, waits_for interval,
    blocked_by integer, by_login name, by_program text, by_doing text, by_state text, by_since interval
)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
    select w.pid, w.usename, w.application_name, substring(w.query from '^\s*([A-Za-z_]+( [A-Za-z_]+){0,2})'),
           clock_timestamp() - w.query_start, b.pid, coalesce(h.usename, x.owner),
           case when b.pid = 0 then concat_ws(' ', 'prepared transaction', x.gid) else h.application_name end,
           substring(h.query from '^\s*([A-Za-z_]+( [A-Za-z_]+){0,2})'), case when b.pid = 0 then 'prepared' else h.state end,
           clock_timestamp() - coalesce(h.xact_start, h.query_start, x.prepared)
    from pg_stat_activity w
    cross join lateral unnest(pg_blocking_pids(w.pid)) b (pid)
    left join pg_stat_activity h on h.pid = b.pid
    left join lateral (
        select p.gid, p.owner, p.prepared from pg_locks l join pg_prepared_xacts p on p.transaction = l.transactionid
        where l.pid = w.pid and not l.granted limit 1) x on b.pid = 0
    where w.datname = current_database() and (h.pid is not null or b.pid = 0)
$$;
comment on function ops.blocked() is 'Who waits for whose lock. Of a statement only its first words are shown, never a value; by_since is how long the blocker''s transaction is open. pg_terminate_backend(blocked_by), by a superuser, ends it; a prepared transaction has no process, blocked_by is 0 then, and ROLLBACK PREPARED ends it';

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
           coalesce(string_agg(format('%s is open for %s', who, date_trunc('second', clock_timestamp() - since)), '; '),
                    'none is older than five minutes')
    from (
        select format('%s (%s)', pid, application_name), xact_start
        from pg_stat_activity where datname = current_database()
        union all
        select format('the prepared transaction %s (%s)', gid, owner), prepared
        from pg_prepared_xacts where database = current_database()
    ) t (who, since)
    where since < clock_timestamp() - interval '5 minutes'
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
    select 'canary', case when count(p.id) > 0 then count(deaf.problem) = 0 end,
           coalesce(string_agg(format('%s %s on %s: %s', p.kind, p.pid, p.host, deaf.problem), '; '),
                    format('%s processes hear what they send themselves', count(p.id)))
    from sonnette.processes p
    left join lateral (select problem from unnest(p.problems) problem where problem like 'not listening%') deaf on true
    where p.stopped_at is null and p.seen_at > clock_timestamp() - interval '10 seconds'
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
    from sonnette.epoch e cross join sonnette.here() h
    union all
    select 'migrations', null, format('at %s; versions running: %s', (select version_num from sonnette.alembic_version),
           coalesce((select string_agg(distinct p.version, ', ') from sonnette.processes p
                     where p.stopped_at is null and p.seen_at > clock_timestamp() - interval '10 seconds'), 'none'))
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

-- The manual's table of contents, and who may do all this.
comment on schema ops is 'What operators type: \dv+ ops.* lists the views, \df+ ops.* the functions, each with what it is for; \d+ ops.live the columns of one';
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
grant usage on schema ops to sonnette_operator;
grant select on all tables in schema ops to sonnette_operator;
