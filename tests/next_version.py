"""The version after this one: this tree, copied, with a further migration and other repeatable SQL.

It migrates what upgrades are made of: a column more on a watched table that is just written, a new
watched table, triggers and `ops` made anew. It calls itself by a version of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from db import migrate

ROOT = Path(__file__).parents[1]
PACKAGES = ("db", "process", "service", "gateway", "poller", "sonnette")
VERSION = "99.0"
LIMIT_S = 60

MIGRATION = '''"""What the next version brings.

Revision ID: next
"""

from db.migrations.sql import run

revision = "next"
down_revision = {previous!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run(
        """
        alter table public.activations add column note text not null default 'none';
        create table public.parcels (id bigint primary key, user_id uuid not null);
        create index activations_note on public.activations (note);
        """
    )
'''
CHANGED = {
    "triggers.sql": "\n-- The next version says more here.\n",
    "activations.sql": "\nselect sonnette.watch('public.parcels', 'user_id');\n",
    "operators.sql": "\ncreate view ops.parcels as select id, user_id from public.parcels;\n"
    "comment on view ops.parcels is 'What the next version has';\n",
}


def next_version(folder: Path) -> Path:
    """Where the next version's code lies, below `folder`."""
    tree = folder / "next"
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tree / package, ignore=ignored)
    versions = tree / "db" / "migrations" / "versions"
    (versions / "9999_next.py").write_text(MIGRATION.format(previous=migrate.newest()))
    for name, more in CHANGED.items():
        with (tree / "db" / name).open("a") as text:
            text.write(more)
    told = tree / f"sonnette-{VERSION}.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: sonnette\nVersion: {VERSION}\n")
    return tree


def migrate_by(tree: Path, dsn: str) -> str:
    """`sonnette migrate` of the code in `tree`; what it prints."""
    said = subprocess.run(
        [sys.executable, "-m", "sonnette", "migrate"],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "HOME": str(tree), "DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout
