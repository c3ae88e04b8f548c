"""Which gateway, poller, client or user of a world a step of a plan means."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias
from uuid import UUID

from tests.chaos.client import Client
from tests.chaos.machines import Gateway, Poller
from tests.chaos.nemesis import Step
from tests.chaos.world import World

Move: TypeAlias = Callable[[World, Step], AbstractAsyncContextManager[None]]


def gateway(world: World, step: Step) -> Gateway:
    """One of the gateways."""
    return world.gateways[step.chosen(len(world.gateways))]


def poller(world: World, step: Step) -> Poller:
    """One of the pollers."""
    return world.pollers[step.chosen(len(world.pollers))]


def client(world: World, step: Step) -> Client:
    """One of the clients, newcomers among them."""
    return world.clients[step.chosen(len(world.clients))]


def user(world: World, step: Step) -> UUID:
    """One of the users."""
    return world.users[step.chosen(len(world.users))]
