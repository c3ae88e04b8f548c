-- The order of a table whose own triggers change it once more. A row trigger that fires after an
-- INSERT and updates the row is done, and logged, before the INSERT's statement trigger: on the feed the
-- UPDATE would stand first, and who follows would end with the row as it was inserted. So on a table
-- that has such triggers, and on no other, what they changed is logged again behind the statement.
-- Nothing here knows of SMS. Applied again whenever its text changes.
--
-- Three places in the log are noted for each statement, by depth of triggers in triggers:
--   sonnette_begins    before it: nothing has fired after it yet
--   !sonnette_after    after its first row, before the table's own: what they log has a higher n
--   sonnette_ends      before its own rows are logged (sonnette_log_...): what they log had a lower n
-- and sonnette_nested, after that, puts what lies between the last two behind the statement.

-- Foreign keys are otherwise: what they change (cascade, set null) counts as part of the statement, so
-- that a row may be twice among its old and its new rows.

-- has_after(table): whether a trigger of the table's own fires after its changes.
create or replace function sonnette.has_after(watched_table regclass) returns boolean
    language sql stable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    with members as (select relid from pg_partition_tree(watched_table) union select watched_table)
    select exists (
        select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid in (select relid from members) and not t.tgisinternal
          and t.tgtype & 66 = 0 and t.tgtype & 28 <> 0 and p.pronamespace <> 'sonnette'::regnamespace
    )
$$;

-- is_chained(table): whether foreign keys may change one of its rows twice in a statement: two of them, or
-- one that leads back to the table.
create or replace function sonnette.is_chained(watched_table regclass) returns boolean
    language sql stable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select count(*) > 1 or coalesce(bool_or(confrelid = conrelid), false)
    from pg_constraint
    where contype = 'f' and conrelid = watched_table
      and (confupdtype in ('c', 'n', 'd') or confdeltype in ('n', 'd'))
$$;

-- versions(key): for log_body, the old and the new rows of a statement as o (r, turn) and n (r, turn): of
-- each key the first old one with the first new one, and so on, as they are in the transition tables.
create or replace function sonnette.versions(key_columns name[]) returns text
    language sql stable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    with keyed as (
        select string_agg(format('(r).%I', k), ', ' order by place) as key,
               string_agg(format('(o.r).%1$I = (n.r).%1$I', k), ' and ' order by place) as same
        from unnest(key_columns) with ordinality as keys (k, place)
    )
    select format('(select r, row_number() over (partition by %1$s order by at) as turn
              from (select r, row_number() over () as at from old_rows r) numbered) o
        full join (select r, row_number() over (partition by %1$s order by at) as turn
              from (select r, row_number() over () as at from new_rows r) numbered) n
        on n.turn = o.turn and %2$s', key, same)
    from keyed
$$;

-- note_place(what): notes the place, with the next n, for the statement that fires it.
create or replace function sonnette.note_place() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    place text := format('sonnette.%s_%s', case tg_argv[0] when 'ends' then 'ends' else 'after' end, pg_trigger_depth());
begin
    if tg_argv[0] = 'begins' then
        perform set_config(place, '', true);
    elsif tg_argv[0] = 'ends' or coalesce(current_setting(place, true), '') = '' then
        perform set_config(place, nextval('sonnette.changes_n_seq')::text, true);
    end if;
    return null;
end
$$;

-- put_nested_last(schema, table): what was logged of the table between the two places comes behind the
-- statement's own rows. What is numbered already (SET CONSTRAINTS ALL IMMEDIATE) stays where it is.
create or replace function sonnette.put_nested_last() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
    set enable_seqscan = off
as $$
declare
    after bigint := nullif(current_setting('sonnette.after_' || pg_trigger_depth(), true), '');
    ends bigint := nullif(current_setting('sonnette.ends_' || pg_trigger_depth(), true), '');
begin
    with nested as (
        delete from sonnette.changes c
        where c.tx = pg_current_xact_id() and c.n > after and c.n < ends
          and c.table_schema = tg_argv[0] and c.table_name = tg_argv[1]
          and not exists (select from sonnette.feeds f
                          where f.user_id = c.user_id and f.last_tx = c.tx and f.last_n >= c.n)
        returning *
    )
    insert into sonnette.changes (tx, first, user_id, at, table_schema, table_name, op, record, old)
    select o.tx, o.first, o.user_id, o.at, o.table_schema, o.table_name, o.op, o.record, o.old
    from nested o order by o.n;
    return null;
end
$$;

-- keep_order(table, schema, name): gives the table those triggers if it needs them, else takes them away.
create or replace function sonnette.keep_order(watched_table regclass, table_schema name, table_name name) returns void
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    needed boolean := sonnette.has_after(watched_table);
    changes constant text := 'insert or update or delete';
    member regclass;
begin
    perform sonnette.forget_order(watched_table);
    if not needed then
        return;
    end if;
    -- On the root alone: Postgres gives a row trigger to each partition itself.
    execute format('create trigger "!sonnette_after" after %s on %s
                    for each row execute function sonnette.note_place(''after'')', changes, watched_table);
    execute format('alter table %s enable always trigger "!sonnette_after"', watched_table);
    for member in select relid from pg_partition_tree(watched_table) union select watched_table loop
        execute format('create trigger sonnette_begins before %s on %s
                        for each statement execute function sonnette.note_place(''begins'')', changes, member);
        execute format('create trigger sonnette_ends after %s on %s
                        for each statement execute function sonnette.note_place(''ends'')', changes, member);
        execute format('create trigger sonnette_nested after %s on %s
                        for each statement execute function sonnette.put_nested_last(%L, %L)',
                       changes, member, table_schema, table_name);
        execute format('alter table %s enable always trigger sonnette_begins, enable always trigger sonnette_ends,
                        enable always trigger sonnette_nested', member);
    end loop;
end
$$;

-- forget_order(table): takes them away.
create or replace function sonnette.forget_order(watched_table regclass) returns void
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    member regclass;
begin
    execute format('drop trigger if exists "!sonnette_after" on %s', watched_table);
    for member in select relid from pg_partition_tree(watched_table) union select watched_table loop
        execute format('drop trigger if exists sonnette_begins on %1$s;
                        drop trigger if exists sonnette_ends on %1$s;
                        drop trigger if exists sonnette_nested on %1$s', member);
    end loop;
end
$$;
