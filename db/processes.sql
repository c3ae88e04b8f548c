-- What the processes ask and tell at the database: which history it has, and that they live.
-- Applied again whenever its text changes, so everything in it can be repeated.

-- here(): the place of this history. Another cluster, another database of it, or another timeline
-- (a standby that was promoted, a recovery to a point in time) is another place. The timeline is
-- taken from the name of the WAL file written now: pg_control_checkpoint() knows of a promotion only
-- after the next checkpoint. A standby, which makes no history, has none.
create or replace function sonnette.here(
    out system_identifier bigint, out database_oid oid, out timeline integer
)
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    system_identifier := (select c.system_identifier from pg_control_system() c);
    database_oid := (select d.oid from pg_database d where d.datname = current_database());
    if not pg_is_in_recovery() then  -- a standby writes nothing, and says so by an error
        timeline := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;
    end if;
end
$$;

-- this_history() -> the epoch. Every process calls it at every connect. Where the place is another
-- one than the epoch was given for, there is a new epoch, one for all who ask at the same moment:
-- the UPDATE of the second waits for the first, looks again, and finds the place as it is.
-- The first call of all writes the place down and leaves the epoch as it is.
create or replace function sonnette.this_history() returns uuid
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    place record;
begin
    select * into place from sonnette.here();
    if not exists (
        select from sonnette.epoch e
        where (e.system_identifier, e.database_oid, e.timeline)
            = (place.system_identifier, place.database_oid, place.timeline)
    ) then
        update sonnette.epoch e
        set id = case when e.system_identifier is null then e.id else gen_random_uuid() end,
            since = case when e.system_identifier is null then e.since else now() end,
            system_identifier = place.system_identifier,
            database_oid = place.database_oid,
            timeline = place.timeline
        where (e.system_identifier, e.database_oid, e.timeline)
            is distinct from (place.system_identifier, place.database_oid, place.timeline);
    end if;
    return (select e.id from sonnette.epoch e);
end
$$;

-- process_seen(...) -> whether an operator wants it to end (ops.drain): a process says that it lives,
-- and how it fares. The first time makes its row.
-- Never anything of a user. sonnette.tidy() forgets who is gone after some days; a process that dies
-- each second and is started again must not fill the table before.
create or replace function sonnette.process_seen(
    process_id uuid, kind text, host text, pid integer, version text, problems text[], facts jsonb
) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    drains boolean;
begin
    update sonnette.processes p
    set seen_at = clock_timestamp(), stopped_at = null,
        problems = process_seen.problems, facts = process_seen.facts
    where p.id = process_seen.process_id
    returning p.drain_at is not null into drains;
    if found then
        return drains;
    end if;
    insert into sonnette.processes (id, kind, host, pid, version, problems, facts)
    values (process_seen.process_id, process_seen.kind, process_seen.host, process_seen.pid,
            process_seen.version, process_seen.problems, process_seen.facts)
    -- Refused while a restore has made the table and not yet its key, which a second row would forbid.
    on conflict (id) do nothing;
    delete from sonnette.processes p
    where p.id in (
        select old.id from sonnette.processes old
        where old.seen_at < clock_timestamp() - interval '1 minute'
        order by old.seen_at desc offset 100);
    return false;
end
$$;

-- process_stopped(process): it ends in order.
create or replace function sonnette.process_stopped(process_id uuid) returns void
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    update sonnette.processes p set stopped_at = clock_timestamp(), problems = '{}'
    where p.id = process_stopped.process_id;
end
$$;

-- new_epoch(): says that this database's history is another one than before, so that no cursor of
-- the old one is served from the new. Part of every restore from a disk snapshot.
create or replace function sonnette.new_epoch() returns uuid
    language sql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    update sonnette.epoch set id = gen_random_uuid(), since = now() returning id
$$;
