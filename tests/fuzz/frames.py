"""Frames, joins and filters: each of them nearly right, or not at all."""

from tests.fuzz.garbage import Garbage

OPERATORS = ("eq", "neq", "lt", "lte", "gt", "gte", "in", "is", "like", "ilike", "match", "imatch",
             "isdistinct", "not.eq", "not.in", "not.like", "shout")  # fmt: skip
COLUMNS = ("id", "owner", "note", "weight", "user_id", "status", "price", "sms_count", "created_at")
VALUES = ("1", "-5", "0.5", "true", "null", "a%", "_", "(1,2)", '("a","b")', '"a\\"b"', "^(a|b)+$",
          "((a+)+)+$", "[[:alpha:]", "2026-01-01", "unknown", "(", ")", '"')  # fmt: skip
TABLES = ("cargo", "activations", "messages", "wallets", "*", "sonnette.changes", "ledger")
EVENTS = ("phx_join", "phx_leave", "heartbeat", "access_token", "broadcast", "presence", "system",
          "phx_close", "phx_error", "postgres_changes", "phx_reply")  # fmt: skip


class Frames(Garbage):
    """What a bad client sends, `tokens` among it: good ones and bad ones."""

    def __init__(self, seed: str, tokens: list[str]) -> None:
        super().__init__(seed)
        self._tokens = tokens

    def token(self) -> object:
        """A token, often a good one."""
        return self.one_of(*self._tokens) if self.often(0.9) else self.value()

    def frame(self, vsn: str | None) -> str | bytes:
        """One frame."""
        if self.often(0.05):
            return self.raw()
        if self.often(0.05):
            return self._binary()
        topic, event = self._topic(), self._event()
        payload = self._join() if event == "phx_join" else self._payload()
        ref = str(self.random.randint(1, 9)) if self.often(0.9) else self.value()
        if (vsn == "2.0.0") == self.often(0.97):
            return self.json([ref, ref, topic, event, payload])
        return self.json({"topic": topic, "event": event, "payload": payload, "ref": ref})

    def filter(self) -> str:
        """A filter of up to four conditions."""
        text = ",".join(self._condition() for _ in range(self.random.randint(1, 4)))
        return self.mutated(text) if self.often(0.2) else text

    def _condition(self) -> str:
        value = self.one_of(*VALUES) if self.often(0.7) else self.text(3)
        return f"{self.one_of(*COLUMNS)}={self.one_of(*OPERATORS)}.{value}"

    def _topic(self) -> object:
        if self.often(0.05):
            return self.value()
        return self.one_of("realtime:a", "realtime:b", "phoenix", f"realtime:{self.text(2)}")

    def _event(self) -> object:
        if self.often(0.4):
            return "phx_join"
        return self.one_of(*EVENTS) if self.often(0.9) else self.value()

    def _payload(self) -> object:
        return {"access_token": self.token()} if self.often(0.5) else self.value()

    def _join(self) -> object:
        bindings = [self._binding() for _ in range(self.random.randint(0, 5))]
        config: dict[str, object] = {"postgres_changes": bindings}
        for key in self.some_of(("broadcast", "presence", "private", "postgres_changes"), 2):
            config[key] = self.value()
        return {
            "config": config if self.often(0.95) else self.value(),
            "access_token": self.token(),
        }

    def _binding(self) -> object:
        binding: dict[str, object] = {"event": self.one_of("*", "INSERT", "UPDATE", "x")}
        binding |= {"schema": "public", "table": self.one_of(*TABLES)}
        if self.often(0.6):
            binding["filter"] = self.filter()
        if self.often(0.3):
            binding["since"] = self.random.randint(-1, 20)
        if self.often(0.2):
            binding["select"] = self.some_of(COLUMNS, 3)
        for key in self.some_of(("filter", "since", "epoch", "select", "table", "schema", "id"), 1):
            binding[key] = self.value()
        return binding if self.often(0.95) else self.value()

    def _binary(self) -> bytes:
        parts = [self.text(1).encode()[:255] for _ in range(5)]
        return (
            bytes((3, *map(len, parts), self.random.randint(0, 3))) + b"".join(parts) + self.raw(50)
        )
