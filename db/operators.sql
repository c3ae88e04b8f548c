-- ops: what operators type in psql. `\dv+ ops.*`, `\df+ ops.*` and `\d+ ops.live` are its manual, so every
-- view, function and column has a COMMENT that says what it tells, what it does, and what to do next.
--
-- Views look and change nothing. Each function that changes something, or shows codes, leaves a row
-- in ops.audit in the same transaction. Codes and texts are shown by ops.sms() and, where they are
-- asked for, by ops.replay(); nowhere else.
-- This file has the parts and the views, operators_look.sql what tells of one user or number, operators_act.sql
-- what changes something, operators_doctor.sql ops.doctor and the grants. They are applied as one (db/migrations/env.py):
-- everything in the schema but the table ops.audit is made anew whenever one of them changes.
do $$
declare
    old record;
begin
    for old in select string_agg(c.oid::regclass::text, ', ') as names from pg_class c
               where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' having count(*) > 0 loop
        execute 'drop view ' || old.names;
    end loop;
    for old in select p.oid::regprocedure as name from pg_proc p where p.pronamespace = 'ops'::regnamespace loop
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
            when p.seen_at < clock_timestamp() - interval '10 seconds' then 'silent'
            when p.drain_at is not null then 'draining'
            when p.problems <> '{}' then 'troubled'
            else 'well' end as state,
       p.problems, p.facts, clock_timestamp() - p.started_at as up_for, clock_timestamp() - p.seen_at as unseen_for,
       p.stopped_at, p.drain_at
from sonnette.processes p;
comment on view ops.processes is 'Gateways, pollers and services. Each says every 3 s that it lives; silent for 10 s without having stopped in order: it has died, or cannot reach the database. id is what ops.drain() takes';

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

-- What `\d+` shows of each column that does not explain itself.
comment on column ops.live.frozen is 'What the wallet holds back for it; 0 once it is paid';
comment on column ops.live.next_look_in is 'Until the poller asks the provider again; below zero: it is overdue';
comment on column ops.live.looks is 'How often the provider was asked since the status changed';
comment on column ops.live.last_error is 'Why the last look led nowhere; null where it did not fail';
comment on column ops.live.failure is 'What the provider said against the last wish: a cancel or another SMS that it refused';
comment on column ops.live.expires_in is 'Until the provider takes the number back; below zero: it has, and has to say how it ended';
comment on column ops.stuck.why is 'What is not as it should be; a number with two reasons has two lines';
comment on column ops.stuck.last_error is 'Why the last look led nowhere; null where it did not fail';
comment on column ops.lag.state is 'As in ops.processes';
comment on column ops.late.found_at is 'When the poller found it';
comment on column ops.late.was is 'How the activation had ended';
comment on column ops.late.received_at is 'When the provider got it';
comment on column ops.late.has_code is 'Whether there is a code in it; ops.sms() shows which';
comment on column ops.late.source is 'Who brought it: poller, webhook or recovery';
comment on column ops.orphans.first_seen_at is 'When the poller first saw it in the provider''s list';
comment on column ops.orphans.seen_at is 'When it was last in the list';
comment on column ops.orphans.fits_activation is 'The ended purchase whose answer was lost and that it fits; null: it is none of ours';
comment on column ops.orphans.outcome is 'What came of giving it back so far';
comment on column ops.in_doubt.last_error is 'What became of the provider''s answer';
comment on column ops.in_doubt.next_check_at is 'When the provider''s list is read again';
comment on column ops.money_differences.difference is 'What does not agree with what';
comment on column ops.money_differences.found is 'What stands there';
comment on column ops.money_differences.wanted is 'What should';
comment on column ops.processes.state is 'well; troubled (see problems); draining; silent (died, or cannot reach the database); stopped (in order)';
comment on column ops.processes.problems is 'What its /readyz says is wrong';
comment on column ops.processes.facts is 'What it counts, as of the last heartbeat';
comment on column ops.processes.unseen_for is 'Since its last heartbeat; one comes each 3 s';
comment on column ops.processes.drain_at is 'Since when an operator wants it to end (ops.drain)';
comment on column ops.lag.behind is 'Users whose changes it had still to read';
comment on column ops.lag.as_of is 'How long ago it said so';
comment on column ops.accounts.state is 'up, paused (ops.pause), open (the breaker has shut the provider off) or refused (a key, money)';
comment on column ops.accounts.state_reason is 'Why it is not up';
comment on column ops.accounts.failures is 'Failures in a row; the breaker opens after some';
comment on column ops.accounts.opens_again_in is 'Until the provider is asked again, while the breaker is open';
comment on column ops.accounts.live is 'Numbers that are not over';
comment on column ops.accounts.in_doubt is 'Purchases whose answer was lost: ops.in_doubt';
comment on column ops.accounts.orphans is 'Numbers that nobody''s purchase has: ops.orphans';
comment on column ops.accounts.bought is 'Purchases of the last hour, failed ones included';
comment on column ops.accounts.failed is 'Those that failed';
comment on column ops.accounts.failed_share is 'failed / bought; null where nothing was bought';
comment on column ops.accounts.unseen_for is 'Since its poller last wrote about it';
comment on column ops.audit.who is 'Who had logged in, whatever role they had taken on';
comment on column ops.audit.what is 'The function that was called';
comment on column ops.audit.about is 'An activation, a user, an account or a process';
comment on column ops.audit.detail is 'What it was called with; never a code';
