"""The page at /: its files, what it must know of the gateway, and a strict content security policy.

Promised: nothing inline, nothing of a third party, and a connection only to this service and to the
gateway; the token stays in the browser. The files are built from web/ and asked for again only when
they have changed.
"""

import gzip
import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from process.settings import Address, Settings
from service.answers import Resources, answer

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
WILDCARDS = ("0.0.0.0", "::")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


class Config(msgspec.Struct, frozen=True):
    """GET /config.json: where the page's WebSocket goes."""

    gateway_url: str


@dataclass(frozen=True)
class File:
    """One file of static/, as it is and compressed, and the tag by which a browser knows it."""

    content: bytes
    compressed: bytes
    etag: str
    media_type: str


def read_file(name: str, media_type: str) -> File:
    """That file of static/."""
    content = (files("service") / "static" / name).read_bytes()
    etag = f'W/"{sha256(content).hexdigest()[:20]}"'
    return File(content, gzip.compress(content, mtime=0), etag, media_type)


class Page:
    """Serves the files of static/, read once."""

    def __init__(self, resources: Resources, settings: Settings) -> None:
        self._resources = resources
        self._settings = settings
        self._files = {path: read_file(*named) for path, named in FILES.items()}

    def routes(self) -> list[Route]:
        """The page, its files and its configuration."""
        pages = [self._resources.page(path, self._file) for path in FILES]
        return [*pages, self._resources.page("/config.json", self._config)]

    async def _file(self, request: Request) -> Response:
        file = self._files[request.url.path]
        headers = {
            "Cache-Control": "no-cache",
            "ETag": file.etag,
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": policy(self._gateway_url(request)),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == file.etag:
            return Response(b"", 304, headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(file.content, 200, headers, file.media_type)
        headers["Content-Encoding"] = "gzip"
        return Response(file.compressed, 200, headers, file.media_type)

    async def _config(self, request: Request) -> Response:
        return answer(Config(self._gateway_url(request)))

    def _gateway_url(self, request: Request) -> str:
        if self._settings.gateway_url is not None:
            return self._settings.gateway_url
        return gateway_url(self._settings.gateway_listen, request.headers.get("host", ""))


def gateway_url(gateway: Address, host_header: str) -> str:
    """The gateway's ws:// URL. One that listens everywhere is where the page itself came from."""
    if gateway.host in WILDCARDS:
        host = _HOST.match(host_header)
        if host:
            return f"ws://{host[0]}:{gateway.port}"
    return gateway.url("ws")


def policy(gateway: str) -> str:
    """The Content-Security-Policy of the page."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' {gateway}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )
