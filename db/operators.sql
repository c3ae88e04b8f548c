-- ops: what operators type in psql. `\d+ ops.*` and `\df+ ops.*` are its manual, so every view and
-- function has a COMMENT that says what it tells, what it does, and what to do next.
--
-- Views look and change nothing. Each function that changes something, or shows codes, leaves a row
-- in ops.audit in the same transaction. Codes and texts are shown by ops.sms() and, where they are
-- asked for, by ops.replay(); nowhere else.
-- What operators do, ops.blocked and ops.doctor stand in operators_act.sql. Everything in the schema but the
-- table ops.audit is made anew whenever the text changes that makes it.
do $$
declare
    old record;
begin
    for old in select string_agg(c.oid::regclass::text, ', ') as names from pg_class c
               where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' having count(*) > 0 loop
        execute 'drop view ' || old.names;
    end loop;
    for old in select p.oid::regprocedure as name from pg_proc p
               where p.pronamespace = 'ops'::regnamespace
                 and p.proname <> all (array['asked', 'recover_sms', 'cancel', 'credit', 'revoke', 'paused', 'pause', 'resume', 'drain', 'blocked',
                                            'doctor']) loop
        execute format('drop function %s', old.name);
    end loop;
end
$$;

-- The common parts; operators do not call them.

-- note(what, about, detail): one row of the audit. session_user is who logged in, whatever role they
-- have taken on since, and is the same inside SECURITY DEFINER.
create function ops.note(what text, about text, detail jsonb default '{}') returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$ insert into ops.audit (who, what, about, detail) values (session_user, what, about, detail) $$;

-- as_uuid(text) -> the uuid that it writes, null where it is none.
create function ops.as_uuid(written text) returns uuid
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$ select case when written ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then written::uuid end $$;

-- user_of(name or uuid) -> the uuid of a user who is known. SN404.
create function ops.user_of(who text) returns uuid
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_id uuid;
begin
    select u.id into found_id from public.users u where u.id = ops.as_uuid(who) or u.name = who
    order by u.name = who nulls first limit 1;
    if found_id is null then
        raise exception using errcode = 'SN404', message = format('there is no user %L', who),
            detail = json_build_object('what', 'user'),
            hint = 'Give a name or a uuid; ops.find() looks by phone, order and activation, too.';
    end if;
    return found_id;
end
$$;

-- activation_of(uuid) -> the activation. SN404.
create function ops.activation_of(activation uuid) returns public.activations
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    a public.activations;
begin
    select * into a from public.activations where id = activation;
    if not found then
        raise exception using errcode = 'SN404', message = format('there is no activation %s', activation),
            detail = json_build_object('what', 'activation'), hint = 'ops.find() looks by phone and order, too.';
    end if;
    return a;
end
$$;

-- masked(row) -> the same without what an SMS said.
create function ops.masked(logged json) returns jsonb
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    select jsonb_object_agg(key, case when key = any (array['sms_code', 'sms_text', 'code', 'text', 'dedupe_key'])
                                       and value <> 'null' then '"***"' else value end)
    from jsonb_each(logged::jsonb)
$$;

-- What is going on -------------------------------------------------------------------------------

create view ops.live as
select a.id as activation, a.user_id, u.name as user_name, a.status, a.provider as account, a.order_id, a.phone,
       a.service_code, a.country_code, a.price, a.frozen_amount as frozen, clock_timestamp() - a.created_at as age,
       a.expires_at - clock_timestamp() as expires_in, w.next_check_at - clock_timestamp() as next_look_in,
       w.attempts as looks, w.last_error, a.failure
from sonnette.work w
join public.activations a on a.id = w.activation_id
join public.users u on u.id = a.user_id;
comment on view ops.live is 'Every number that is not over, with the next look at it. looks: since its status changed; last_error: why the last one led nowhere';

create view ops.stuck as
select l.activation, l.user_id, l.user_name, l.status, l.account, why.why, l.age, l.last_error
from ops.live l
cross join lateral (values
    ('the poller has not looked at it for a minute longer than planned', l.next_look_in < interval '-1 minute'),
    ('its purchase is in doubt: the provider''s answer is missing', l.last_error like 'purchase unanswered%'),
    ('it waits for its number for longer than three minutes', l.status = 'requested' and l.age > interval '3 minutes'),
    ('it has expired, and the provider has not said how it ended', l.expires_in < interval '-2 minutes'),
    ('a request of its user waits for over a minute',
     exists (select from sonnette.requests r where r.activation_id = l.activation and r.done_at is null
             and r.at < clock_timestamp() - interval '1 minute'))) why (why, holds)
