"""What a gateway's log gives as the reason of a socket's end, for the checker."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime

from tests.chaos.checker import Excuse


def excuses(logs: Mapping[str, str]) -> Iterator[Excuse]:
    """An excuse for each socket that a gateway has cut, and said so."""
    offset_s = time.monotonic() - time.time()
    for gateway, log in logs.items():
        for line in log.splitlines():
            if '"socket cut"' in line:
                said = json.loads(line)
                at_s = datetime.fromisoformat(said["timestamp"]).timestamp() + offset_s
                yield Excuse(gateway, at_s, at_s, str(said["reason"]))
