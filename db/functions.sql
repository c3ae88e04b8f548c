-- What users and operators ask for: buy, ask, credit, debit, revoke. Each runs inside its caller's
-- transaction, sets statuses, and leaves the money to the triggers of activations.sql; credit and
-- debit aside. What providers answer is written down by results.sql.
-- Own SQLSTATEs, with the machine-readable part as JSON in DETAIL: SN402 not enough money
-- {needed, available}, SN404 unknown {what}, SN409 forbidden by the state, SN422 bad value {field}.

-- buy(user, service, country, operator or null, most that may be paid or null) -> the activation,
-- `requested`, its price frozen. Picks the cheapest offer that is in stock at an account that will
-- be asked within 5 s (the breaker, ops.pause). SN404 no such offer; SN409 {code: no_numbers | price_changed | provider_error}; SN402.
create or replace function sonnette.buy(
    user_id uuid, service_code text, country_code text, operator text default null, max_price numeric default null
) returns public.activations
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    offer record;
    bought public.activations;
begin
    select o.account, o.service_code, o.country_code, o.price, o.stock,
           a.open_until > clock_timestamp() + interval '5 s' is true or a.paused_at is not null as out_of_order
    into offer
    from sonnette.offers o
    join sonnette.accounts a on a.name = o.account
    where o.service_code = buy.service_code and o.country_code = buy.country_code
      and (buy.operator is null or o.operator = buy.operator)
    order by o.stock = 0, out_of_order, o.price, o.account, o.operator limit 1;
    if not found then
        raise exception using errcode = 'SN404', message = 'no such offer: unknown service, country or operator',
            detail = json_build_object('what', 'offer'), hint = 'GET /v1/offers lists what there is.';
    elsif offer.stock = 0 then
        raise exception using errcode = 'SN409', message = 'no numbers are in stock for this offer',
            detail = json_build_object('code', 'no_numbers');
    elsif offer.out_of_order then
        raise exception using errcode = 'SN409',
            message = 'the provider of this offer is out of order just now; nothing was bought',
            detail = json_build_object('code', 'provider_error');
    elsif offer.price > buy.max_price then
        raise exception using errcode = 'SN409',
            message = format('the price is %s now, over max_price', offer.price),
            detail = json_build_object('code', 'price_changed', 'price', offer.price::text);
    end if;
    insert into public.users (id) values (buy.user_id) on conflict do nothing;
    insert into public.activations (user_id, provider, service_code, country_code, operator, status, price)
    values (buy.user_id, offer.account, offer.service_code, offer.country_code, buy.operator, 'requested', offer.price)
    returning * into bought;
    return bought;
end
$$;

-- ask(user, activation, kind) -> the request, new or the one of that kind still open.
-- kind: check, cancel, finish, another, recover. cancel sets `cancelling` and another `pending`;
-- finish leaves the status to the provider's word; recover is possible whenever a number was sold.
-- SN404 not the user's; SN409 where the state forbids it, before cancel_after with {cancel_after}.
create or replace function sonnette.ask(user_id uuid, activation_id uuid, kind text)
    returns sonnette.requests
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    a public.activations;
    asked sonnette.requests;
begin
    select * into a from public.activations
    where id = ask.activation_id and activations.user_id = ask.user_id for no key update;
    if not found then
        raise exception using errcode = 'SN404', message = 'no such activation',
            detail = json_build_object('what', 'activation');
    end if;
    select * into asked from sonnette.requests r
    where r.activation_id = a.id and r.kind = ask.kind and r.done_at is null order by r.id limit 1;
    if found then
        return asked;
    end if;
    if (ask.kind = 'check' and a.status not in ('pending', 'received', 'cancelling'))
       or (ask.kind = 'cancel' and (a.status <> 'pending' or a.charged))
       or (ask.kind = 'finish' and (a.status not in ('pending', 'received') or not a.charged))
       or (ask.kind = 'another' and a.status <> 'received')
       or (ask.kind = 'recover' and a.order_id is null) then
        raise exception using errcode = 'SN409',
            message = format('this activation is %s%s, and %s is not possible then', a.status,
                             case when a.charged and a.status = 'pending' then ' and paid for' else '' end, ask.kind),
            detail = json_build_object('status', a.status);
    elsif ask.kind = 'cancel' and a.cancel_after > now() then
        raise exception using errcode = 'SN409',
            message = 'the provider does not cancel a number this soon',
            detail = json_build_object('status', a.status, 'cancel_after', a.cancel_after);
    end if;
    insert into sonnette.requests (user_id, activation_id, kind)
    values (ask.user_id, a.id, ask.kind) returning * into asked;
    if ask.kind = 'cancel' then
        update public.activations set status = 'cancelling' where id = a.id;
    elsif ask.kind = 'another' then
        update public.activations set status = 'pending', failure = null where id = a.id;
    end if;
    return asked;
end
$$;

-- correct_balance(...): the common half of credit and debit.
create or replace function sonnette.correct_balance(
    kind text, user_id uuid, amount numeric, reason text, key text
) returns public.wallets
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    wallet public.wallets;
    change numeric := case kind when 'credit' then amount else -amount end;
begin
    if amount is null or amount <= 0 or amount <> round(amount, 2) then
        raise exception using errcode = 'SN422', message = 'an amount is positive and has at most two decimals',
            detail = json_build_object('field', 'amount');
    end if;
    insert into public.users (id) values (correct_balance.user_id) on conflict do nothing;
    insert into public.wallets (user_id) values (correct_balance.user_id) on conflict do nothing;
    select * into wallet from public.wallets w where w.user_id = correct_balance.user_id for no key update;
    if correct_balance.key is not null
       and exists (select from public.ledger l where l.key = correct_balance.key) then
        return wallet;
    end if;
    if wallet.balance - wallet.frozen + change < 0 then
        raise exception using errcode = 'SN402',
            message = format('not enough money: %s needed, %s available', amount, wallet.balance - wallet.frozen),
            detail = json_build_object('needed', amount::text, 'available', (wallet.balance - wallet.frozen)::text);
    end if;
    update public.wallets w set balance = w.balance + change
    where w.user_id = correct_balance.user_id returning * into wallet;
    insert into public.ledger (user_id, kind, amount, balance_after, frozen_after, reason, key)
    values (wallet.user_id, correct_balance.kind, correct_balance.amount, wallet.balance, wallet.frozen, reason, correct_balance.key);
    return wallet;
end
$$;

-- credit(user, amount, reason, key or null) -> the wallet. Creates user and wallet where missing.
-- With a key, the same credit happens once, however often it is called.
create or replace function sonnette.credit(user_id uuid, amount numeric, reason text, key text default null)
    returns public.wallets
    language sql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$ select sonnette.correct_balance('credit', user_id, amount, reason, key) $$;

-- debit(user, amount, reason, key or null) -> the wallet. SN402 where it would take frozen money.
create or replace function sonnette.debit(user_id uuid, amount numeric, reason text, key text default null)
    returns public.wallets
    language sql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$ select sonnette.correct_balance('debit', user_id, amount, reason, key) $$;

-- revoke(user, not_before) -> the not_before in force: the user's tokens issued before it prove
-- nothing any more. It never moves back. By default it is the clock and not now(), because in a
-- transaction left open for a while tokens that were issued meanwhile would escape. The user need
-- not be known here. SN422 without a user, or in the future: that would ban tokens not yet issued.
create or replace function sonnette.revoke(user_id uuid, not_before timestamptz default clock_timestamp())
    returns timestamptz
    language plpgsql security definer
    set search_path = pg_catalog, sonnette, pg_temp
as $$
declare
    in_force timestamptz;
begin
    if revoke.user_id is null then
        raise exception using errcode = 'SN422', message = 'name the user whose tokens are revoked',
            detail = json_build_object('field', 'user_id');
    elsif revoke.not_before is null or revoke.not_before > clock_timestamp() then
        raise exception using errcode = 'SN422', message = 'not_before is a time that is not in the future',
            detail = json_build_object('field', 'not_before');
    end if;
    insert into sonnette.revocations as r (user_id, not_before) values (revoke.user_id, revoke.not_before)
    on conflict on constraint revocations_pkey do update
        set not_before = greatest(r.not_before, excluded.not_before), tx = excluded.tx
    returning r.not_before into in_force;
    perform sonnette.ring('sonnette_revoked', array['*'], 1);
    return in_force;
end
$$;