where why.holds;
comment on view ops.stuck is 'Live numbers that do not move as they should, one line for each reason. Empty while all is well; else look at ops.accounts and ops.processes, and ops.trace(activation)';

create view ops.late as
select m.at as found_at, m.activation_id as activation, m.user_id, u.name as user_name, a.provider as account,
       a.phone, m.status as was, m.received_at, m.code is not null as has_code, m.source
from sonnette.late_messages m
join public.activations a on a.id = m.activation_id
join public.users u on u.id = m.user_id;
comment on view ops.late is 'SMS that were found after the money had gone back: no user sees them. ops.sms(activation) shows one, and is audited';

create view ops.orphans as
select o.account, o.order_id, o.phone, o.service_code, o.country_code, o.first_seen_at, o.seen_at,
       o.activation_id as fits_activation, o.outcome
from sonnette.orphans o where o.done_at is null;
comment on view ops.orphans is 'Numbers that a provider lists on our account and no activation has. With fits_activation the poller gives them back; without, somebody else uses the account';

create view ops.in_doubt as select * from sonnette.in_doubt;
comment on view ops.in_doubt is 'Purchases whose answer was lost. The poller looks for them in the provider''s list. Where the provider has sold nothing: update activations set status = ''failed'', and the money is back';

create view ops.money_differences as select * from sonnette.money_differences;
comment on view ops.money_differences is 'Where wallets, ledger and activations do not agree. Must be empty; reads everything, so it takes its time';

create view ops.processes as
select p.id, p.kind, p.host, p.pid, p.version,
       case when p.stopped_at is not null then 'stopped'
            when p.seen_at < clock_timestamp() - interval '15 seconds' then 'silent'
            when p.drain_at is not null then 'draining'
            when p.problems <> '{}' then 'troubled'
            else 'well' end as state,
       p.problems, p.facts, clock_timestamp() - p.started_at as up_for, clock_timestamp() - p.seen_at as unseen_for,
       p.stopped_at, p.drain_at
from sonnette.processes p;
comment on view ops.processes is 'Gateways, pollers and services. Each says every 3 s that it lives; silent for 15 s without having stopped in order: it has died, or cannot reach the database. id is what ops.drain() takes';

create view ops.lag as
select p.host, p.pid, p.state, (p.facts ->> 'sockets')::bigint as sockets, (p.facts ->> 'users')::bigint as users,
       (p.facts ->> 'behind')::bigint as behind, p.unseen_for as as_of
from ops.processes p
where p.kind = 'gateway' and p.state <> 'stopped';
comment on view ops.lag is 'For each gateway how many of its users had changes that were not read yet, when it last said so (as_of ago). Usually 0; a number that stays says that reads are slow.';

create view ops.accounts as
select a.name as account, a.dialect,
       case when a.paused_at is not null then 'paused' when a.open_until > clock_timestamp() then 'open' else a.state end
           as state,
       a.state_reason, a.failures, a.open_until - clock_timestamp() as opens_again_in, a.paused_at,
       (select count(*) from sonnette.work w where w.account = a.name) as live,
       (select count(*) from sonnette.in_doubt d where d.account = a.name) as in_doubt,
       (select count(*) from sonnette.orphans o where o.account = a.name and o.done_at is null) as orphans,
       lately.bought, lately.failed, round(lately.failed::numeric / nullif(lately.bought, 0), 3) as failed_share,
       clock_timestamp() - a.seen_at as unseen_for
from sonnette.accounts a
cross join lateral (
    select count(*) as bought, count(*) filter (where b.status = 'failed') as failed
    from public.activations b
    where b.provider = a.name and b.created_at > clock_timestamp() - interval '1 hour') lately;
comment on view ops.accounts is 'Provider accounts. open: the breaker has shut the provider off until opens_again_in; refused: look at state_reason (a key, money); paused: ops.pause(). bought, failed and failed_share are of the last hour';

-- One user, one number -----------------------------------------------------------------------------

