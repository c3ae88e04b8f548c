"""What one binding was sent, to be held against what the log says that it had to be sent.

Pure. The hub notes here what it sends to the one binding that is audited; after a while the auditor
(gateway/auditor.py) reads the same piece of the log once more and asks whether they agree. A resync
or the end of the channel ends the audit: then there is no such piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from db.feed import Page
from gateway.catalog import Catalog
from gateway.channel import Binding
from gateway.frames import ChangeFrame

MOST = 200  # changes that an audit looks at: its read stands in the way of the others


@dataclass(slots=True)
class Audit:
    """From `after`, where the binding was when it began. `sent`: feed_seqs as they went out."""

    binding: Binding
    after: int
    sent: list[int] = field(default_factory=list)

    def note(self, ids: Sequence[int], seq: int) -> None:
        """A change went out on the binding's channel to the bindings of these ids."""
        if self.binding.id in ids and len(self.sent) <= MOST:
            self.sent.append(seq)

    def looked_at(self, page: Page) -> int:
        """How many of the page's changes the binding has passed already."""
        position = self.binding.position or 0
        return sum(change.seq <= position for change in page.changes)

    def agrees(self, page: Page, catalog: Catalog) -> bool:
        """Whether what went out is just what this page, read after `after`, says."""
        passed = page.changes[: self.looked_at(page)]
        upto = passed[-1].seq if passed else self.after
        due = [
            change.seq
            for change in passed
            if self.binding.takes(change.schema, change.table, change.op)
            and ChangeFrame(change, catalog).passes(self.binding.filter)
        ]
        return due == [seq for seq in self.sent if seq <= upto]


def auditable(binding: Binding) -> bool:
    """Whether it is served, and what it must get can be said again exactly.

    Not so with patterns: what they let pass depends on what others' have cost.
    """
    served = binding.admitted and binding.channel.joined and binding.channel.open
    return served and (binding.filter is None or binding.filter.patterns == 0)
