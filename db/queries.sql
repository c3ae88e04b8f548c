-- Every statement that Python sends, by name. Parameters are psycopg's: %(name)s. Those of the service
-- and of the poller stand in queries_service.sql and queries_poller.sql.

-- name: feed_after
-- For each due user: the feed's last number, and what follows `after`, at most `most` changes each.
-- One statement, so that rows and last_seq are of one snapshot. A user who has no feed yet is at 0.
-- Times as the wire has them: UTC, milliseconds, Z.
select due.user_id::text, coalesce(f.last_seq, 0) as last_seq,
       c.seq, to_char(c.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as commit_timestamp,
       c.table_schema, c.table_name, c.op, c.record, c.old
from unnest(%(user_ids)s::uuid[], %(after)s::bigint[]) as due (user_id, after)
left join sonnette.feeds f on f.user_id = due.user_id
left join lateral (
    select n.seq, l.at, l.table_schema, l.table_name, l.op, l.record::text as record, l.old::text as old
    from sonnette.numbers n
    join sonnette.changes l on l.tx = n.tx and l.n = n.n
    where n.user_id = due.user_id and n.seq > due.after
    order by n.seq
    limit %(most)s
) c on true

-- name: pruned_marks
-- Up to which number each of these users' feeds was pruned: that number stays, without its change.
select due.user_id::text, mark.seq
from unnest(%(user_ids)s::uuid[]) as due (user_id)
cross join lateral (
    select n.seq, n.tx, n.n from sonnette.numbers n where n.user_id = due.user_id order by n.seq limit 1) mark
where not exists (select from sonnette.changes l where l.tx = mark.tx and l.n = mark.n)

-- name: feeds_behind
-- The sweep: which of these users' feeds have moved past what was delivered.
select f.user_id::text
from unnest(%(user_ids)s::uuid[], %(positions)s::bigint[]) as known (user_id, position)
join sonnette.feeds f on f.user_id = known.user_id
where f.last_seq <> known.position

-- name: session
-- Ours may be idle: a limit on that, set for the role, would end them again and again. And the server
-- ends them where the line is dead, in 20 s, as libpq does on our side (db/connect.py): for two hours
-- it would else keep what each cut of a network leaves behind, until it has no connection left.
-- (Over a Unix socket the tcp_ ones mean nothing.) A pooler has greeted with another process id.
select pg_backend_pid(),
       set_config('idle_session_timeout', '0', false), set_config('tcp_keepalives_idle', '5', false),
       set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false),
       set_config('tcp_user_timeout', '15s', false)

-- name: reader_session
-- For the connection that reads feeds: small statements, planned once (planning costs more than
-- reading), always along the indexes (else a long feed is read and sorted whole for its next
-- hundred changes), and none over the limit.
select set_config('statement_timeout', '10s', false), set_config('jit', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
       set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)

-- name: epoch
select id from sonnette.epoch

-- name: revocations_since
-- What was revoked since an earlier answer, whose `seen` is given ('0': everything), and the next
-- `seen`. A transaction that had not ended by then counts as later, so none is lost. One row at
-- least, with nobody in it where there is nothing new.
select r.user_id::text, r.not_before, seen.tx::text as seen
from (select pg_snapshot_xmin(pg_current_snapshot())) as seen (tx)
left join sonnette.revocations r on r.tx >= %(since)s::xid8

-- name: watched_tables
-- Each watched table with its owner column and its columns in the order of the table.
select w.table_schema, w.table_name, w.owner_column,
       array_agg(a.attname::text order by a.attnum) as columns,
       array_agg(t.typname::text order by a.attnum) as types
from sonnette.watched w
join pg_class c on c.oid = sonnette.table_named(w.table_schema, w.table_name)
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
group by w.table_schema, w.table_name, w.owner_column
order by w.table_schema, w.table_name

