-- Holds every table that a migration may touch, before it touches the first: those of ours, and those
-- on the feed. One after the other, as its statements come to them, would be deadlocks with writers,
-- who take tables in another order, and it is the writer whom Postgres may then fail.
--
-- So whoever waits in a circle has to be us: we look for one after 100 ms, where the others look after
-- deadlock_timeout, and we wait for less than that altogether. Run as who connected, who may lock all.
do $$
declare
    enough timestamptz := clock_timestamp() + 0.8 * current_setting('deadlock_timeout')::interval;
    held regclass;
begin
    if to_regclass('sonnette.watched') is null then
        return;
    end if;
    if (select rolsuper from pg_roles where rolname = current_user) then
        set local deadlock_timeout = '100ms';  -- also makes an autovacuum go
    end if;
    for held in
        select c.oid from pg_class c where c.relkind in ('r', 'p', 'v') and c.relowner = 'sonnette_owner'::regrole
        union
        select to_regclass(format('%I.%I', w.table_schema, w.table_name)) from sonnette.watched w
        order by 1
    loop
        continue when held is null;
        perform set_config('lock_timeout', greatest(1, extract(epoch from enough - clock_timestamp()) * 1000)::integer::text, true);
        execute format('lock table %s in access exclusive mode', held);
    end loop;
end
$$;
