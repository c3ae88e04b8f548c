"""Revocations: from when on each user's tokens count.

Revision ID: 0002
Revises: 0001
"""

from db.migrations.sql import run

revision = "0002"
down_revision: str | None = "0001"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    run(
        """
        create table sonnette.revocations (
            user_id uuid primary key,
            not_before timestamptz not null constraint revocations_not_before check (
                not_before >= '2000-01-01 00:00:00+00' and not_before < '9000-01-01 00:00:00+00'),
            tx xid8 not null default pg_current_xact_id()
        );
        create index revocations_tx on sonnette.revocations (tx);
        comment on table sonnette.revocations is 'Tokens of this user that were issued before not_before are refused';
        comment on column sonnette.revocations.tx is 'Who last changed the row: processes read what is new by it, late commits included';
        -- The function and the grants that belong to it, also where a downgrade has taken them.
        delete from sonnette.repeatables where name in ('functions.sql', 'grants.sql');
        """
    )


def downgrade() -> None:
    run("drop function sonnette.revoke(uuid, timestamptz); drop table sonnette.revocations;")
