-- The heart: every committed change of a watched table, numbered for its owner, and a ring.
--
-- Three steps, all inside the writer's own transaction:
--   log     a statement trigger appends each changed row to sonnette.changes;
--   number  one deferred trigger gives the whole transaction its numbers at COMMIT, from the
--           owners' rows in sonnette.feeds, whose locks are therefore held only until the commit
--           is done. What a reader sees of a feed is always a prefix: 1, 2, 3, ... without a gap;
--   ring    NOTIFY says "user U is now at 42", and nothing else.
--
-- Nothing here knows of SMS: this file could be installed alone. It is applied again whenever its
-- text changes (db/migrations/env.py), so everything in it can be repeated. How a table leaves the feed,
-- and how it is noticed that triggers are gone, stands in watched.sql.

-- number(): the numbers of this transaction's changes. Fired at COMMIT (or by SET CONSTRAINTS ALL
-- IMMEDIATE) once for each logged statement; the first firing numbers everything that the
-- transaction has logged so far, the later ones find it done and return.
-- Reads changes; writes feeds and numbers; takes feeds in user_id order, the last locks of all.
-- A transaction of one change, which is nearly every one, has a path of its own: this is on each write.
create or replace function sonnette.number() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
    -- A session plans once, perhaps while the log is nearly empty, and lives on while it grows: a
    -- cached sequential scan costs 16 ms a change.
    set enable_seqscan = off
as $$
declare
    seq bigint;
begin
    if exists (select from sonnette.changes where tx = new.tx and n <> new.n) then
        perform sonnette.number_all(new.tx, new.n, new.user_id);
        return null;
    end if;
    -- A commit that is not yet on disk must not hand out numbers: after a crash they would be given
    -- to other changes, while a client has seen the first.
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'local', true);
    end if;
    with feed as (
        insert into sonnette.feeds as f (user_id, last_seq, last_tx, last_n)
        values (new.user_id, 1, new.tx, new.n)
        on conflict (user_id) do update
            set last_seq = f.last_seq + 1, last_tx = excluded.last_tx, last_n = excluded.last_n
        returning last_seq
    )
    insert into sonnette.numbers (user_id, seq, tx, n)
    select new.user_id, last_seq, new.tx, new.n from feed
    returning numbers.seq into seq;
    if pg_notification_queue_usage() > 0.5 then
        perform nextval('sonnette.rings_skipped');
    else
        perform pg_notify('sonnette', new.user_id || ':' || seq);
    end if;
    return null;
end
$$;

-- number_all(transaction, change, its user): the same for a transaction of many changes. Returns at
-- once where an earlier firing has numbered this change. The first firing is that of the lowest n: rows
-- before it are of another history, restored by a dump, whose transaction ids come again here.
create or replace function sonnette.number_all(this_tx xid8, this_n bigint, this_user uuid) returns void
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
    set enable_seqscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
as $$
declare
    rings text[];
begin
    if exists (select from sonnette.feeds f
               where f.user_id = this_user and f.last_tx = this_tx and f.last_n >= this_n) then
        return;
    end if;
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'local', true);
    end if;

    insert into sonnette.feeds (user_id)
    select distinct c.user_id from sonnette.changes c where c.tx = this_tx and c.n >= this_n order by c.user_id
    on conflict do nothing;
    perform from sonnette.feeds
    where user_id in (select c.user_id from sonnette.changes c where c.tx = this_tx and c.n >= this_n)
    order by user_id
    for no key update;

    insert into sonnette.numbers (user_id, seq, tx, n)
    select c.user_id, f.last_seq + row_number() over (partition by c.user_id order by c.n), c.tx, c.n
    from sonnette.changes c
    join sonnette.feeds f on f.user_id = c.user_id
    where c.tx = this_tx and c.n >= this_n and (f.last_tx is distinct from c.tx or c.n > f.last_n);

    with advanced as (
        update sonnette.feeds f
        set last_seq = f.last_seq + fresh.count, last_tx = this_tx, last_n = fresh.last_n
        from (
            select c.user_id, count(*) as count, max(c.n) as last_n
            from sonnette.changes c
            join sonnette.feeds f on f.user_id = c.user_id
            where c.tx = this_tx and c.n >= this_n and (f.last_tx is distinct from c.tx or c.n > f.last_n)
            group by c.user_id
        ) fresh
        where f.user_id = fresh.user_id
        returning f.user_id, f.last_seq
    )
    select array_agg(user_id || ':' || last_seq) into rings from advanced;
    perform sonnette.ring('sonnette', rings, 130);
