"""Webhooks as received, codes that came after a refund, which process lives, and how an account fares.

Revision ID: 0004
Revises: 0003
"""

from db.migrations.sql import run

revision = "0004"
down_revision: str | None = "0003"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    run(
        """
        create table sonnette.inbox (
            id bigint generated always as identity primary key,
            account text not null,
            order_id text,
            body jsonb not null,
            remote_address inet,
            dedupe_key text not null,
            received_at timestamptz not null default clock_timestamp(),
            tries integer not null default 0,
            next_try_at timestamptz not null default clock_timestamp(),
            done_at timestamptz,
            outcome text,
            constraint inbox_once unique (account, dedupe_key)
        );
        create index inbox_open on sonnette.inbox (account, order_id, id) where done_at is null;
        create index inbox_received on sonnette.inbox (received_at);
        comment on table sonnette.inbox is 'Webhooks as received: hints, which the poller confirms with the provider before anybody pays';

        create table sonnette.late_messages (
            id bigint generated always as identity primary key,
            activation_id uuid not null references public.activations on delete cascade,
            user_id uuid not null references public.users,
            status text not null,
            received_at timestamptz not null,
            sender text,
            code text,
            text text,
            source text not null,
            dedupe_key text not null,
            at timestamptz not null default clock_timestamp(),
            constraint late_messages_once unique (activation_id, dedupe_key)
        );
        comment on table sonnette.late_messages is 'SMS that came after the money went back: for operators, never for the user unpaid';
        comment on column sonnette.late_messages.status is 'What the activation was when the SMS was found';

        create table sonnette.processes (
            id uuid primary key,
            kind text not null constraint processes_kind check (kind in ('gateway', 'poller', 'service')),
            host text not null,
            pid integer not null,
            version text not null,
            started_at timestamptz not null default clock_timestamp(),
            seen_at timestamptz not null default clock_timestamp(),
            stopped_at timestamptz,
            problems text[] not null default '{}',
            facts jsonb not null default '{}',
            drain_at timestamptz
        ) with (fillfactor = 50);
        comment on table sonnette.processes is 'Gateways, pollers and services with their heartbeat';
        comment on column sonnette.processes.drain_at is 'An operator wants it to end since then; it reads this at each heartbeat';

        create schema if not exists ops;
        create table ops.audit (
            id bigint generated always as identity primary key,
            at timestamptz not null default clock_timestamp(),
            who name not null,
            what text not null,
            about text not null,
            detail jsonb not null default '{}'
        );
        create index audit_about on ops.audit (about);
        comment on table ops.audit is 'What operators did by the functions of this schema; never pruned, and nobody may write it by hand. who: who logged in; about: an activation, a user, an account or a process';

        create table sonnette.orphans (
            account text not null,
            order_id text not null,
            phone text,
            service_code text,
            country_code text,
            first_seen_at timestamptz not null default clock_timestamp(),
            seen_at timestamptz not null default clock_timestamp(),
            activation_id uuid,
            done_at timestamptz,
            outcome text,
            primary key (account, order_id)
        );
        comment on table sonnette.orphans is 'Numbers in a provider''s list that no activation has: bought and lost, or by somebody else on the same account';
        comment on column sonnette.orphans.activation_id is 'The ended purchase whose answer was lost and that it fits, for which it is given back';

        create table sonnette.log_head (
            only_row boolean primary key default true constraint log_head_only_row check (only_row),
            tx xid8 not null default '0',
            n bigint not null default 0
        );
        insert into sonnette.log_head default values;
        comment on table sonnette.log_head is 'Before this change the log has been pruned: where the next batch begins';

        create index requests_done on sonnette.requests (done_at) where done_at is not null;

        alter table sonnette.accounts
            add column failures integer not null default 0,
            add column open_until timestamptz,
            add column paused_at timestamptz,
            add column webhook_secret_sha256 bytea,
            add column webhook_addresses cidr[];
        comment on column sonnette.accounts.webhook_secret_sha256 is 'Whose secret this is in the webhook''s path is the provider; null: none is taken';
        comment on column sonnette.accounts.webhook_addresses is 'From where webhooks are taken; null: from anywhere';
        comment on column sonnette.accounts.state is 'up, or why not: refused, or open (the breaker)';
        comment on column sonnette.accounts.open_until is 'The breaker is open until then: nothing is asked of the provider';

        alter table sonnette.epoch
            add column system_identifier bigint,
            add column database_oid oid,
            add column timeline integer;
        comment on column sonnette.epoch.system_identifier is 'The cluster of this history; with database and timeline it is compared at every connect';
        alter table sonnette.requests add column found jsonb;
        comment on column sonnette.requests.found is 'What a recovery found, in numbers';

        drop function if exists sonnette.sms_arrived(uuid, text, text, text, timestamptz, text, text);
        drop function if exists sonnette.request_done(bigint, text);
        drop function if exists sonnette.process_seen(uuid, text, text, integer, text, text[], jsonb);
        delete from sonnette.repeatables;
        """
    )


def downgrade() -> None:
    run(
        """
        drop schema ops cascade;
        alter table sonnette.requests drop column found;
        alter table sonnette.epoch drop column system_identifier, drop column database_oid, drop column timeline;
        alter table sonnette.accounts drop column failures, drop column open_until, drop column paused_at,
            drop column webhook_secret_sha256, drop column webhook_addresses;
        drop index sonnette.requests_done;
        drop function if exists sonnette.log_begins();
        drop table sonnette.log_head;
        drop view if exists sonnette.in_doubt, sonnette.money_differences;
        drop table sonnette.orphans, sonnette.processes, sonnette.late_messages, sonnette.inbox;
        """
    )