create function ops.find(what text) returns table (
    activation uuid, user_id uuid, user_name text, status text, account text, order_id text, phone text, created_at timestamptz
)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
    select a.id, a.user_id, u.name, a.status, a.provider, a.order_id, a.phone, a.created_at
    from public.activations a join public.users u on u.id = a.user_id
    where a.id = ops.as_uuid(what) or a.user_id = ops.as_uuid(what) or a.order_id = what
       or ltrim(a.phone, '+') = ltrim(what, '+') or u.name = what
    order by a.created_at desc limit 50
$$;
comment on function ops.find(text) is 'The newest 50 numbers with this activation id, provider''s order, phone, user id or user name. Reads all numbers, so it may take seconds';

create function ops.explain_user(who text) returns table (what text, detail text, at timestamptz, activation uuid)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    found_id uuid := ops.user_of(who);
begin
    return query
    select 'user', format('%s %s', u.id, u.name), u.created_at, null::uuid from public.users u where u.id = found_id
    union all
    select 'money', format('balance %s, frozen %s, available %s', w.balance, w.frozen, w.balance - w.frozen), null, null
    from public.wallets w where w.user_id = found_id
    union all
    select 'feed', format('at %s; kept from %s', f.last_seq,
                          (select min(n.seq) from sonnette.numbers n where n.user_id = f.user_id)), null, null
    from sonnette.feeds f where f.user_id = found_id
    union all
    select 'revoked', 'tokens issued before then are refused', r.not_before, null
    from sonnette.revocations r where r.user_id = found_id
    union all
    select 'difference', format('%s: %s instead of %s', d.difference, d.found, d.wanted), null, d.activation_id
    from sonnette.money_differences d where d.user_id = found_id
    union all
    select 'stuck', s.why, null, s.activation from ops.stuck s where s.user_id = found_id
    union all
    select 'late SMS', format('found after it was %s; see ops.sms()', l.was), l.found_at, l.activation
    from ops.late l where l.user_id = found_id
    union all
    (select 'number', concat_ws(' ', a.status, a.service_code, a.country_code, a.phone, 'at', a.provider, 'for', a.price,
                                case when a.charged then 'paid' end, a.failure), a.created_at, a.id
     from public.activations a where a.user_id = found_id order by a.created_at desc limit 20);
end
$$;
comment on function ops.explain_user(text) is 'What there is to know of a user (name or uuid): money, feed, what is stuck, late or does not agree, and the last 20 numbers. Go on with ops.trace(activation)';