end
$$;

-- ring(channel, items, most): NOTIFY, `most` items to a payload, which has to stay under 8,000 bytes
-- (130 of "<uuid>:<seq>", 190 of "a:<uuid>"). With the queue half full the ring is left out and
-- counted: a full one would fail writers at COMMIT, and whoever listens looks at everything now and
-- then anyway.
create or replace function sonnette.ring(channel text, items text[], most integer) returns void
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    if pg_notification_queue_usage() > 0.5 then
        perform nextval('sonnette.rings_skipped');
        return;
    end if;
    for start in 1 .. coalesce(array_length(items, 1), 0) by most loop
        perform pg_notify(channel, array_to_string(items[start : start + most - 1], ','));
    end loop;
end
$$;

drop trigger if exists sonnette_number on sonnette.changes;
create constraint trigger sonnette_number
    after insert on sonnette.changes
    deferrable initially deferred
    for each row when (new.first)
    execute function sonnette.number();
alter table sonnette.changes enable always trigger sonnette_number;

create or replace function sonnette.refuse_truncate() returns trigger
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
begin
    raise exception using
        errcode = 'feature_not_supported',
        message = format('%I.%I is watched, and TRUNCATE would change it without an event',
                         tg_table_schema, tg_table_name),
        hint = 'Use DELETE.';
end
$$;

-- log_body(op, schema, table, owner, key, chained): the body of the trigger function that logs for a table.
-- Generated once for each table and operation, because a static statement keeps its plan: reading
-- the owner out of a json, or EXECUTE, costs more than all the rest.
-- An UPDATE pairs old and new rows by primary key. A changed owner is a DELETE for the old one and
-- an INSERT for the new; so is a changed key; a row that is byte for byte the same is silent. The
-- UPDATE of a single row, which is nearly every one, is tried first by a plain join. `chained`: foreign
-- keys may change one row twice in a statement (nested.sql); versions are then paired in their order.
drop function if exists sonnette.log_body(text, name, name, name, name[]);
create or replace function sonnette.log_body(
    op text, table_schema name, table_name name, owner_column name, key_columns name[], chained boolean
) returns text
    language plpgsql stable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    into_log text := 'insert into sonnette.changes (tx, first, user_id, at, table_schema, table_name, op, record, old)';
    same_key text;
    o text := case when chained then '(o.r)' else 'o' end;
    n text := case when chained then '(n.r)' else 'n' end;
    o_row text := case when chained then 'o.r' else 'o' end;
    n_row text := case when chained then 'n.r' else 'n' end;
begin
    if op in ('INSERT', 'DELETE') then
        return format(
            'begin
    %1$s
    select pg_current_xact_id(), row_number() over () = 1, r.%2$I, clock_timestamp(), %3$L, %4$L, %5$L, %6$s
    from %7$s r where r.%2$I is not null;
    return null;
end',
            into_log, owner_column, table_schema, table_name, op,
            case op when 'INSERT' then 'row_to_json(r), null' else 'null, row_to_json(r)' end,
            case op when 'INSERT' then 'new_rows' else 'old_rows' end);
    end if;
    select string_agg(format('o.%1$I = n.%1$I', k), ' and ' order by place) into same_key
    from unnest(key_columns) with ordinality as keys (k, place);
    return format(
        'begin
    if (select count(*) from (select from new_rows limit 2) few) = 1 then
        %1$s
        select pg_current_xact_id(), true, n.%2$I, clock_timestamp(), %3$L, %4$L, ''UPDATE'', row_to_json(n), row_to_json(o)
        from old_rows o join new_rows n on %5$s and n.%2$I = o.%2$I and n *<> o;
        if found then
            return null;
        end if;
    end if;
    %1$s
    select pg_current_xact_id(), row_number() over () = 1, e.user_id, clock_timestamp(), %3$L, %4$L, e.op, e.record, e.old
    from (
        select e.* from %6$s
        cross join lateral (
            select %8$s.%2$I, ''UPDATE'', row_to_json(%10$s), row_to_json(%9$s)
            where %8$s.%2$I = %7$s.%2$I and %10$s *<> %9$s
            union all
            select %7$s.%2$I, ''DELETE'', null, row_to_json(%9$s)
            where %7$s.%2$I is not null and %7$s.%2$I is distinct from %8$s.%2$I
            union all
            select %8$s.%2$I, ''INSERT'', row_to_json(%10$s), null
            where %8$s.%2$I is not null and %8$s.%2$I is distinct from %7$s.%2$I
        ) e (user_id, op, record, old)%11$s
    ) e;
    return null;
end',
        into_log, owner_column, table_schema, table_name, same_key,
        case when chained then sonnette.versions(key_columns) else 'old_rows o full join new_rows n on ' || same_key end,
        o, n, o_row, n_row, case when chained then ' order by coalesce(n.turn, o.turn)' end);