-- name: subscribable
-- Each watched table for the gateway: its owner column and, as JSON in the order of the table, its
-- columns as gateway/columns.py describes them. Types are seen through their domains. What a
-- collation does is known by provider and locale; their catalog columns differ from version to
-- version, hence the detour over jsonb. A text order is known only where bytes are UTF-8, and a
-- collation can be asked only where its schema may be used.
with recursive known as materialized (
    select w.table_schema, w.table_name, w.owner_column, a.attnum, a.attname, a.atttypid, a.attcollation,
           a.attnum = any (i.indkey) is true as key
    from sonnette.watched w
    cross join lateral sonnette.table_named(w.table_schema, w.table_name) as found
    join pg_attribute a on a.attrelid = found and a.attnum > 0 and not a.attisdropped
    left join pg_index i on i.indrelid = found and i.indisprimary
),
beneath (type, base) as (
    select distinct atttypid, atttypid from known
    union all
    select b.type, d.typbasetype from beneath b join pg_type d on d.oid = b.base and d.typtype = 'd'
),
here as (
    select to_jsonb(d) as facts, pg_encoding_to_char(d.encoding) = 'UTF8' as utf8
    from pg_database d where d.datname = current_database()
),
collations as (
    select c.oid, n.nspname, c.collname, here.utf8, has_schema_privilege(n.oid, 'usage') as usable,
           coalesce((to_jsonb(c) ->> 'collisdeterministic')::boolean, true) as deterministic,
           case c.collprovider when 'd' then coalesce(facts ->> 'datlocprovider', 'c') else c.collprovider::text end
               as provider,
           case c.collprovider when 'd' then facts ->> 'datcollate' else to_jsonb(c) ->> 'collcollate' end as ordering,
           case c.collprovider when 'd' then facts ->> 'datctype' else to_jsonb(c) ->> 'collctype' end as ctype,
           case c.collprovider when 'd' then facts ->> 'datlocale' else to_jsonb(c) ->> 'colllocale' end as locale
    from pg_collation c join pg_namespace n on n.oid = c.collnamespace, here
    where c.oid = any (array(select attcollation from known))
),
described as materialized (
    select oid, json_build_object(
               'schema', nspname, 'name', collname, 'deterministic', deterministic,
               'by_code_point', utf8 and (provider = 'b'
                   or provider = 'c' and lower(ordering) in ('c', 'posix', 'c.utf-8', 'c.utf8')),
               'case', case
                   when provider = 'c' and upper(ctype) in ('C', 'POSIX') or provider = 'b' and locale = 'C' then 'ascii'
                   when utf8 and usable and (provider = 'c' or provider = 'b' and locale = 'C.UTF-8') then 'simple'
                   else 'other' end) as collation
    from collations
)
select k.table_schema, k.table_name, k.owner_column,
       json_agg(json_strip_nulls(json_build_object(
           'name', k.attname, 'type', t.typname, 'base', b.typname, 'kind', b.typtype,
           'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = b.oid),
           'collation', d.collation, 'key', k.key)) order by k.attnum)::text as columns
from known k
join pg_type t on t.oid = k.atttypid
join beneath on beneath.type = t.oid
join pg_type b on b.oid = beneath.base and b.typtype <> 'd'
left join described d on d.oid = k.attcollation
group by k.table_schema, k.table_name, k.owner_column
order by k.table_schema, k.table_name

-- name: letters
-- How single characters change their case in a collation: code points, where they do. The last pair
-- that Unicode knows is far below the end. {collation} is an identifier.
select code, ascii(lower(letter)) as lower, ascii(upper(letter)) as upper
from generate_series(1, 131071) code,
     lateral (select chr(code) collate {collation} as letter) one
where code not between 55296 and 57343 and (lower(letter) <> letter or upper(letter) <> letter)

-- name: revision
-- The migration that this database is at.
select version_num from sonnette.alembic_version

-- name: this_history
select sonnette.this_history()

