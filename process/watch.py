"""How a process stands in the world of processes: it hears, it can be heard, it says that it lives.

Wires one Listener and one Lookout together and into the process's metrics. `problems` keep any
process from its work; `unwatched` keeps changes from the feed, and what that means for readiness
each process's health page decides; `warnings` only delay.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata
from uuid import uuid4

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from db.hearing import State
from db.listener import Listener
from db.lookout import Lookout, Member, Report
from process import systemd

__all__ = ["Report", "Watch"]

ECHO_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
HEARS = (State.LISTENING, State.SUSPECT)


class Watch:
    """`kind` is gateway, poller or service; the rest is as db/listener.py has it."""

    def __init__(
        self,
        kind: str,
        dsn: str,
        channels: Sequence[str],
        *,
        on_ring: Callable[[str, str], None],
        on_listening: Callable[[], Awaitable[None]],
        registry: CollectorRegistry,
    ) -> None:
        member = Member(
            uuid4(), kind, socket.gethostname(), os.getpid(), metadata.version("sonnette")
        )
        echo = Histogram(
            "sonnette_canary_seconds",
            "From sending a canary to hearing it on the listening connection",
            buckets=ECHO_BUCKETS_S,
            registry=registry,
        )
        self.listener = Listener(
            dsn,
            channels,
            application_name=f"sonnette {kind} listener",
            on_ring=on_ring,
            on_listening=on_listening,
            on_echo=echo.observe,
            process=member.id,
        )
        self._report: Callable[[], Report] = Report
        self.lookout = Lookout(dsn, self.listener, member, self._beat)
        registry.register(_Counts(self.listener, self.lookout))
        self._gauges(registry)

    async def run(self, report: Callable[[], Report]) -> None:
        """Listen and look out until cancelled; `report` is what sonnette.processes shows."""
        self._report = report
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.listener.run())
            tasks.create_task(self.lookout.run(report))

    def _beat(self) -> None:
        # The watchdog is fed by the loop that asks the process how it fares, and by no timer.
        systemd.alive(list(self._report().problems))

    async def until_drained(self) -> None:
        """Return once an operator wants this process to end."""
        await self.lookout.drains.wait()

    @property
    def problems(self) -> list[str]:
        """Why it does not hear, or does not know whether it does; and what moves no money."""
        found = list(self.lookout.unguarded)
        if self.listener.problem is not None:
            found.append(f"not listening: {self.listener.problem}")
        elif self.lookout.problem is not None:
            found.append(f"whether it hears is not known: {self.lookout.problem}")
        return found

    @property
    def unwatched(self) -> Sequence[str]:
        """Triggers and tables without which changes get no number."""
        return self.lookout.unwatched

    @property
    def warnings(self) -> list[str]:
        """What delays changes and loses none."""
        return [] if self.lookout.crowded is None else [self.lookout.crowded]

    def _gauges(self, registry: CollectorRegistry) -> None:
        listening = Gauge(
            "sonnette_listening", "1 while the listening connection hears", registry=registry
        )
        listening.set_function(lambda: self.listener.hearing.state in HEARS)
        missing = Gauge(
            "sonnette_triggers_missing",
            "Triggers and watched tables that are not as they must be",
            registry=registry,
        )
        missing.set_function(lambda: len(self.lookout.unwatched) + len(self.lookout.unguarded))
        usage = Gauge(
            "sonnette_notify_queue_usage",
            "How full the notify queue of the database server is, 0 to 1",
            registry=registry,
        )
        usage.set_function(lambda: self.lookout.queue_usage)


class _Counts(Collector):
    """What listener and lookout count by themselves, as it is at each scrape."""

    def __init__(self, listener: Listener, lookout: Lookout) -> None:
        self._listener = listener
        self._lookout = lookout

    def collect(self) -> list[CounterMetricFamily]:
        hearing = self._listener.hearing
        return [
            CounterMetricFamily(
                "sonnette_deaf",
                "Listening connections cut because no canary came back",
                value=hearing.times_deaf,
            ),
            CounterMetricFamily(
                "sonnette_listens", "How often this process began to listen", value=hearing.connects
            ),
            CounterMetricFamily(
                "sonnette_rings_skipped",
                "Rings that the database left out because the notify queue was over half full",
                value=self._lookout.rings_skipped or 0,
            ),
        ]
