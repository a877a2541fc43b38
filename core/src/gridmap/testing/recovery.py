"""Cases of what outlives a process: requeue, fresh instances, attach, close."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from gridmap.backend import Resubmitted, SeenState
from gridmap.testing import programs
from gridmap.testing.leftovers import holdings
from gridmap.testing.rules import Rule, broken, require, under
from gridmap.testing.site import Site, Trials
from gridmap.testing.waiting import eventually
from gridmap.verdict import Cause

if TYPE_CHECKING:
    from pathlib import Path

    from gridmap.testing.trial import Trial


class RecoveryCases(Site):
    """What has to be true after something or somebody was lost."""

    def test_requeue_in_place(self, trial: Trial) -> None:
        """Requeue does what was declared, and nothing is claimed that was not."""
        (handle,) = trial.launch(programs.ticking(trial.place))
        answer = trial.resubmit(handle, Cause.PREEMPTED, 2)
        in_place = isinstance(answer, Resubmitted) and answer.in_place
        if not trial.capabilities.requeue:
            require(
                not in_place,
                Rule.REQUEUE_AS_DECLARED,
                f"requeue is not declared, and the answer is {answer!r}",
            )
            return
        require(
            in_place and isinstance(answer, Resubmitted) and answer.handle == handle,
            Rule.REQUEUE_AS_DECLARED,
            f"requeue is declared, and the answer for {handle} is {answer!r}",
        )
        with under(Rule.REQUEUE_AS_DECLARED):
            trial.wait(
                lambda: trial.started() == 2,  # noqa: PLR2004 - before and after
                self.start_within_s + self.end_within_s,
                "the second start",
                [handle],
            )
            trial.wait(
                lambda: trial.states([handle])[handle] is SeenState.RUNNING,
                self.start_within_s,
                "it to be shown as running",
                [handle],
            )

    def test_handles_outlive_the_instance(self, trials: Trials) -> None:
        """The journal keeps handles; another process must be able to use them."""
        trial = trials.new()
        handles = trial.launch(programs.ticking(trial.place), self.array)
        fresh = trials.again(trial)
        wrong = {
            str(handle): state
            for handle, state in fresh.states(handles).items()
            if state is not SeenState.RUNNING
        }
        require(not wrong, Rule.HANDLES_OUTLIVE_US, f"a fresh instance shows {wrong}")
        fresh.kill(handles)
        with under(Rule.HANDLES_OUTLIVE_US):
            fresh.wait(
                lambda: fresh.over(handles), self.kill_within_s, "the end", handles
            )

    def test_attach_finds_all_and_only_ours(self, trials: Trials) -> None:
        """After the user's process died, its runners are found, and no others."""
        trial, other = trials.new("one"), trials.new("another")
        self._require_attach(trial)
        ended = trial.launch(programs.gated(trial.place))
        (trial.place / "gate").write_text("exit 0\n")
        trial.wait_over(ended)
        ours = set(trial.launch(programs.ticking(trial.place), self.array))
        theirs = set(other.launch(programs.ticking(other.place), 1))
        for run, expected, name in ((trial, ours, "one"), (other, theirs, "another")):
            found = trials.again(run).attach()
            missing = expected - set(found)
            require(
                not missing,
                Rule.ATTACH_FINDS_OURS,
                f"run {name}: {sorted(map(str, missing))} live and are not found",
            )
            foreign = set(found) & (theirs if run is trial else ours)
            require(
                not foreign,
                Rule.ATTACH_FINDS_ONLY_OURS,
                f"run {name}: {sorted(map(str, foreign))} belong to another run",
            )
            extra = set(found) - expected
            require(
                not extra,
                Rule.ATTACH_FINDS_OURS,
                f"run {name}: {sorted(map(str, extra))} do not live",
            )

    def test_close_leaves_nothing(
        self, trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the run this process holds what it held before."""
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        other = trials.new("another")
        stranger = other.launch(programs.ticking(other.place))
        trials.new("warm-up").close()  # what is made once a process and kept is no leak
        before = holdings()
        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        monkeypatch.setenv("TMPDIR", str(scratch))
        trial = trials.new("closed")
        trial.observe(trial.launch(programs.ticking(trial.place), self.array))
        trial.finish()

        def leak() -> list[str]:
            return [
                *holdings().beyond(before),
                *(f"temporary file {path}" for path in scratch.iterdir()),
            ]

        try:
            eventually(
                lambda: not leak(), within_s=self.end_within_s, what="nothing left over"
            )
        except AssertionError:
            broken(Rule.CLOSE_LEAVES_NOTHING, "; ".join(leak()))
        states = other.states(stranger)
        require(
            set(states.values()) == {SeenState.RUNNING},
            Rule.CLOSE_LEAVES_NOTHING,
            f"one run was closed, and another's runners are shown as {states}",
        )

    def _require_attach(self, trial: Trial) -> None:
        if not hasattr(trial.object, "gridmap_attach"):
            pytest.skip("gridmap_attach is not implemented")