end
$$;

-- watch(table, owner column): puts a table on the feed, each partition of a partitioned one too.
-- The table needs a primary key and an owner column of type uuid; a NULL owner is on nobody's feed.
-- May be repeated, and must be after the key or the owner column has changed, or where the table gets a
-- trigger of its own that changes it again (nested.sql).
create or replace function sonnette.watch(watched_table regclass, owner_column name) returns void
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    root record;
    key_columns name[];
    member regclass;
    op text;
    function_name text;
begin
    select n.nspname as table_schema, c.relname as table_name, c.relkind
    into root
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = watched_table;
    if root.relkind not in ('r', 'p') then
        raise exception using errcode = 'wrong_object_type',
            message = format('%s is not a table, and only tables can be watched', watched_table);
    end if;
    if not exists (
        select from pg_attribute
        where attrelid = watched_table and attname = owner_column
          and atttypid = 'uuid'::regtype and not attisdropped
    ) then
        raise exception using errcode = 'undefined_column',
            message = format('%s has no column %I of type uuid to name the owner of a row',
                             watched_table, owner_column);
    end if;
    select array_agg(a.attname order by place) into key_columns
    from pg_index i
    cross join unnest(i.indkey::int2[]) with ordinality as key (attnum, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
    where i.indrelid = watched_table and i.indisprimary;
    if key_columns is null then
        raise exception using errcode = 'invalid_table_definition',
            message = format('%s has no primary key, by which a row is known again after an UPDATE',
                             watched_table);
    end if;

    insert into sonnette.watched as w (table_schema, table_name, owner_column)
    values (root.table_schema, root.table_name, watch.owner_column)
    on conflict (table_schema, table_name) do update set owner_column = excluded.owner_column;

    foreach op in array array['INSERT', 'UPDATE', 'DELETE'] loop
        function_name := sonnette.log_function(op, root.table_schema, root.table_name);
        execute format(
            'create or replace function sonnette.%I() returns trigger
             language plpgsql security definer
             set search_path = pg_catalog, sonnette, pg_temp
             set timezone = ''UTC'' as %L',
            function_name,
            sonnette.log_body(op, root.table_schema, root.table_name, owner_column, key_columns,
                              sonnette.is_chained(watched_table)));
        execute format('alter function sonnette.%I() owner to sonnette_owner', function_name);
        -- Whoever could put it on a table of their own could write into anybody's feed.
        execute format('revoke all on function sonnette.%I() from public', function_name);
        for member in select relid from pg_partition_tree(watched_table)
                      union select watched_table loop
            execute format(
                'create or replace trigger sonnette_log_%s after %s on %s referencing %s
                 for each statement execute function sonnette.%I()',
                lower(op), op, member,
                case op when 'INSERT' then 'new table as new_rows'
                        when 'DELETE' then 'old table as old_rows'
                        else 'old table as old_rows new table as new_rows' end,
                function_name);
            execute format('alter table %s enable always trigger sonnette_log_%s', member, lower(op));
        end loop;
    end loop;

    for member in select relid from pg_partition_tree(watched_table) union select watched_table loop
        execute format(
            'create or replace trigger sonnette_no_truncate before truncate on %s
             for each statement execute function sonnette.refuse_truncate()', member);
        execute format('alter table %s enable always trigger sonnette_no_truncate', member);
    end loop;
    perform sonnette.keep_order(watched_table, root.table_schema, root.table_name);
end
$$;

-- log_function(op, schema, table): the name of the generated function, within 63 bytes.
create or replace function sonnette.log_function(op text, table_schema name, table_name name)
    returns text
    language sql immutable
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select format('log_%s_%s', lower(op),
        case when octet_length(table_schema || '_' || table_name) <= 48
             then table_schema || '_' || table_name
             else left(table_name, 12) || '_' || md5(table_schema || '.' || table_name) end)
$$;
