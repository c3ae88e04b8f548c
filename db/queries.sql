-- Every statement that Python sends, by name. Parameters are psycopg's: %(name)s.

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
order by due.user_id, c.seq

-- name: feeds_behind
-- The sweep: which of these users' feeds have moved past what was delivered.
select f.user_id::text
from unnest(%(user_ids)s::uuid[], %(positions)s::bigint[]) as known (user_id, position)
join sonnette.feeds f on f.user_id = known.user_id
where f.last_seq <> known.position

-- name: reader_session
-- For the connection that reads feeds: small statements, planned once, and none over the limit.
select set_config('statement_timeout', '10s', false), set_config('jit', 'off', false)

-- name: epoch
select id from sonnette.epoch

-- name: watched_tables
-- Each watched table with its owner column and its columns in the order of the table.
select w.table_schema, w.table_name, w.owner_column,
       array_agg(a.attname::text order by a.attnum) as columns,
       array_agg(t.typname::text order by a.attnum) as types
from sonnette.watched w
join pg_class c on c.oid = to_regclass(quote_ident(w.table_schema) || '.' || quote_ident(w.table_name))
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
group by w.table_schema, w.table_name, w.owner_column
order by w.table_schema, w.table_name

-- name: unwatched
select sonnette.unwatched()

-- name: revision
-- The migration that this database is at.
select version_num from sonnette.alembic_version

-- name: is_standby
select pg_is_in_recovery()

-- name: notify
select pg_notify(%(channel)s, %(payload)s)

-- name: migrator_lock
-- One migrator at a time; given back with the transaction.
select pg_advisory_xact_lock(hashtext('sonnette migrate'))

-- name: repeatables
select name, hash from sonnette.repeatables

-- name: repeatable_applied
insert into sonnette.repeatables (name, hash) values (%(name)s, %(hash)s)
on conflict (name) do update set hash = excluded.hash, applied_at = now()

-- name: user_created
insert into public.users (id, name) values (%(user_id)s, %(name)s) on conflict (id) do nothing

-- name: user_named
select id from public.users where name = %(name)s

-- name: credit
select balance, balance - frozen as available
from sonnette.credit(%(user_id)s, %(amount)s, %(reason)s, %(key)s)

-- name: server_version
select current_setting('server_version')
