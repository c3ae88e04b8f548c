-- Retention: what the log and the other tables of the machinery throw away once it is old.
--
-- Called in small batches by the service's housekeeping. Nothing here waits for a lock that a writer
-- holds, or holds one that a writer waits for: rows of the log are written once and never again.

-- prune(older_than, most): forgets about `most` changes that were logged longer ago than that, the
-- oldest first, with their numbers; how many it was, 0 where there is nothing to do or somebody else
-- is just doing it. Feeds are never touched.
-- What is left of a feed is always its end, without a gap: each user's numbers go from the lowest
-- up, and the first change that is too young to go stops that user. That is not quite the order of
-- the log, because a transaction that began first may commit last. A transaction that is still open
-- will get higher numbers than any that is visible here, so nothing has to wait for it.
-- The last number of each user that was pruned stays without its change, as the mark of how far.
-- It begins where the batch before it ended, or each one would look again at all that was pruned since
-- the oldest snapshot that is open somewhere: with 220,000 of those a quarter of a second.
-- Reads and deletes changes and numbers; keeps log_head.
create or replace function sonnette.prune(older_than interval, most integer) returns integer
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
    -- Always along the primary keys, however the log was when the session planned.
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
as $$
declare
    too_old timestamptz := clock_timestamp() - older_than;
    pruned integer;
    expected integer;
    beginning sonnette.log_head;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('sonnette prune', 0)) then
        return 0;
    end if;
    beginning := sonnette.log_begins();
    with head as materialized (
        select h.tx, h.n, h.user_id, h.at from sonnette.changes h
        where (h.tx, h.n) >= (beginning.tx, beginning.n) order by h.tx, h.n limit most
    ), old as (
        select h.user_id, count(*) as changes from head h where h.at < too_old group by h.user_id
    ), walked as materialized (
        -- One more than this user's changes in the head: the first may be the mark of last time.
        select o.user_id, w.seq, w.tx, w.n, w.next_young is distinct from 0 as last
        from old o
        cross join lateral (
            select l.*, lead(l.young) over (order by l.seq) as next_young
            from (
                select m.seq, m.tx, m.n, count(*) filter (where c.at >= too_old) over (order by m.seq) as young
                from sonnette.numbers m
                left join sonnette.changes c on c.tx = m.tx and c.n = m.n
                where m.user_id = o.user_id
                order by m.seq
                limit o.changes + 1
            ) l
        ) w
        where w.young = 0
    ), unnumbered as (
        delete from sonnette.numbers d using walked w
        where d.user_id = w.user_id and d.seq = w.seq and not w.last
    ), gone as (
        delete from sonnette.changes d using walked w where d.tx = w.tx and d.n = w.n
        returning d.tx, d.n
    )
    select (select count(*) from gone), (select coalesce(sum(o.changes), 0) from old o)
    into pruned, expected;
    if pruned < expected then
        pruned := pruned + sonnette.prune_unnumbered(beginning.tx, beginning.n, too_old, most);
    end if;
    if pruned > 0 then
        perform sonnette.move_head(beginning.tx, beginning.n);
    end if;
    return pruned;
end
$$;

-- log_begins(): before there the log has nothing. Of a log that was taken to another cluster, whose
-- transactions are counted anew, nothing is known.
create or replace function sonnette.log_begins() returns sonnette.log_head
    language sql stable security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
    select h.only_row,
           case when known then h.tx else '0' end,
           case when known then h.n else 0 end
    from sonnette.log_head h
    cross join lateral (select h.tx <= pg_snapshot_xmin(pg_current_snapshot())) as here (known)
$$;

-- move_head(tx, n): notes where the log begins now, having begun there. Not behind a transaction that
-- is still open: its changes would come before.
create or replace function sonnette.move_head(old_tx xid8, old_n bigint) returns void
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    open_tx xid8 := pg_snapshot_xmin(pg_current_snapshot());
    first record;
begin
    select c.tx, c.n into first from sonnette.changes c
    where (c.tx, c.n) >= (old_tx, old_n) order by c.tx, c.n limit 1;
    if first.tx is null or first.tx >= open_tx then
        update sonnette.log_head set tx = open_tx, n = 0;
    else
        update sonnette.log_head set tx = first.tx, n = first.n;
    end if;
end
$$;

-- prune_unnumbered(tx, n, too_old, most): of the first `most` changes from there on, forgets those that are that old and
-- have no number, and so are on nobody's feed; how many it was. Nobody ever prunes them else. They
-- come of a log that was written while its numbering trigger was missing, or numbers deleted by hand.
create or replace function sonnette.prune_unnumbered(from_tx xid8, from_n bigint, too_old timestamptz, most integer)
    returns integer
    language plpgsql
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    pruned integer;
begin
    with head as materialized (
        select h.tx, h.n, h.user_id, h.at from sonnette.changes h
        where (h.tx, h.n) >= (from_tx, from_n) order by h.tx, h.n limit most
    ), old as materialized (
        select tx, n, user_id from head where at < too_old
    ), unnumbered as materialized (
        select tx, n from old
        except
        select m.tx, m.n from (select distinct user_id from old) o
        join sonnette.numbers m on m.user_id = o.user_id
        where m.tx <= (select max(tx) from old)
    )
    delete from sonnette.changes d using unnumbered u where d.tx = u.tx and d.n = u.n;
    get diagnostics pruned = row_count;
    return pruned;
end
$$;

-- tidy(older_than, most): forgets up to `most` rows of each kind that nobody needs after so long (a
-- day at least): webhooks as received, answered requests, processes that are gone, numbers without a
-- purchase that are settled or are no longer listed by their provider. How many it was.
-- Revocations are kept, since only their issuer knows how long a token may live; they are one a user.
create or replace function sonnette.tidy(older_than interval, most integer) returns integer
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off
    set enable_bitmapscan = off
as $$
declare
    too_old timestamptz := clock_timestamp() - greatest(older_than, interval '1 day');
    gone integer;
begin
    with webhooks as (
        delete from sonnette.inbox where id in (
            select id from sonnette.inbox where received_at < too_old
            order by received_at limit most for update skip locked)
        returning 1
    ), answered as (
        delete from sonnette.requests where id in (
            select id from sonnette.requests where done_at < too_old
            order by done_at limit most for update skip locked)
        returning 1
    ), ended as (
        delete from sonnette.processes where id in (
            select id from sonnette.processes where seen_at < too_old
            order by seen_at limit most for update skip locked)
        returning 1
    ), orphaned as (
        delete from sonnette.orphans where (account, order_id) in (
            select account, order_id from sonnette.orphans
            where greatest(seen_at, done_at) < too_old
            order by seen_at limit most for update skip locked)
        returning 1
    )
    select (select count(*) from webhooks) + (select count(*) from answered) + (select count(*) from ended)
         + (select count(*) from orphaned)
    into gone;
    return gone;
end
$$;
