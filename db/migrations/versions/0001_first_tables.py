"""The tables of the feed, of SMS activations and of their money.

Revision ID: 0001
Revises:
"""

from db.migrations.sql import run

revision = "0001"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None

FEED = """
create table sonnette.feeds (
    user_id uuid primary key,
    last_seq bigint not null default 0,
    last_tx xid8,
    last_n bigint
) with (fillfactor = 50);
comment on table sonnette.feeds is 'How far each user''s feed is. Rows are never deleted: numbers are not used twice';

create table sonnette.changes (
    tx xid8 not null,
    n bigint generated always as identity,
    first boolean not null,
    user_id uuid not null,
    at timestamptz not null,
    table_schema text not null,
    table_name text not null,
    op text not null constraint changes_op check (op in ('INSERT', 'UPDATE', 'DELETE')),
    record json,
    old json,
    primary key (tx, n)
);
comment on column sonnette.changes.first is 'The first change of its statement: the one whose trigger numbers them all at COMMIT';

create table sonnette.numbers (
    user_id uuid not null,
    seq bigint not null,
    tx xid8 not null,
    n bigint not null,
    primary key (user_id, seq)
);
comment on table sonnette.numbers is 'Which change is the seq-th of a user''s feed';

create table sonnette.epoch (
    only_row boolean primary key default true constraint epoch_only_row check (only_row),
    id uuid not null default gen_random_uuid(),
    since timestamptz not null default now()
);
insert into sonnette.epoch default values;
comment on table sonnette.epoch is 'Which history this database has: cursors of another one are not served';

create table sonnette.watched (
    table_schema text not null,
    table_name text not null,
    owner_column text not null,
    primary key (table_schema, table_name)
);
comment on table sonnette.watched is 'The tables on the feed, by sonnette.watch()';

create sequence sonnette.rings_skipped;
comment on sequence sonnette.rings_skipped is 'Rings left out because the notify queue was half full';
"""

SMS = """
create table public.users (
    id uuid primary key,
    name text unique,
    created_at timestamptz not null default now()
);

create table public.wallets (
    user_id uuid primary key references public.users,
    balance numeric(12,2) not null default 0,
    frozen numeric(12,2) not null default 0,
    constraint wallets_frozen_within_balance check (0 <= frozen and frozen <= balance)
) with (fillfactor = 50);
comment on table public.wallets is 'Available money is balance - frozen';

create table public.activations (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.users,
    provider text not null,
    order_id text,
    service_code text not null,
    country_code text not null,
    operator text,
    phone text,
    status text not null constraint activations_status check (
        status in ('requested', 'pending', 'received', 'completed', 'cancelling', 'cancelled', 'timeout', 'failed')),
    sms_code text,
    sms_text text,
    sms_count integer not null default 0,
    sms_received_at timestamptz,
    price numeric(12,2) not null constraint activations_price check (price >= 0),
    frozen_amount numeric(12,2) not null default 0,
    charged boolean not null default false,
    cancel_after timestamptz,
    expires_at timestamptz,
    failure text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint activations_order unique (provider, order_id)
) with (fillfactor = 70);
create index activations_of_user on public.activations (user_id, created_at desc, id);
comment on column public.activations.provider is 'The account at which the number was bought: order_id is its number for it';

create table public.messages (
    id bigint generated always as identity primary key,
    activation_id uuid not null references public.activations on delete cascade,
    user_id uuid not null references public.users,
    received_at timestamptz not null,
    sender text,
    code text,
    text text,
    source text not null,
    dedupe_key text not null,
    constraint messages_once unique (activation_id, dedupe_key)
);
comment on table public.messages is 'Each SMS that the user has paid for';

create table public.ledger (
    id bigint generated always as identity primary key,
    user_id uuid not null references public.users,
    activation_id uuid,
    kind text not null constraint ledger_kind check (kind in ('credit', 'debit', 'freeze', 'commit', 'refund')),
    amount numeric(12,2) not null constraint ledger_amount check (amount > 0),
    balance_after numeric(12,2) not null,
    frozen_after numeric(12,2) not null,
    reason text not null,
    key text unique,
    at timestamptz not null default clock_timestamp(),
    constraint ledger_activation check ((activation_id is null) = (kind in ('credit', 'debit')))
);
create unique index ledger_one_freeze on public.ledger (activation_id) where kind = 'freeze';
create unique index ledger_one_settlement on public.ledger (activation_id) where kind in ('commit', 'refund');
create index ledger_of_user on public.ledger (user_id, id);

create type sonnette.movement as (user_id uuid, activation_id uuid, kind text, amount numeric, reason text);
"""

WORK = """
create table sonnette.work (
    activation_id uuid primary key references public.activations on delete cascade,
    account text not null,
    next_check_at timestamptz not null,
    attempts integer not null default 0,
    last_error text
);
create index work_due on sonnette.work (account, next_check_at);
comment on table sonnette.work is 'When the poller looks at each live activation next. Looking is no event: not on the feed';

create table sonnette.requests (
    id bigint generated always as identity primary key,
    user_id uuid not null references public.users,
    activation_id uuid not null references public.activations on delete cascade,
    kind text not null constraint requests_kind check (
        kind in ('buy', 'check', 'cancel', 'finish', 'another', 'recover')),
    idempotency_key text,
    body_hash text,
    at timestamptz not null default now(),
    done_at timestamptz,
    outcome text
);
create index requests_open on sonnette.requests (id) where done_at is null;
create index requests_of_activation on sonnette.requests (activation_id, kind, id);
comment on table sonnette.requests is 'What a user or an operator asked for, and what came of it';

create table sonnette.accounts (
    name text primary key,
    dialect text not null,
    markup numeric(6,3) not null default 1 constraint accounts_markup check (markup > 0),
    state text not null default 'up',
    state_reason text,
    seen_at timestamptz
);
comment on table sonnette.accounts is 'The accounts at providers, as their poller last saw them';

create table sonnette.offers (
    account text not null references sonnette.accounts on delete cascade,
    service_code text not null,
    country_code text not null,
    operator text not null default 'any',
    provider_price numeric(12,4) not null constraint offers_provider_price check (provider_price >= 0),
    price numeric(12,2) not null constraint offers_price check (price >= 0),
    stock integer not null constraint offers_stock check (stock >= 0),
    fetched_at timestamptz not null default now(),
    primary key (account, service_code, country_code, operator)
);
create index offers_of_service on sonnette.offers (service_code, country_code, price);
comment on table sonnette.offers is 'What can be bought, and for how much: price is provider_price x markup, rounded half up';
"""


def upgrade() -> None:
    for part in (FEED, SMS, WORK):
        run(part)


def downgrade() -> None:
    run(
        """
        do $$
        declare
            function_signature regprocedure;
        begin
            for function_signature in
                select oid::regprocedure from pg_proc where pronamespace = 'sonnette'::regnamespace loop
                execute format('drop function %s cascade', function_signature);
            end loop;
        end
        $$;
        drop table sonnette.offers, sonnette.accounts, sonnette.requests, sonnette.work;
        drop table public.ledger, public.messages, public.activations, public.wallets, public.users;
        drop table sonnette.watched, sonnette.epoch, sonnette.numbers, sonnette.changes, sonnette.feeds cascade;
        drop sequence sonnette.rings_skipped;
        drop type sonnette.movement;
        delete from sonnette.repeatables;
        """
    )
