-- ops: what tells of one user or one number. A part of operators.sql.

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
