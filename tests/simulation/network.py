"""Nodes, and connections from them to the monitor that keep order or break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.monitor import SimMonitor
    from tests.simulation.process import SimRunner  # noqa: TC004 - nobody resolves it


@attrs.define
class Clock:
    """A machine's clocks, which agree with no other's.

    Attributes:
        world: The time they are about.
        offset: What the monotonic one shows at time 0, seconds.
        rate: How many seconds it goes on in a true one.
        wrong: By how many seconds its wall clock is ahead.
        stopped_at: Since when it does not go on; None if it goes.
    """

    world: World
    offset: float = 0.0
    rate: float = 1.0
    wrong: float = 0.0
    stopped_at: float | None = None

    @property
    def now(self) -> float:
        """What the monotonic clock shows."""
        at = self.world.now if self.stopped_at is None else self.stopped_at
        return self.offset + self.rate * at

    def stop(self, seconds: float) -> None:
        """Stop it for a while, as that of a virtual machine that is paused."""
        if self.stopped_at is not None:
            return
        before = self.stopped_at = self.world.now

        def go_on() -> None:
            self.stopped_at = None
            self.offset -= self.rate * (self.world.now - before)

        self.world.after(seconds, go_on)


@attrs.define(eq=False)
class Node:
    """A machine.

    Attributes:
        name: Its name.
        clock: Its clocks.
        slots: How many runners fit on it.
        alive: Whether it has power.
        cable: Whether its cable is plugged in.
        broken: Whether gridmap is missing on it.
        gone: Whether it lost power for good.
        processes: Runners on it.
    """

    name: str
    clock: Clock
    slots: int
    alive: bool = True
    cable: bool = True
    broken: bool = False
    gone: bool = False
    processes: list[SimRunner] = attrs.field(factory=list)

    @property
    def free(self) -> bool:
        """Whether a runner could be started here."""
        works = self.alive and self.cable and self.clock.stopped_at is None
        return works and len(self.processes) < self.slots


class Line:
    """One direction of a connection: in order, late, and cut off at some message.

    A wild one is no TCP connection: it also brings messages twice, or swaps them.
    """

    def __init__(
        self, world: World, node: Node, deliver: Callable[..., None], wild: float
    ) -> None:
        self._world = world
        self._wild = wild
        self._node = node
        self._deliver = deliver
        self._last = 0.0
        self._sent = self._arrived = 0
        self._cut: int | None = None
        self._held: list[tuple[Any, ...]] = []

    def send(self, *message: Any) -> None:
        """Put a message on its way."""
        if self._cut is not None:
            return
        if not self._node.cable:
            self._held.append(message)
            return
        self._sent += 1
        self._send(self._sent, message)

    def _send(self, number: int, message: tuple[Any, ...]) -> None:
        world = self._world
        late = 0.0 if world.chance(0.95) else world.between(0, 3)
        at = max(self._last, world.now + world.between(0.0002, 0.003) + late)
        self._last = at

        def arrive() -> None:
            if self._cut is None or number <= self._cut:
                self._arrived = max(number, self._arrived)
                self._deliver(*message)

        world.after(at - world.now, arrive)
        if self._wild and number > 1 and world.chance(self._wild):
            world.after(at - world.now + world.random.choice([0, 0.1, 5]), arrive)

    def plugged_in(self) -> None:
        """Send what the cable's absence held up."""
        held, self._held = self._held, []
        for message in held:
            self.send(*message)

    def cut(self, *, gently: bool = False) -> float:
        """End it; what is under way arrives up to some message.

        Args:
            gently: Whether all that was sent still arrives.

        Returns:
            How long the last of it is still under way, seconds.
        """
        if self._cut is None:
            last = self._sent
            if not gently:
                last = self._world.random.randint(self._arrived, self._sent)
            self._cut = last
        return max(0.0, self._last - self._world.now)


class Connection:
    """A runner's connection to the monitor."""

    def __init__(
        self, world: World, runner: SimRunner, monitor: SimMonitor, wild: float
    ) -> None:
        self.world = world
        self.runner = runner
        self.monitor = monitor
        self.peer = runner.peer
        self.broken = False
        node = runner.node
        self.up = Line(world, node, self._to_monitor, wild)
        self.down = Line(world, node, self._to_runner, wild)

    def _to_monitor(self, data: bytes, parcels: Any) -> None:
        self.monitor.arrive(self, data, parcels)

    def _to_runner(self, data: bytes) -> None:
        if self.runner.connection is self:
            self.runner.arrive(data)

    def close(self) -> None:
        """End it in order: what was said arrives, and then the end is known."""
        self._end(hint=True, gently=True)

    def tear(self, *, hint: bool = True) -> None:
        """Break it; both ends notice, soon or late, or the monitor does not."""
        self._end(hint=hint, gently=False)

    def _end(self, *, hint: bool, gently: bool) -> None:
        if self.broken:
            return
        self.broken = True
        world = self.world
        wait = self.up.cut(gently=gently)
        self.down.cut()
        if hint:
            soon = 0.0 if world.chance(0.8) else world.between(0, 10)
            world.after(wait + 0.001 + soon, lambda: self.monitor.hang_up(self))
        noticed = world.between(0, 0.01) if world.chance(0.7) else world.between(0, 8)
        world.after(noticed, lambda: self.runner.hung_up(self))

    def plugged_in(self) -> None:
        """The cable is back before anybody noticed."""
        self.up.plugged_in()
        self.down.plugged_in()
