"""Just enough of RFC 6455 for a client that must cost next to nothing: pure, bytes in, frames out.

No fragments, no extensions, no compression: the gateway sends none.
"""

import struct
from collections.abc import Iterator

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_FIN = 0x80
_MASKED = 0x80
_NO_MASK = bytes(4)  # section 5.3 wants it unpredictable, against proxies; there is none here


def upgrade_request(host: str, path: str) -> bytes:
    """The opening handshake of section 4.1."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame, section 5.2: masked, by a mask that changes nothing."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", _FIN | opcode, _MASKED | size)
    elif size < 65_536:
        head = struct.pack("!BBH", _FIN | opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _FIN | opcode, _MASKED | 127, size)
    return head + _NO_MASK + payload


class Frames:
    """Collects what a server sends and gives the complete frames."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(opcode, payload) of each frame that is complete with `data`."""
        self._rest += data
        while (found := _first(self._rest)) is not None:
            opcode, begin, end = found
            payload, self._rest = self._rest[begin:end], self._rest[end:]
            yield opcode, payload


def _first(data: bytes) -> tuple[int, int, int] | None:
    """Opcode, begin and end of the payload of a complete frame at the start of `data`."""
    if len(data) < 2:
        return None
    size, begin = data[1], 2
    if size >= 126:
        begin = 4 if size == 126 else 10
        if len(data) < begin:
            return None
        size = int.from_bytes(data[2:begin])
    return (data[0] & 0x0F, begin, begin + size) if len(data) >= begin + size else None
