-- What each role may do, and nothing else. Writes of users' rows go through functions; operators may
-- also type them, and the triggers see to the rest.
revoke all on all functions in schema sonnette from public;
grant usage on schema sonnette to sonnette_service, sonnette_poller, sonnette_gateway, sonnette_operator;

grant select on sonnette.feeds, sonnette.numbers, sonnette.changes, sonnette.epoch, sonnette.watched
    to sonnette_gateway, sonnette_service, sonnette_operator;
grant select on sonnette.revocations to sonnette_gateway, sonnette_service;
grant execute on function sonnette.table_named(name, name) to sonnette_gateway, sonnette_service;
grant execute on function sonnette.unwatched(), sonnette.unguarded()
    to sonnette_gateway, sonnette_service, sonnette_poller, sonnette_operator;
grant execute on function sonnette.here(), sonnette.new_epoch() to sonnette_operator;
grant select on sequence sonnette.rings_skipped
    to sonnette_gateway, sonnette_service, sonnette_poller, sonnette_operator;
grant execute on function sonnette.this_history(),
    sonnette.process_seen(uuid, text, text, integer, text, text[], jsonb),
    sonnette.process_stopped(uuid)
    to sonnette_gateway, sonnette_service, sonnette_poller;

grant select on public.users, public.wallets, public.activations, public.messages, public.ledger,
    sonnette.offers, sonnette.requests to sonnette_service;
grant select, insert, update, delete on sonnette.idempotency_keys to sonnette_service;
grant select (name, webhook_secret_sha256, webhook_addresses) on sonnette.accounts to sonnette_service;
grant execute on function sonnette.webhook_received(text, text, jsonb, inet, text) to sonnette_service;
grant execute on function sonnette.buy(uuid, text, text, text, numeric), sonnette.ask(uuid, uuid, text),
    sonnette.prune(interval, integer), sonnette.log_begins(), sonnette.tidy(interval, integer)
    to sonnette_service;

grant select on public.activations, public.messages, sonnette.work, sonnette.requests, sonnette.offers,
    sonnette.accounts, sonnette.late_messages to sonnette_poller;
grant select on sonnette.inbox to sonnette_poller;
grant execute on function sonnette.hint_closed(bigint, text), sonnette.hint_later(bigint, timestamptz),
    sonnette.hints_unknown(text)
    to sonnette_poller;
grant insert, update, delete on sonnette.offers, sonnette.accounts to sonnette_poller;
grant execute on function sonnette.lock_batch(uuid[]),
    sonnette.number_bought(uuid, text, text, text, timestamptz, timestamptz),
    sonnette.purchase_failed(uuid, text),
    sonnette.sms_arrived(uuid, text, text, text, timestamptz, text, text),
    sonnette.end_activation(uuid, text, text),
    sonnette.cancel_refused(uuid, text, timestamptz),
    sonnette.another_refused(uuid, text),
    sonnette.reschedule(uuid[], timestamptz[], text[]),
    sonnette.wake_overslept(text, float8, float8),
    sonnette.text_completed(bigint, text),
    sonnette.request_done(bigint, text, jsonb),
    sonnette.purchase_begins(uuid),
    sonnette.orphans_seen(text, text[], text[], text[], text[]),
    sonnette.orphan_released(text, text, text, boolean)
    to sonnette_poller;
grant select on sonnette.orphans, sonnette.in_doubt to sonnette_poller;

grant select on public.users, public.wallets, public.activations, public.messages, public.ledger
    to sonnette_operator;
grant select on all tables in schema sonnette to sonnette_operator;
grant insert, update, delete on public.activations to sonnette_operator;
grant insert, update on public.users to sonnette_operator;
grant execute on function sonnette.credit(uuid, numeric, text, text), sonnette.debit(uuid, numeric, text, text),
    sonnette.revoke(uuid, timestamptz), sonnette.ask(uuid, uuid, text)
    to sonnette_operator;
