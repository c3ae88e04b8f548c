"""What the poller counts, for Prometheus.

No label ever holds an id, a number, a code or a key; the words of providers are bounded in length
by the parser and in number here, because a label that anybody can fill is a leak of memory.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from poller.providers.answers import ActiveList, PriceList, Unexpected

BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
MAX_WORDS = 100


class Metrics:
    """The poller's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._words: set[str] = set()
        self.ready = self._gauge(
            "sonnette_poller_ready", "1 while all is in place, as /readyz says"
        )
        self.busy = self._gauge(
            "sonnette_poller_busy", "Activations being dealt with or written", ["account"]
        )
        self.balance = self._gauge(
            "sonnette_poller_balance", "Our balance at the provider, in its currency", ["account"]
        )
        self.breaker_open = self._gauge(
            "sonnette_poller_breaker_open", "1 while the provider is left alone", ["account"]
        )
        self.in_doubt = self._gauge(
            "sonnette_poller_purchases_in_doubt",
            "Purchases whose answer nobody has (sonnette.in_doubt)",
            ["account"],
        )
        self.orphans = self._gauge(
            "sonnette_poller_orphans",
            "Numbers at the provider that no activation has (sonnette.orphans)",
            ["account"],
        )
        self.sms = self._counter(
            "sonnette_poller_sms", "SMS that were to be stored, known ones included", ["account"]
        )
        self.webhooks = self._counter(
            "sonnette_poller_webhooks",
            "Webhooks that are done with, by what came of them: confirmed, unconfirmed, unanswered",
            ["account", "outcome"],
        )
        self.held = self._counter(
            "sonnette_poller_rows_held",
            "Results that waited for a row that was locked",
            ["account"],
        )
        self.missed = self._counter(
            "sonnette_poller_writes_missed",
            "Changes that changed nothing, by kind: the activation was over, or the SMS known",
            ["account", "change"],
        )
        self.refused = self._counter(
            "sonnette_poller_writes_refused", "Results that the database refused", ["account"]
        )
        self.mistakes = self._counter(
            "sonnette_poller_mistakes", "Mistakes of our own, each with a log entry", ["account"]
        )
        self._unexpected = self._counter(
            "provider_unexpected",
            "Answers that no documentation has; the activation was left as it was",
            ["account", "action", "word"],
        )
        self._answers = self._counter(
            "provider_answers", "Answers by kind", ["account", "action", "answer"]
        )
        self._seconds = Histogram(
            "provider_answer_seconds",
            "From question to answer",
            ["account", "action"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )

    def observer(self, account: str) -> Callable[[str, object, float], None]:
        """To be told every answer of that account's provider."""
        for alarming in (self.refused, self.mistakes):
            alarming.labels(account)  # there from the start: what begins at 1 has not risen

        def heard(action: str, answer: object, seconds: float) -> None:
            self._seconds.labels(account, action).observe(seconds)
            self._answers.labels(account, action, type(answer).__name__).inc()
            word = _unexpected_word(answer)
            if word is not None:
                self._unexpected.labels(account, action, self._bounded(word)).inc()

        return heard

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def _bounded(self, word: str) -> str:
        if word not in self._words and len(self._words) >= MAX_WORDS:
            return "other"
        self._words.add(word)
        return word

    def _gauge(self, name: str, help: str, labels: list[str] | None = None) -> Gauge:
        return Gauge(name, help, labels or [], registry=self.registry)

    def _counter(self, name: str, help: str, labels: list[str]) -> Counter:
        return Counter(name, help, labels, registry=self.registry)


def _unexpected_word(answer: object) -> str | None:
    match answer:
        case Unexpected(word):
            return word
        case ActiveList(skipped=skipped) | PriceList(skipped=skipped) if skipped:
            return "row"
        case _:
            return None
