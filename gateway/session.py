"""One socket's side of the protocol: what each frame of a client does.

Pure: frames go out through an outlet, subscriptions to the hub, time comes in as `now`. The skin
(gateway/server.py) owns the socket, the timers and the closing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.channel import TOPIC_PREFIX, Binding, Channel, Outlet
from gateway.hub import Hub
from gateway.joins import JoinRefused, Wanted, bindings_of, effort_of, token_of
from gateway.places import Place
from gateway.protocol import PHOENIX, Message, Serializer
from process.rates import Rate
from process.tokens import REVOKED, Identity, TokenRefused, Verifier

TOKEN_EXPIRED = 4001
TOKEN_REFUSED = 4003
TOKEN_REVOKED = 4005
ANSWER_LIMIT_S = 7  # clients give a join up after 10 s, and the look that finds it may be late
NO_ANSWER = "UnableToConnectToProject: the database cannot be reached; try again"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one socket may ask for."""

    max_channels: int
    max_bindings: int
    joins: Rate


class Session:
    """What one client has joined. `receive` takes each frame; BadFrame where it is none."""

    __slots__ = (
        "_apikey",
        "_hub",
        "_joins_full_at",
        "_last_id",
        "_limits",
        "_on_refused",
        "_outlet",
        "_place",
        "_serializer",
        "_verifier",
        "channels",
    )

    def __init__(
        self,
        serializer: Serializer,
        outlet: Outlet,
        hub: Hub,
        verifier: Verifier,
        limits: Limits,
        place: Place,
        apikey: str | None,
        on_refused: Callable[[str], None],
    ) -> None:
        self._serializer = serializer
        self._outlet = outlet
        self._hub = hub
        self._verifier = verifier
        self._limits = limits
        self._place = place
        self._joins_full_at = 0.0
        self._apikey = apikey
        self._on_refused = on_refused
        self._last_id = 0
        self.channels: dict[str, Channel] = {}

    def receive(self, data: str | bytes, now: datetime, came_at: datetime | None = None) -> None:
        """Act on one frame, which has been here since `came_at`.

        UnknownKey where its token names a key that is not known here: the same frame again, once
        the published keys were fetched anew, is acted on.
        """
        message = self._serializer.decode(data)
        match message.event:
            case "heartbeat" if message.topic == PHOENIX:
                self._reply(message, "ok", {})
            case "phx_join":
                self._join(message, now, came_at or now)
            case "phx_leave":
                self._leave(message)
            case "access_token":
                self._refresh(message, now)
            case _ if self._joined(message) is None:
                self._reply(message, "error", {"reason": "unmatched topic"})
            case "broadcast" | "presence":
                reason = f"{message.event} is not offered here: only postgres_changes are"
                self._reply(message, "error", {"reason": reason})
            case _:
                pass  # as Phoenix: an event that nobody handles is no error

    def drained(self) -> None:
        """The client has read most of what there was: its channels go on."""
        for channel in self.channels.values():
            self._hub.resume(channel)

    def close(self) -> None:
        """The socket is gone: nothing is delivered to its channels any more."""
        for channel in self.channels.values():
            channel.open = False
            self._hub.remove(channel)
        self.channels.clear()
        self._place.leave()

    def expire(self, now_s: float) -> None:
        """Fail the channels whose token has run out; `now_s` is in seconds since 1970.

        A client that has a newer token joins again with it. Called for every socket each second:
        that costs less than a timer for each channel, and nothing of a closed one is kept.
        """
        for channel in [one for one in self.channels.values() if one.expires_at <= now_s]:
            if channel.open:
                channel.fail(TOKEN_EXPIRED, "Token has expired")
            self._drop(channel)
        self._refuse_waiting(now_s - ANSWER_LIMIT_S)

    def _refuse_waiting(self, asked_before_s: float) -> None:
        # The relay says so itself once its read has failed; on a dead line that takes too long.
        waiting = [one for one in self.channels.values() if not one.joined]
        for channel in [one for one in waiting if one.asked_at <= asked_before_s]:
            if channel.open:
                channel.refuse(NO_ANSWER)
            self._drop(channel)

    def end_revoked(self) -> bool:
        """Fail the channels whose token was taken back; True: whoever has it keeps no socket."""
        revoked = [
            channel
            for channel in self.channels.values()
            if self._verifier.revoked(channel.user, channel.issued_at)
        ]
        for channel in revoked:
            if channel.open:
                channel.fail(TOKEN_REVOKED, REVOKED)
            self._drop(channel)
        return bool(revoked)

    def _join(self, message: Message, now: datetime, came_at: datetime) -> None:
        # A second join replaces the first silently: PyPI realtime takes any phx_close as its own.
        self._drop(self.channels.get(message.topic))
        channel = Channel(self._serializer, self._outlet, message)
        channel.asked_at = came_at.timestamp()
        try:
            self._check_rate(message, now)
            self._check_topic(message.topic)
            identity = self._identity(message, now)
            channel.user = _user(identity)
            _stamp(channel, identity)
            self._place.take(channel.user)
            wanted = self._wanted(message, channel)
        except (JoinRefused, TokenRefused) as refused:
            self._on_refused(refused.why if isinstance(refused, JoinRefused) else refused.code)
            channel.refuse(_reason(refused))
            return
        self.channels[message.topic] = channel
        self._subscribe(channel, wanted)

    def _subscribe(self, channel: Channel, wanted: list[Wanted]) -> None:
        for one in wanted:
            self._last_id += 1
            binding = Binding(
                self._last_id, channel, one.user, one.event, one.schema, one.table, one.filter,
                position=one.cursor.since, asked_epoch=one.cursor.epoch, columns=one.columns,
            )  # fmt: skip
            channel.bind(binding, one.echo)
        self._hub.add(channel)
        if not wanted:
            channel.confirm()

    def _leave(self, message: Message) -> None:
        channel = self._joined(message)
        if channel is None:
            self._reply(message, "ok", {})
            return
        self._drop(channel)
        channel.leave(message.ref)

    def _refresh(self, message: Message, now: datetime) -> None:
        """A newer token: the channel lives on with it, or fails and is joined anew."""
        channel = self._joined(message)
        token = token_of(message.payload)
        if channel is None or token is None:
            return
        try:
            identity = self._verified(token, now)
        except (JoinRefused, TokenRefused) as refused:
            self._fail(channel, TOKEN_REFUSED, _reason(refused))
            return
        if channel.user != _user(identity):
            self._fail(channel, TOKEN_REFUSED, "Unauthorized: the token is another user's")
            return
        _stamp(channel, identity)

    def _identity(self, message: Message, now: datetime) -> Identity:
        # The same rule for both: a publishable key, sb_..., is no token of ours.
        token = token_of(message.payload) or token_of({"access_token": self._apikey})
        if token is None:
            raise JoinRefused("Unauthorized", "no token; put the user's into the join")
        return self._verified(token, now)

    def _verified(self, token: str, now: datetime) -> Identity:
        identity = self._verifier.verify(token, now)
        if identity.role == "anon":
            # As service_role it has no user, and must never be taken for it.
            raise JoinRefused(
                "Unauthorized", "an anon key joins nothing; put the user's token into the join"
            )
        return identity

    def _wanted(self, message: Message, channel: Channel) -> list[Wanted]:
        catalog = self._hub.catalog
        if catalog is None:
            raise JoinRefused("RealtimeRestarting", "the database has not been read yet; try again")
        return bindings_of(message.payload, channel.user, catalog, self._limits.max_bindings)

    def _check_rate(self, message: Message, now: datetime) -> None:
        rate, now_s = self._limits.joins, now.timestamp()
        full_at = rate.spent(self._joins_full_at, now_s, effort_of(message.payload))
        if rate.lacking_s(full_at, now_s):
            raise JoinRefused("ClientJoinRateLimitReached", "Too many joins per second")
        self._joins_full_at = full_at

    def _check_topic(self, topic: str) -> None:
        if not topic.removeprefix(TOPIC_PREFIX) or not topic.startswith(TOPIC_PREFIX):
            raise JoinRefused("TopicNameRequired", "a topic is written realtime:<name>")
        if sum(one.open for one in self.channels.values()) >= self._limits.max_channels:
            raise JoinRefused("ChannelRateLimitReached", "Too many channels")

    def _fail(self, channel: Channel, code: int, reason: str) -> None:
        self._drop(channel)
        channel.fail(code, reason)

    def _drop(self, channel: Channel | None) -> None:
        if channel is not None:
            channel.open = False
            self._hub.remove(channel)
            self.channels.pop(channel.topic, None)

    def _joined(self, message: Message) -> Channel | None:
        channel = self.channels.get(message.topic)
        # The hub refuses a join that cannot be served now; such a channel was never there.
        return channel if channel is not None and channel.open else None

    def _reply(self, message: Message, status: str, response: dict[str, str]) -> None:
        payload = {"status": status, "response": response}
        self._outlet.send(
            self._serializer.encode(
                message.join_ref, message.ref, message.topic, "phx_reply", payload
            )
        )


def _stamp(channel: Channel, identity: Identity) -> None:
    channel.expires_at = identity.expires_at.timestamp()
    channel.issued_at = identity.issued_at


def _user(identity: Identity) -> str | None:
    return str(identity.user_id) if identity.user_id else None


def _reason(refused: JoinRefused | TokenRefused) -> str:
    if isinstance(refused, JoinRefused):
        return refused.reason
    return f"{refused.code}: {refused.reason}"
