"""Who is subscribed to whose feed, who is due to be read, and who gets which change.

Pure: the relay (gateway/relay.py) takes the due users, reads their feeds in one statement, and
gives each page to `deliver`. A ring, a join, a reconnect and the sweep only mark users as due. Each
binding has a position of its own and gets the change that follows it, in order. The log is the only
queue: who has much to read already is passed over, and goes on from its position when it has read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID

from db.feed import LIVE_ONLY, LostCursor, Page, lost_cursor, wire_epoch
from gateway.audit import Audit, auditable
from gateway.catalog import Catalog
from gateway.channel import Binding, Channel, Place
from gateway.frames import ChangeFrame

TABLE_CHANGED = 4004
PAUSE_AFTER = 5000  # conditions looked at: some milliseconds
MAX_SEQ_DIGITS = 19  # of a bigint; whoever may connect may NOTIFY, and int() refuses thousands


class Hub:
    """All subscriptions of a gateway. `on_due` is called when someone has become due.

    `on_resync` is told of each cursor that cannot be served, with the reason.
    """

    def __init__(
        self,
        on_due: Callable[[], None],
        on_resync: Callable[[LostCursor], object] = lambda _reason: None,
    ) -> None:
        self._on_due = on_due
        self._on_resync = on_resync
        self._feeds: dict[str, list[Binding]] = {}
        self._due: dict[str, None] = {}  # in the order in which they became due
        self.urgent = False  # someone is due for another reason than that a client has joined
        self._replayed: set[str] = set()  # of these the last read was for those who lag
        self._reads = 0
        self._epoch: UUID | None = None
        self.catalog: Catalog | None = None
        self.delivered = 0
        self.audit: Audit | None = None
        self.gaps: dict[str, int] = {}  # up to there a user's changes are pruned, or are lost

    # --- who is there

    def add(self, channel: Channel) -> None:
        """Register a channel's bindings, then mark their users as due: what is read next counts."""
        for binding in channel.bindings:
            binding.after_read = self._reads
            self._feeds.setdefault(binding.user, []).append(binding)
            self._due[binding.user] = None
        self._on_due()

    def remove(self, channel: Channel) -> None:
        """Forget a channel's bindings."""
        for binding in channel.bindings:
            bindings = self._feeds.get(binding.user, [])
            if binding in bindings:
                bindings.remove(binding)
            if not bindings:
                self._feeds.pop(binding.user, None)
                self._due.pop(binding.user, None)
                self._replayed.discard(binding.user)
            self._end_audit(binding)

    @property
    def users(self) -> int:
        """How many users have a binding."""
        return len(self._feeds)

    @property
    def behind(self) -> int:
        """How many of them are due: something may have changed that was not read yet."""
        return len(self._due)

    def positions(self) -> dict[str, int]:
        """The position of each user who is served and not due: what the sweep compares."""
        known: dict[str, int] = {}
        for user, bindings in self._feeds.items():
            places = [one.position for one in bindings if not one.halted]
            reached = [place for place in places if place is not None]
            if user not in self._due and len(reached) == len(bindings):
                known[user] = min(reached)
        return known

    # --- whether they get it

    def begin_audit(self, choose: Callable[[Sequence[str]], str]) -> None:
        """From now on note what one binding of one user is sent."""
        self.audit = None
        if not self._feeds:
            return
        of_user = filter(auditable, self._feeds[choose(list(self._feeds))])
        found = next(of_user, None)
        if found is not None and found.position is not None:
            self.audit = Audit(found, found.position)

    def _end_audit(self, binding: Binding) -> None:
        if self.audit is not None and self.audit.binding is binding:
            self.audit = None

    # --- who is due

    def mark(self, user: str) -> None:
        """Something may have changed for this user, who is subscribed."""
        self._due[user] = None
        self.urgent = True
        self._on_due()

    def mark_all(self) -> None:
        """Something may have changed for anybody."""
        self._due = dict.fromkeys(self._feeds)
        self.urgent = True
        self._on_due()

    def ring(self, payload: str) -> bool:
        """A NOTIFY on `sonnette`: `<user>:<seq>,...`. False: unreadable, it may mean anybody."""
        if payload.startswith("~"):
            return True  # a canary, which is nobody's ring
        for item in payload.split(","):
            user, colon, seq = item.partition(":")
            if not colon or not seq.isdecimal() or len(seq) > MAX_SEQ_DIGITS:
                return False
            bindings = self._feeds.get(user)
            if bindings and any(b.position is None or b.position < int(seq) for b in bindings):
                self.mark(user)
        return True

    def take_due(self, most: int) -> dict[str, int]:
        """Up to `most` due users with the position to read after; they are due no longer.

        Begins a read: `deliver` gives its pages to those who were there by now.
        """
        self._reads += 1
        taken: dict[str, int] = {}
        while self._due and len(taken) < most:
            user = next(iter(self._due))
            del self._due[user]
            after = self._after(user)
            if after is not None:
                taken[user] = after
        self.urgent = bool(self._due)
        return taken

    def put_back(self, users: Iterable[str]) -> None:
        """The read failed: they are due again, if they are still there."""
        for user in users:
            if user in self._feeds:
                self.mark(user)

    def resume(self, channel: Channel) -> None:
        """The channel's client has read: what was held back for it is read again."""
        for binding in channel.bindings:
            if binding.halted and binding.user in self._feeds:
                binding.halted = False
                self.mark(binding.user)

    def refuse_waiting(self, reason: str) -> None:
        """Nothing can be read: say so to those who wait for their join's answer."""
        waiting = {
            binding.channel: None
            for bindings in self._feeds.values()
            for binding in bindings
            if not binding.channel.joined
        }
        for channel in waiting:
            self.remove(channel)
            channel.refuse(reason)

    @property
    def anyone_due(self) -> bool:
        """True where there is something to read."""
        return bool(self._due)

    # --- what they get

    def set_epoch(self, epoch: UUID) -> None:
        """Name the history that is read from now on. Another than before: every cursor is void."""
        if self._epoch is not None and epoch != self._epoch:
            for bindings in self._feeds.values():
                for binding in bindings:
                    binding.asked_epoch = "void"
                    binding.admitted = False
            self.mark_all()
        self._epoch = epoch

    def set_catalog(self, catalog: Catalog) -> None:
        """What can be subscribed to from now on. Whose table is another one now must join anew."""
        before, self.catalog = self.catalog, catalog
        if before is None or before == catalog:
            return
        everyone = [one for bindings in self._feeds.values() for one in bindings]
        for channel in {one.channel: None for one in everyone if not _fits(one, catalog)}:
            self.remove(channel)
            channel.fail(TABLE_CHANGED, "A subscribed table has changed; join again")

    def deliver(self, page: Page) -> None:
        """Send a page's changes to the user's bindings, each those that it is behind of."""
        for _pause in self.delivery(page):
            pass

    def delivery(self, page: Page) -> Iterator[None]:
        """The same in small steps: between any two of them, sockets may come and go."""
        bindings = self._feeds.get(page.user)
        if bindings is None or self._epoch is None or self.catalog is None:
            return
        # Who joined during the read waits for the next one: this page may be older than a cursor
        # that another process gave out, and would call it lost.
        served = [
            one
            for one in bindings
            if one.after_read < self._reads and (one.position is None or one.position >= page.after)
        ]
        if not all(_settled(one, page) for one in served):
            self._admit(served, page, wire_epoch(self._epoch, page.user))
        ready = [one for one in served if one.channel.joined]
        for change in page.changes:
            yield from self._fan_out(ready, ChangeFrame(change, self.catalog))
        bindings = self._feeds.get(page.user, [])
        if any(_behind(one, page.last_seq) for one in bindings):
            self.mark(page.user)

    def _fan_out(self, bindings: list[Binding], frame: ChangeFrame) -> Iterator[None]:
        """One change to all; a pause wherever clients have asked for a long look at it."""
        change = frame.change
        groups: dict[tuple[Channel, int, frozenset[str] | None], list[int]] = {}
        looked_at = 0
        for binding in bindings:
            if binding.position != change.seq - 1 or _halted(binding):
                continue
            binding.position = change.seq
            if not binding.takes(change.schema, change.table, change.op):
                continue
            looked_at += binding.filter.cost if binding.filter else 1
            if frame.passes(binding.filter):
                group = binding.channel, binding.sent, binding.columns
                groups.setdefault(group, []).append(binding.id)
                binding.sent = change.seq
            if looked_at >= PAUSE_AFTER:
                looked_at = 0
                yield
        for (channel, prev, columns), ids in groups.items():
            if channel.open:
                channel.changes(ids, frame.data(prev, columns))
                self.delivered += 1
                if self.audit is not None and self.audit.binding.channel is channel:
                    self.audit.note(ids, change.seq)

    def _admit(self, bindings: list[Binding], page: Page, epoch: str) -> None:
        """Give new bindings their place, answer the joins that are complete, resync the lost."""
        place = Place(page.user, page.last_seq, epoch)
        lost: dict[Channel, LostCursor] = {}
        for binding in bindings:
            reason = self._settle(binding, page, place)
            if reason is not None:
                lost[binding.channel] = reason
        for channel in {one.channel: None for one in bindings}:
            if not channel.joined and all(one.admitted for one in channel.bindings):
                channel.confirm()
        for channel, reason in lost.items():
            channel.resync(reason, place)
            self._on_resync(reason)

    def _settle(self, binding: Binding, page: Page, place: Place) -> LostCursor | None:
        """Give a binding its position; why it is not the one that it came with."""
        reason = _lost(binding, page, place.epoch)
        if reason is not None:
            self._end_audit(binding)
            binding.position = None
        if reason == "cursor too old":
            self.gaps[page.user] = max(self.gaps.get(page.user, 0), page.served_from)
        if binding.position is None:
            binding.position = binding.sent = page.last_seq
        elif not binding.admitted:
            binding.sent = binding.position
        if not binding.admitted:
            binding.channel.admit(place)
        binding.admitted = True
        return reason

    def _after(self, user: str) -> int | None:
        """From where the user's feed is read next; None: nobody can take anything of it.

        A binding that begins now needs no history. Where some lag behind others they have turns: a
        long replay to one of the user's sockets is no delay for the rest.
        """
        waiting = [one for one in self._feeds[user] if not (one.admitted and _halted(one))]
        positions = [one.position for one in waiting if one.position is not None]
        if not positions:
            return LIVE_ONLY if waiting else None
        lowest, highest = min(positions), max(positions)
        if lowest < highest and user not in self._replayed:
            self._replayed.add(user)
            return lowest
        self._replayed.discard(user)
        return highest


