"""Raw SQL for migrations: what stands in the file is what Postgres gets, online and with --sql."""

import sqlalchemy as sa
from alembic import op


def run(statements: str) -> None:
    """Execute one or more statements as they are."""
    # text() takes ":name" for a parameter; SQL has casts and slices.
    op.execute(sa.text(statements.replace(":", r"\:")))