create function ops.trace(activation uuid) returns table (
    at timestamptz, later interval, step text, detail text, feed_seq bigint
)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    a public.activations := ops.activation_of(activation);
begin
    return query
    with logged as materialized (
        select c.at, c.table_name, c.op, c.record, c.old, n.seq
        from sonnette.numbers n
        join sonnette.changes c on c.tx = n.tx and c.n = n.n
        where n.user_id = a.user_id and c.table_schema = 'public' and c.at >= a.created_at - interval '1 minute'
          and (c.table_name = 'activations' and coalesce(c.record, c.old) ->> 'id' = a.id::text
               or c.table_name = 'messages' and coalesce(c.record, c.old) ->> 'activation_id' = a.id::text)
    ), steps (at, place, step, detail, seq) as (
        select a.created_at, 0, 'asked for', format('%s in %s at %s for %s', a.service_code, a.country_code, a.provider, a.price), null::bigint
        union all
        select l.at, 1, 'money', format('%s %s (%s): balance %s, frozen %s', l.kind, l.amount, l.reason, l.balance_after, l.frozen_after), null
        from public.ledger l where l.activation_id = a.id
        union all
        select l.at, 2, case l.op when 'INSERT' then 'bought' when 'DELETE' then 'deleted' else l.record ->> 'status' end,
               concat_ws('; ', case when l.old ->> 'status' <> l.record ->> 'status' then 'was ' || (l.old ->> 'status') end,
                         case when l.old ->> 'phone' is null then 'number ' || (l.record ->> 'phone') || ', order ' || (l.record ->> 'order_id') end,
                         case when l.old ->> 'sms_count' <> l.record ->> 'sms_count' then 'SMS ' || (l.record ->> 'sms_count') end,
                         l.record ->> 'failure'), l.seq
        from logged l where l.table_name = 'activations'
        union all
        select m.received_at, 1, 'SMS at the provider', format('as %s has it; %s', m.source,
               case when m.code is null then 'no code in it' else 'with a code' end), null
        from public.messages m where m.activation_id = a.id
        union all
        select l.at, 2, 'SMS stored', null, l.seq from logged l where l.table_name = 'messages' and l.op = 'INSERT'
        union all
        select m.at, 2, 'late SMS', format('found when it was %s and unpaid; the user does not see it', m.status), null
        from sonnette.late_messages m where m.activation_id = a.id
        union all
        select r.at, 1, 'request', r.kind, null from sonnette.requests r where r.activation_id = a.id
        union all
        select r.done_at, 3, 'answer', concat_ws(' ', r.kind || ':', r.outcome, r.found), null
        from sonnette.requests r where r.activation_id = a.id and r.done_at is not null
        union all
        select i.received_at, 1, 'webhook', coalesce('done ' || i.done_at || ': ' || i.outcome, 'not confirmed yet'), null
        from sonnette.inbox i where i.account = a.provider and i.order_id = a.order_id
        union all
        select o.first_seen_at, 1, 'orphan', concat_ws(' ', 'order', o.order_id, 'fits this purchase:', o.outcome), null
        from sonnette.orphans o where o.activation_id = a.id
        union all
        select clock_timestamp(), 4, 'next look', concat_ws('; ', format('in %s, after %s looks', date_trunc('second', w.next_check_at - clock_timestamp()), w.attempts), w.last_error), null
        from sonnette.work w where w.activation_id = a.id
        union all
        select s.at, 3, 'operator', s.who || ': ' || s.what, null
        from ops.audit s where s.about = a.id::text
        union all
        select p.seen_at, 4, 'gateway', format('%s %s said: %s, %s of its %s users behind', p.host, p.pid,
               case when p.problems = '{}' then 'well' else array_to_string(p.problems, '; ') end,
               coalesce(p.facts ->> 'behind', '?'), coalesce(p.facts ->> 'users', '?')), null
        from sonnette.processes p where p.kind = 'gateway' and p.stopped_at is null
          and p.seen_at >= (select max(l.at) from logged l)
    )
    select s.at, s.at - a.created_at, s.step, nullif(s.detail, ''), s.seq from steps s order by s.at, s.place, s.seq;
end
$$;
comment on function ops.trace(uuid) is 'The life of one number, each step with its time, how long after the purchase (later), and its number on the user''s feed; money, requests, webhooks and operators included. From the log as far as that is kept. The gateways'' last words say whether they have read it since: which socket has it is known to no table. Shows no code; ops.sms(activation) does';

create function ops.replay(who text, after bigint, codes boolean default false, most integer default 100) returns table (
    seq bigint, at timestamptz, op text, table_name text, record jsonb, old jsonb
)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    found_id uuid := ops.user_of(who);
begin
    if codes then
        perform ops.note('replay with codes', found_id::text, jsonb_build_object('after', after, 'most', most));
    end if;
    return query
    select n.seq, c.at, c.op, c.table_schema || '.' || c.table_name,
           case when codes then c.record::jsonb else ops.masked(c.record) end,
           case when codes then c.old::jsonb else ops.masked(c.old) end
    from sonnette.numbers n
    join sonnette.changes c on c.tx = n.tx and c.n = n.n
    where n.user_id = found_id and n.seq > replay.after
    order by n.seq limit most;
end
$$;
comment on function ops.replay(text, bigint, boolean, integer) is 'What a client of this user gets that comes with `since` = after: the feed from there on, up to `most` changes. Beginning later than after + 1: what is between was pruned, and the client is told to read anew. Codes are *** unless codes => true, which is audited';

create function ops.sms(activation uuid) returns table (received_at timestamptz, code text, text text, source text, delivered boolean)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    a public.activations := ops.activation_of(activation);
begin
    perform ops.note('sms', a.id::text);
    return query
    select m.received_at, m.code, m.text, m.source, true from public.messages m where m.activation_id = a.id
    union all
    select m.received_at, m.code, m.text, m.source, false from sonnette.late_messages m where m.activation_id = a.id
    order by 1;
end
$$;
comment on function ops.sms(uuid) is 'Every SMS of a number with code and text; delivered false: it came after the refund, and its user does not see it. Audited';

-- The manual's table of contents, and who may do all this.
comment on schema ops is 'What operators type: \d+ ops.* lists the views, \df+ ops.* the functions, each with what it is for';
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
