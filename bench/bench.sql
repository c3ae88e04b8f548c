-- What the benchmark sends, by name; loaded as db/queries.sql is.

-- name: users
insert into public.users (id) select unnest(%(ids)s::uuid[])

-- name: wallets
insert into public.wallets (user_id, balance) select unnest(%(ids)s::uuid[]), 1

-- name: activations
-- Each user's one activation carries the user's own id.
insert into public.activations (id, user_id, provider, order_id, service_code, country_code, operator, phone, status, price, expires_at)
select id, id, 'simulator', id::text, 'wa', '6', 'b0', '+6281234567890', 'pending', 0.50, now() + interval '1 day'
from unnest(%(ids)s::uuid[]) id

-- name: plain
-- The same rows in a table that has no trigger.
create schema bench;
create table bench.plain (like public.activations including all);
insert into bench.plain select * from public.activations

-- name: settle
vacuum analyze

-- name: watched_one
update public.activations set operator = %(mark)s where id = %(id)s

-- name: plain_one
update bench.plain set operator = %(mark)s where id = %(id)s

-- name: bare_one
-- The same change and a letter to the bare relay: whose it is, and what changed.
with changed as (
    update bench.plain set operator = %(mark)s where id = %(id)s returning user_id
)
select pg_notify('bench_bare', user_id || ' ' || %(mark)s) from changed

-- name: watched_many
update public.activations a set operator = fresh.mark
from unnest(%(ids)s::uuid[], %(marks)s::text[]) fresh (id, mark)
where a.id = fresh.id

-- name: plain_many
update bench.plain a set operator = fresh.mark
from unnest(%(ids)s::uuid[], %(marks)s::text[]) fresh (id, mark)
where a.id = fresh.id

-- name: server
select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')

-- name: feeds
-- How far the log goes for each of these users.
select u.id, coalesce(f.last_seq, 0)
from unnest(%(ids)s::uuid[]) u (id)
left join sonnette.feeds f on f.user_id = u.id

-- name: backlog_table
create table if not exists public.bench_backlog (id bigint generated always as identity primary key, owner uuid, text text);
select sonnette.watch('public.bench_backlog', 'owner')

-- name: backlog
insert into public.bench_backlog (owner, text) select %(owner)s, repeat('x', %(size)s) from generate_series(1, %(rows)s::int)
