"""What the service counts, for Prometheus.

Routes are labelled by their pattern: no label ever holds a user, an id or a token.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ready = Gauge(
            "sonnette_service_ready",
            "1 while everything is in place, as /readyz says",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "sonnette_service_waiting",
            "Requests that wait for something to happen",
            registry=self.registry,
        )
        self.tasks = Gauge(
            "sonnette_service_tasks",
            "Tasks of the event loop; each request in flight has one or two",
            registry=self.registry,
        )
        self.streams = Gauge(
            "sonnette_service_streams",
            "Streams of /v1/events that are open",
            registry=self.registry,
        )
        self.pruned = Counter(
            "sonnette_service_changes_pruned",
            "Changes of the log forgotten: for their age, or because there were too many",
            ["reason"],
            registry=self.registry,
        )
        for reason in ("age", "cap"):  # there from the start: what begins at 1 has not risen
            self.pruned.labels(reason)
        self.tidied = Counter(
            "sonnette_service_rows_tidied",
            "Old webhooks, answered requests and ended processes forgotten",
            registry=self.registry,
        )
        self.log_changes = Gauge(
            "sonnette_service_log_changes",
            "Changes in the log, as the database's statistics know it",
            registry=self.registry,
        )
        self.log_oldest_s = Gauge(
            "sonnette_service_log_oldest_seconds",
            "Age of the oldest change in the log: how far back a cursor is served",
            registry=self.registry,
        )
        self._requests = Counter(
            "sonnette_service_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._refused = Counter(
            "sonnette_service_refused",
            "Requests over the rate that is allowed to a user or an address",
            ["limit"],
            registry=self.registry,
        )
        self._webhooks = Counter(
            "sonnette_service_webhooks",
            "Webhooks by what became of them: stored, repeated, or the code of a refusal",
            ["result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "sonnette_service_request_seconds",
            "From a request's headers to its answer, waits that it asked for included",
            ["method", "route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )

    def webhook(self, result: str) -> None:
        """One webhook was stored, repeated, or refused with that problem code."""
        self._webhooks.labels(result).inc()

    def refused(self, limit: str) -> None:
        """A request was over the limit of its `user` or its `address`."""
        self._refused.labels(limit).inc()

    def request(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """One request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(elapsed_s)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