def _halted(binding: Binding) -> bool:
    """Whether its client has too much to read to be given more."""
    binding.halted = binding.channel.full
    return binding.halted


def _settled(binding: Binding, page: Page) -> bool:
    """Whether the page is for this binding just its next changes, as nearly every page is."""
    return (
        binding.admitted
        and binding.channel.joined
        and binding.position is not None
        and lost_cursor(page, binding.position) is None
    )


def _behind(binding: Binding, last_seq: int) -> bool:
    """Whether the binding needs another read, and can take what it finds."""
    if not binding.admitted or binding.position is None:
        return True
    return binding.position < last_seq and not _halted(binding)


def _fits(binding: Binding, catalog: Catalog) -> bool:
    """Whether the binding still means what it meant when it was made."""
    tables = catalog.named(binding.schema, binding.table)
    if not tables:
        return False
    columns = tables[0].columns
    selected = binding.columns is None or binding.columns <= columns.keys()
    return selected and (binding.filter is None or binding.filter.fits(columns))


def _lost(binding: Binding, page: Page, epoch: str) -> LostCursor | None:
    """Why the binding's cursor cannot be served from here; None if it can, or has none."""
    if binding.position is None:
        return None
    if not binding.admitted and binding.asked_epoch not in (None, epoch):
        return "other history"
    reason = lost_cursor(page, binding.position)
    # What was served before cannot be ahead: the history itself is another one.
    return "other history" if reason == "cursor ahead" and binding.admitted else reason
