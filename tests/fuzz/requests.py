"""HTTP requests as bytes: methods, paths, headers and bodies, nearly right or not at all."""

from urllib.parse import quote
from uuid import UUID

from tests.fuzz.garbage import Garbage

PATHS = ("/", "/v1/me", "/v1/offers", "/v1/activations", "/v1/activations/{id}", "/v1/changes",
         "/v1/events", "/livez", "/readyz", "/openapi.json", "/static/", "/realtime/v1/websocket",
         "/socket/websocket")  # fmt: skip
HOOK = "a-secret-that-the-fuzzer-has-been-told"
POST_PATHS = ("/v1/activations", "/v1/activations/{id}/check", "/v1/activations/{id}/cancel",
              "/v1/activations/{id}/finish", "/v1/activations/{id}/another",
              "/v1/activations/{id}/recover", "/functions/v1/check-sms-activate-status",
              "/functions/v1/update-activation-sms", "/webhooks/simulator/{id}",
              f"/webhooks/simulator/{HOOK}",
              "/v1/token")  # fmt: skip
METHODS = ("GET", "POST", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW")
PARAMETERS = ("after", "wait", "limit", "status", "cursor", "before", "table", "epoch", "service",
              "country", "apikey", "vsn")  # fmt: skip
FIELDS = ("service_code", "country_code", "operator", "max_price", "activationId", "orderId", "x")
HEADERS = ("Idempotency-Key", "Prefer", "Content-Type", "Accept", "Origin", "Last-Event-ID",
           "X-Request-Id", "Range", "If-None-Match", "Cookie", "Expect", "Connection",
           "X-Forwarded-For", "Accept-Encoding", "Upgrade", "Sec-WebSocket-Key",
           "Sec-WebSocket-Version")  # fmt: skip
GOOD = ("wait=0", "wait=1", "application/json", "k1", "k2", "bytes=0-1", "*/*", "gzip", "12",
        "100-continue", "keep-alive", "upgrade", "websocket", "13",
        "text/event-stream")  # fmt: skip


class Requests(Garbage):
    """What a bad client asks, `tokens` among it: good ones and bad ones."""

    def __init__(self, seed: str, tokens: list[str]) -> None:
        super().__init__(seed)
        self._tokens = tokens

    def request(self) -> bytes:
        """One request."""
        if self.often(0.03):
            return self.raw()
        body = self._body()
        head = [f"{self._method_and_target()} HTTP/1.1", "Host: 127.0.0.1"]
        head += self._headers() + self._framing(body)
        request = "\r\n".join([*head, "", ""]).encode("utf-8", "replace") + body
        return self._mutated_bytes(request) if self.often(0.05) else request

    def _method_and_target(self) -> str:
        method, paths = self.one_of(("GET", PATHS), ("POST", POST_PATHS))
        return f"{method if self.often(0.8) else self.one_of(*METHODS)} {self._target(paths)}"

    def _target(self, paths: tuple[str, ...]) -> str:
        path = self.one_of(*paths).replace("{id}", self._id())
        query = "&".join(f"{name}={self._parameter()}" for name in self.some_of(PARAMETERS, 3))
        return f"{path}?{query}" if query else path

    def _id(self) -> str:
        if self.often(0.7):
            return str(UUID(int=self.random.getrandbits(128)))
        return quote(self.text(2), safe="") or "-"

    def _parameter(self) -> str:
        return self.one_of("0", "1", "5", "-1", "99999999999999999999", quote(self.text(2)))

    def _headers(self) -> list[str]:
        headers = [f"{name}: {self._header()}" for name in self.some_of(HEADERS, 4)]
        if self.often(0.9):
            headers.append(f"Authorization: Bearer {self.one_of(*self._tokens)}")
        return headers

    def _header(self) -> str:
        if self.often(0.7):
            return self.one_of(*GOOD)
        return self.text(3).replace("\r", "").replace("\n", "")

    def _body(self) -> bytes:
        if self.often(0.4):
            return b""
        if self.often(0.1):
            return self.raw(500)
        honest = {"service_code": "wa", "country_code": "6"}
        changed = {name: self.value() for name in self.some_of(FIELDS, 2)}
        return self.json({**honest, **changed} if self.often(0.9) else self.value()).encode()

    def _framing(self, body: bytes) -> list[str]:
        if self.often(0.03):
            return [f"Content-Length: {self.one_of('-1', '0', 'x', '99999999999')}"]
        if self.often(0.03):
            return ["Transfer-Encoding: chunked"]
        return [f"Content-Length: {len(body)}"]

    def _mutated_bytes(self, request: bytes) -> bytes:
        place = self.random.randint(0, len(request))
        return request[:place] + self.raw(8) + request[place + self.random.randint(0, 8) :]
