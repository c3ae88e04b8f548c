"""What a gateway counts, for Prometheus. No label ever holds a user, a token or a row's content."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The gateway's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sockets = self._gauge("sockets", "Open WebSockets")
        self.tasks = self._gauge("tasks", "Tasks of the event loop; each socket has a few")
        self.users = self._gauge("users", "Users with a postgres_changes binding")
        self.ready = self._gauge("ready", "1 while everything is in place, as /readyz says")
        self.frames_in = self._counter("frames_in", "Frames received from clients")
        self.bad_frames = self._counter("bad_frames", "Frames that are none of the protocol's")
        self.frames_out = self._counter("frames_out", "Frames sent to clients")
        self.rings = self._counter("rings", "Notifications received on the channel sonnette")
        self.lost_rings = self._counter(
            "lost_rings", "Users whom only the sweep found to be behind: their ring was lost"
        )
        self.losses = self._counter(
            "loss_detected",
            "Times that changes were missing which the log must have, or were not sent",
        )
        self.audited = self._counter(
            "changes_audited", "Changes of the log held against what was sent of them"
        )
        self.resyncs = self._counter(
            "resyncs",
            "Cursors that could not be served, by the reason that clients are told",
            ["reason"],
        )
        self.changes = self._counter("changes_read", "Changes read from the feeds")
        self.failures = self._counter("read_failures", "Reads that failed; they were repeated")
        self.slowed = self._counter(
            "handshakes_slowed", "Sockets opened late: the caller's last ones were all brief"
        )
        self.frames_slowed = self._counter(
            "frames_slowed", "Waits of sockets that sent more frames than their rate"
        )
        self.refused = self._counter(
            "joins_refused", "Joins refused, by the limit or else the code of the reason", ["why"]
        )
        self.full = self._counter(
            "handshakes_refused", "Handshakes refused because of a limit", ["limit"]
        )
        self.buffered = self._gauge(
            "buffered_bytes", "What clients have not read yet, all together"
        )
        self.opening = self._gauge("opening", "Connections that have not asked for anything yet")
        self.cut = self._counter("sockets_cut", "Sockets closed by the gateway", ["reason"])
        self.delay_seconds = Histogram(
            "sonnette_gateway_delay_seconds",
            "From a new change's statement in the database to its delivery, one for each read",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
            registry=self.registry,
        )
        self.read_seconds = Histogram(
            "sonnette_gateway_read_seconds",
            "Duration of one read for all due users",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 10),
            registry=self.registry,
        )

    @property
    def open_sockets(self) -> int:
        """How many sockets are open now."""
        return int(next(iter(self.sockets.collect())).samples[0].value)

    def text(self) -> str:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry).decode()

    def _counter(self, name: str, meaning: str, labels: list[str] | None = None) -> Counter:
        return Counter(f"sonnette_gateway_{name}", meaning, labels or [], registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"sonnette_gateway_{name}", meaning, registry=self.registry)
