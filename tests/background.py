"""A map in a thread of its own, so that a test can do it harm meanwhile."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from gridmap import grid_map

T = TypeVar("T")


class BackgroundMap:
    """A map that runs while the test goes on.

    Attributes:
        events: What observers were told so far.
    """

    def __init__(
        self, function: Callable[..., Any], inputs: Iterable[Any], **options: Any
    ) -> None:
        """Start it.

        Args:
            function: As for `grid_map`.
            inputs: Likewise.
            options: Likewise.
        """
        self.events: list[Any] = []
        self._result: Any = None
        self._thread = threading.Thread(
            target=self._run, args=(function, inputs, options), daemon=True
        )
        self._thread.start()

    def _run(
        self,
        function: Callable[..., Any],
        inputs: Iterable[Any],
        options: dict[str, Any],
    ) -> None:
        try:
            self._result = grid_map(
                function, inputs, progress=self.events.append, **options
            )
        except Exception as error:  # noqa: BLE001 - it is what is looked at
            self._result = error

    def of(self, kind: type[T]) -> list[T]:
        """Return the events of one kind so far."""
        return [event for event in list(self.events) if isinstance(event, kind)]

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return not self._thread.is_alive()

    def wait(self, within_s: float = 25.0) -> Any:
        """Return its results, or the exception it raised."""
        self._thread.join(within_s)
        assert not self._thread.is_alive(), f"not over in {within_s:g} s: {self.events}"
        return self._result