-- name: listener_session
select pg_is_in_recovery(), pg_backend_pid()

-- name: lookout_session
-- Nothing that is written here has to survive a crash, and a canary must not wait for a disk or for
-- a synchronous standby.
select set_config('synchronous_commit', 'off', false), set_config('statement_timeout', '4s', false),
       set_config('jit', 'off', false)

-- name: look
-- What is not as it must be, a sentence each: triggers and tables of the feed, and the triggers that
-- move money and wake the poller. And how full the notify queue is.
select array(select sonnette.unwatched()) as unwatched, array(select sonnette.unguarded()) as unguarded,
       pg_notification_queue_usage() as queue_usage,
       (select case when is_called then last_value else 0 end from sonnette.rings_skipped) as rings_skipped

-- name: backend_pid
select pg_backend_pid()

-- name: history
-- The epoch, whether its place was ever written down, and whether this is that place.
select e.id, to_char(e.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), e.system_identifier is not null,
       (e.system_identifier, e.database_oid, e.timeline)
           = (here.system_identifier, here.database_oid, here.timeline) is true
from sonnette.epoch e, sonnette.here()

-- name: process_seen
select sonnette.process_seen(%(id)s, %(kind)s, %(host)s, %(pid)s, %(version)s, %(problems)s::text[], %(facts)s::jsonb)

-- name: process_stopped
select sonnette.process_stopped(%(id)s)

-- name: processes
-- Who lives or was alive of late, for people: the newest first within each kind.
select kind, host, pid, version, extract(epoch from clock_timestamp() - started_at)::float8 as up_s,
       extract(epoch from clock_timestamp() - seen_at)::float8 as unseen_s,
       stopped_at is not null as stopped, problems, facts
from sonnette.processes
order by kind, stopped_at is not null, seen_at desc

-- name: notify
select pg_notify(%(channel)s, %(payload)s)

-- name: migrator_lock
-- One migrator at a time; given back with the transaction.
select pg_advisory_xact_lock(hashtext('sonnette migrate'))

-- name: own_role
-- Back to the role that connected, which owns or may change the tables of others.
reset role

-- name: rewatch
-- Every watched table keeps pace with triggers.sql, whoever owns it.
select sonnette.watch(found, owner_column)
from sonnette.watched
cross join lateral sonnette.table_named(table_schema, table_name) as found
where found is not null

-- name: repeatables
select name, hash from sonnette.repeatables

-- name: repeatable_applied
insert into sonnette.repeatables (name, hash) values (%(name)s, %(hash)s)
on conflict (name) do update set hash = excluded.hash, applied_at = now()

-- name: user_created
insert into public.users (id, name) values (%(user_id)s, %(name)s) on conflict do nothing

-- name: user_named
select id from public.users where name = %(name)s

-- name: credit
select balance, balance - frozen as available
from sonnette.credit(%(user_id)s, %(amount)s, %(reason)s, %(key)s)

-- name: debit
select balance from sonnette.debit(%(user_id)s, %(amount)s, %(reason)s, %(key)s)

-- name: offer_of_account
select price, stock from sonnette.offers
where account = %(account)s and service_code = %(service_code)s and country_code = %(country_code)s
order by stock = 0, price limit 1

-- name: trial_begins
insert into public.activations (user_id, provider, service_code, country_code, status, price)
values (%(user_id)s, %(account)s, %(service_code)s, %(country_code)s, 'requested', %(price)s)
returning id

-- name: server_version
select current_setting('server_version')

-- name: tail_position
select coalesce(max(last_seq), 0) from sonnette.feeds where user_id = %(user_id)s

-- name: tail_changes
select r.seq, row_to_json(r)::text from ops.replay(%(user)s, %(after)s, %(codes)s, %(most)s) r order by r.seq

-- name: watch
select sonnette.watch(%(table)s::regclass, %(owner_column)s)

-- name: role_taken_on
select set_config('role', %(role)s, false)
