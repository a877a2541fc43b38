"""Cases of looking: what is shown of runners that wait, run, end, or never were."""

from __future__ import annotations

from typing import Final

from gridmap.backend import Handle, SeenState
from gridmap.testing import programs
from gridmap.testing.rules import Rule, require
from gridmap.testing.site import Site
from gridmap.testing.trial import ENDED_OR_ABSENT, Trial
from gridmap.testing.waiting import pause

STRANGERS: Final = frozenset({Handle("99999999"), Handle("99999999", "1")})
"""Handles that no scheduler has given out, in the form most of them have."""


class ObservationCases(Site):
    """What has to be true of every answer about runners."""

    def test_running_stays_running(self, trial: Trial) -> None:
        """No poll declares a living runner dead."""
        handles = trial.launch(programs.ticking(trial.place), self.array)
        for poll in range(1, self.polls + 1):
            for handle, state in trial.states(handles).items():
                require(
                    state is SeenState.RUNNING,
                    Rule.RUNNING_STAYS_RUNNING,
                    f"at poll {poll}, {handle} runs and is shown as "
                    f"{state.value if state else 'absent'}",
                )
            pause(self.poll_gap_s)

    def test_end_is_seen_and_final(self, trial: Trial) -> None:
        """What is over is shown to be over, and stays so."""
        handles = trial.launch(programs.gated(trial.place), self.array)
        (trial.place / "gate").write_text("exit 0\n")
        trial.wait_over(handles)
        for _ in range(self.polls):
            trial.states(handles)
            pause(self.poll_gap_s)

    def test_failure_stays_failure(self, trial: Trial) -> None:
        """A program that fails is over just as one that succeeds."""
        handles = trial.launch(programs.gated(trial.place))
        (trial.place / "gate").write_text("exit 3\n")
        trial.wait_over(handles)
        for _ in range(self.polls):
            trial.states(handles)
            pause(self.poll_gap_s)

    def test_unknown_handles_are_absent(self, trial: Trial) -> None:
        """Never having heard of a runner is no news of its end."""
        answer = trial.observe(STRANGERS)
        require(
            answer.absent == STRANGERS,
            Rule.UNKNOWN_IS_ABSENT,
            f"asked about runners that never were, it says {answer!r}",
        )

    def test_mixed_handles_are_told_apart(self, trial: Trial) -> None:
        """One query about living, dead and unknown runners answers for each."""
        ended = trial.launch(programs.gated(trial.place))
        (trial.place / "gate").write_text("exit 0\n")
        trial.wait_over(ended)
        living = trial.launch(programs.ticking(trial.place), self.array)
        for _ in range(self.polls):
            states = trial.states([*living, *ended, *STRANGERS])
            wrong = {h: states[h] for h in living if states[h] is not SeenState.RUNNING}
            require(
                not wrong,
                Rule.UNKNOWN_IS_ABSENT,
                f"asked together with unknown ones, running ones are shown as {wrong}",
            )
            wrong = {h: states[h] for h in STRANGERS if states[h] is not None}
            require(not wrong, Rule.UNKNOWN_IS_ABSENT, f"shown as {wrong}")
            wrong = {h: states[h] for h in ended if states[h] not in ENDED_OR_ABSENT}
            require(not wrong, Rule.END_IS_FINAL, f"shown as {wrong}")
            pause(self.poll_gap_s)

    def test_asking_about_nobody(self, trial: Trial) -> None:
        """An empty question has an empty answer, whoever runs meanwhile."""
        trial.launch(programs.ticking(trial.place))
        answer = trial.observe([])
        require(
            not answer.seen and not answer.absent,
            Rule.ANSWERS_WHAT_WAS_ASKED,
            f"asked about nobody, it says {answer!r}",
        )
