"""What the suite has to know of a site; everything here can be overridden."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from gridmap.plugins import InstalledBackend, installed
from gridmap.resources import Resources
from gridmap.testing.trial import Bounds, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Site:
    """Attributes and fixtures that a plugin's author may override.

    Attributes:
        backend: What users write in ``backend=``.
        start_within_s: How long the scheduler may take from submission to start.
        end_within_s: From a program's end until the scheduler shows it.
        kill_within_s: From a kill until everything is gone.
        account_within_s: From a program's end until accounting knows.
        polls: How often a state that must not change is looked at.
        poll_gap_s: Seconds between these looks.
        array: Runners in the arrays the tests start.
        largest_array_tried: Arrays beyond this are not tried, whatever is declared.
    """

    backend: str = ""
    start_within_s: float = 10.0
    end_within_s: float = 10.0
    kill_within_s: float = 10.0
    account_within_s: float = 10.0
    polls: int = 10
    poll_gap_s: float = 0.02
    array: int = 3
    largest_array_tried: int = 64

    def find_backend(self) -> InstalledBackend:
        """Return the backend under test."""
        return installed().find(self.backend)

    @pytest.fixture
    def resources(self) -> Resources:
        """What runners ask for: something this site starts at once."""
        return Resources()

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """Return an empty directory that this machine and the nodes share."""
        return tmp_path

    @pytest.fixture
    def nonsense(self) -> Mapping[str, Any]:
        """Fields of a `Batch` that make the scheduler refuse it for good."""
        return {"resources": Resources(queue="gridmap-no-such-queue")}

    @pytest.fixture
    def held(self) -> Resources | None:
        """What a runner asks for that is to stay in the queue; None: cannot be had."""
        return None

    @pytest.fixture
    def trials(self, place: Path, resources: Resources) -> Iterator[Trials]:
        """Make runs; they are finished afterwards."""
        bounds = Bounds(
            start_s=self.start_within_s,
            end_s=self.end_within_s,
            kill_s=self.kill_within_s,
            account_s=self.account_within_s,
        )
        made = Trials(self.find_backend(), place, resources, bounds)
        with contextlib.ExitStack() as stack:
            made.finishing = stack
            yield made

    @pytest.fixture
    def trial(self, trials: Trials) -> Trial:
        """Make one run."""
        return trials.new()


class Trials:
    """Makes runs, each with directories of its own."""

    def __init__(
        self,
        installed: InstalledBackend,
        place: Path,
        resources: Resources,
        bounds: Bounds,
    ) -> None:
        self.installed = installed
        self.place = place
        self.resources = resources
        self.bounds = bounds
        self.finishing = contextlib.ExitStack()

    def new(self, name: str = "trial") -> Trial:
        """Make a run in the directory of this name."""
        place = self.place / name
        trial = Trial(self.installed, place, self.resources, self.bounds)
        self.finishing.callback(trial.finish)
        return trial

    def again(self, earlier: Trial) -> Trial:
        """Take up an earlier run with a fresh instance, as after a restart."""
        trial = earlier.again()
        self.finishing.callback(trial.finish)
        return trial
