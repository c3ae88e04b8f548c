-- What is on the feed (triggers.sql puts it there): whether its triggers are all there, and how a
-- table leaves. Nothing here knows of SMS. Applied again whenever its text changes.

-- table_named(schema, table): the table, or null. By the catalog, which everybody may read: to_regclass
-- fails for a role without USAGE on the schema, and one such table would make all of them unready.
create or replace function sonnette.table_named(table_schema name, table_name name) returns regclass
    language sql stable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select c.oid::regclass
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = table_named.table_schema and c.relname = table_named.table_name
$$;

-- unwatched(): what is wrong with the triggers, a sentence each; none while all is well.
-- Every process asks every few seconds: a trigger that was dropped or disabled loses events silently.
-- A table that is just being altered is waited for half a second.
create or replace function sonnette.unwatched() returns setof text
    language sql stable security definer
    set search_path = pg_catalog, sonnette, pg_temp
    set lock_timeout = '500ms'
as $$
    with members as (
        select w.table_schema, w.table_name, sonnette.table_named(w.table_schema, w.table_name) as root
        from sonnette.watched w
    ), expected as (
        select m.root, tree.relid, t.tgname::name
        from members m
        cross join lateral (
            select relid from pg_partition_tree(m.root) union select m.root) tree
        cross join unnest(array['sonnette_log_insert', 'sonnette_log_update', 'sonnette_log_delete',
                                'sonnette_no_truncate']) as t (tgname)
        where m.root is not null
        union all
        select 'sonnette.changes'::regclass, 'sonnette.changes'::regclass, 'sonnette_number'
    )
    select format('the watched table %I.%I does not exist', table_schema, table_name)
    from members where root is null
    union all
    select format('%s has lost its trigger %s', e.relid::regclass, e.tgname)
    from expected e
    where not exists (select from pg_trigger t where t.tgrelid = e.relid and t.tgname = e.tgname)
    union all
    select format('the trigger %s on %s is not ENABLE ALWAYS', t.tgname, t.tgrelid::regclass)
    from pg_trigger t
    join pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'sonnette'::regnamespace
    where t.tgenabled <> 'A' and t.tgname like 'sonnette\_%'
$$;

-- unwatch(table): takes it off the feed again. What was logged of it stays until it is pruned.
create or replace function sonnette.unwatch(watched_table regclass) returns void
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    root record;
    member regclass;
    op text;
begin
    select n.nspname as table_schema, c.relname as table_name into root
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = watched_table;
    for member in select relid from pg_partition_tree(watched_table) union select watched_table loop
        foreach op in array array['log_insert', 'log_update', 'log_delete', 'no_truncate'] loop
            execute format('drop trigger if exists sonnette_%s on %s', op, member);
        end loop;
    end loop;
    perform sonnette.forget_order(watched_table);
    foreach op in array array['INSERT', 'UPDATE', 'DELETE'] loop
        execute format('drop function if exists sonnette.%I()',
                       sonnette.log_function(op, root.table_schema, root.table_name));
    end loop;
    delete from sonnette.watched w
    where w.table_schema = root.table_schema and w.table_name = root.table_name;
end
$$;
