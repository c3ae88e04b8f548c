"""The keys under which users repeat a request, and what they were answered.

Revision ID: 0003
Revises: 0002
"""

from db.migrations.sql import run

revision = "0003"
down_revision: str | None = "0002"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    run(
        """
        create table sonnette.idempotency_keys (
            user_id uuid not null,
            route text not null,
            key text not null constraint idempotency_keys_key check (length(key) between 1 and 255),
            body_hash bytea not null,
            at timestamptz not null default now(),
            running_until timestamptz not null,
            backend_pid integer not null default pg_backend_pid(),
            activation_id uuid,
            request_id bigint,
            status smallint,
            headers text,
            body bytea,
            primary key (user_id, route, key),
            constraint idempotency_keys_answer check (
                (status is null) = (headers is null) and (status is null) = (body is null))
        );
        create index idempotency_keys_at on sonnette.idempotency_keys (at);
        comment on table sonnette.idempotency_keys is 'Each Idempotency-Key of the last 24 hours: what was asked under it and what was answered';
        comment on column sonnette.idempotency_keys.backend_pid is 'The connection that claimed it: when that is gone, so is the process that would answer';
        comment on column sonnette.idempotency_keys.status is 'Null until it is answered; activation_id then says what there is to answer from';

        -- A key may belong to a refusal, or to a request that another key made: not to a row here.
        alter table sonnette.requests drop column idempotency_key, drop column body_hash;
        -- The grants that belong to it, also where a downgrade has taken them.
        delete from sonnette.repeatables where name = 'grants.sql';
        """
    )


def downgrade() -> None:
    run(
        """
        alter table sonnette.requests add column idempotency_key text, add column body_hash text;
        drop table sonnette.idempotency_keys;
        """
    )
