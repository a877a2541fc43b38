"""What the jobs of these tests do. Workers import this: the standard library only."""

import os
import time
from pathlib import Path

PATIENCE_S = 60.0


def square_after(gate: str, number: int) -> int:
    """Wait until there is a file *gate*, then return the square of *number*."""
    deadline = time.monotonic() + PATIENCE_S
    while not os.path.exists(gate):  # noqa: PTH110 - a thousand times a second
        if time.monotonic() > deadline:
            message = f"{gate} did not open"
            raise TimeoutError(message)
        time.sleep(0.01)
    return number * number


def variable(gate: str, name: str) -> str:
    """Wait for *gate* and return a variable of the environment."""
    square_after(gate, 0)
    return os.environ[name]


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        """Remember which file."""
        self.canary = str(canary)

    def __reduce__(self) -> tuple[object, ...]:
        """Make whoever loads this write the file."""
        return Path.touch, (Path(self.canary),)


def complain(text: str) -> None:
    """Print a text, and raise it."""
    print(text)  # noqa: T201 - it ends up in logs and mails
    raise ValueError(text)
