"""Figures of several rounds, and how ours stand to the peers'."""

import statistics
import sys
from collections.abc import Iterator, Mapping


def compare(ours: float, theirs: float, target: float, *, more: bool) -> str:
    """Return our ratio to a peer's figure, and whether it is what it should be.

    Args:
        ours: Our figure.
        theirs: The peer's.
        target: The ratio that is aimed at.
        more: Whether more is better.
    """
    ratio = ours / theirs
    met = ratio >= target if more else ratio <= target
    sign = ">=" if more else "<="
    return (
        f"{ratio:8.2f} x  (target {sign} {target:g} x: {'met' if met else 'NOT MET'})"
    )


class Rounds:
    """Figures of several rounds, in which the contenders take turns."""

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = {}

    def add(self, name: str, figure: float) -> None:
        """Take in a figure of one round."""
        self._figures.setdefault(name, []).append(figure)

    def __contains__(self, name: str) -> bool:
        return name in self._figures

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __getitem__(self, name: str) -> float:
        """Return the median of a contender's rounds."""
        return statistics.median(self._figures[name])

    def print(
        self,
        ours: str,
        targets: Mapping[str, float],
        unit: str,
        *,
        more: bool,
    ) -> None:
        """Print all medians, and our ratio to each that there is a target for."""
        for name in self:
            said = ""
            if name in targets:
                said = compare(self[ours], self[name], targets[name], more=more)
            print(f"    {name:30} {self[name]:12,.2f} {unit:5} {said}")
        sys.stdout.flush()
