"""Cases of endings: kills that end, kills that spare, and what accounting says."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import pytest

from gridmap.backend import Autopsy, Ending, Handle, Killed, SeenState
from gridmap.testing import programs
from gridmap.testing.observation import STRANGERS
from gridmap.testing.rules import Rule, require, under
from gridmap.testing.site import Site, Trials
from gridmap.testing.waiting import eventually, pause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.resources import Resources
    from gridmap.testing.trial import Trial

SILENCE_S: Final = 8 * programs.TICK_S
"""A program that says nothing for as long as this is taken for gone."""
BY_SHELL: Final = 128
"""Added by shells, and so by schedulers that use one, to the number of a signal."""


class EndingCases(Site):
    """What has to be true of kills and of the dead."""

    def test_kill_ends_everything(self, trial: Trial) -> None:
        """The runner and its children are gone after a kill."""
        handles = trial.launch(programs.ticking(trial.place), self.array)
        self._wait_ticks(trial, handles)
        answer = trial.kill(handles)
        require(
            set(answer.values()) == {Killed.KILLED},
            Rule.KILL_ENDS,
            f"running runners were killed, and the answer is {dict(answer)}",
        )
        with under(Rule.KILL_ENDS):
            trial.wait(
                lambda: trial.over(handles), self.kill_within_s, "the end", handles
            )
            self._wait_silence(trial, handles)

    def test_kill_spares_the_others(self, trials: Trials) -> None:
        """Only what is named is ended."""
        trial, other = trials.new("one"), trials.new("another")
        first, *rest = trial.launch(programs.ticking(trial.place), self.array)
        stranger = other.launch(programs.ticking(other.place))
        trial.kill([first])
        trial.wait(lambda: trial.over([first]), self.kill_within_s, "the end", [first])
        pairs = [(trial, rest), (other, stranger)]
        before = [{h: len(run.log(h)) for h in handles} for run, handles in pairs]
        for _ in range(self.polls):
            for run, handles in pairs:
                wrong = {
                    str(handle): state
                    for handle, state in run.states(handles).items()
                    if state is not SeenState.RUNNING
                }
                require(
                    not wrong,
                    Rule.KILL_SPARES_OTHERS,
                    f"{first} was killed, and others are shown as {wrong}",
                )
            pause(self.poll_gap_s)
        for (run, _), sizes in zip(pairs, before, strict=True):
            self._require_growth(run, sizes)

    def test_kill_is_idempotent(self, trial: Trial) -> None:
        """Core kills to be sure, and may do so as often as it likes."""
        handles = trial.launch(programs.ticking(trial.place), self.array)
        for _ in range(3):
            self._kill_fails_nothing(trial, handles)
        trial.wait(lambda: trial.over(handles), self.kill_within_s, "the end", handles)
        self._kill_fails_nothing(trial, handles)

    def test_kill_of_the_finished(self, trial: Trial) -> None:
        """A runner that ended by itself is not harmed by a kill that comes late."""
        ended = trial.launch(programs.gated(trial.place))
        (trial.place / "gate").write_text("exit 0\n")
        trial.wait_over(ended)
        living = trial.launch(programs.ticking(trial.place))
        self._kill_fails_nothing(trial, ended)
        for state in trial.states(living).values():
            require(
                state is SeenState.RUNNING,
                Rule.KILL_SPARES_OTHERS,
                f"a finished runner was killed, and {living} is shown as {state}",
            )

    def test_kill_of_the_unknown(self, trial: Trial) -> None:
        """There is nothing to be done about what never was."""
        answer = trial.kill(STRANGERS)
        require(
            set(answer.values()) == {Killed.GONE},
            Rule.KILL_TWICE,
            f"runners that never were were killed: {dict(answer)}",
        )

    def test_kill_in_the_queue(self, trial: Trial, held: Resources | None) -> None:
        """Runners no longer needed are taken out of the queue."""
        if held is None:
            pytest.skip("override the fixture `held` to test kills in the queue")
        program = trial.program(programs.ticking(trial.place))
        handles = trial.start(trial.batch(program, self.array, resources=held))
        states = trial.states(handles)
        waiting = {SeenState.QUEUED, SeenState.HELD}
        require(
            set(states.values()) <= waiting,
            Rule.VISIBLE_FROM_THE_START,
            f"held runners are shown as {states}",
        )
        answer = trial.kill(handles)
        require(
            set(answer.values()) == {Killed.KILLED},
            Rule.KILL_REACHES_QUEUE,
            f"queued runners were killed: {dict(answer)}",
        )
        with under(Rule.KILL_REACHES_QUEUE):
            trial.wait(
                lambda: trial.over(handles), self.kill_within_s, "the end", handles
            )

    @pytest.mark.parametrize("status", [0, 3], ids=["success", "failure"])
    def test_autopsy_tells_the_status(self, trial: Trial, status: int) -> None:
        """A program that exits is told apart by its status."""
        autopsy = self._autopsy(trial, f"exit {status}")
        require(
            autopsy.exit_status == status and not autopsy.signal,
            Rule.AUTOPSY_TRUE,
            f"a program exited with {status}, and accounting says {autopsy!r}",
        )
        require(
            autopsy.ending in {Ending.ITSELF, None},
            Rule.AUTOPSY_TRUE,
            f"a program ended by itself, and accounting says {autopsy!r}",
        )

    def test_autopsy_tells_the_signal(self, trial: Trial) -> None:
        """A program that a signal ended did not simply exit."""
        autopsy = self._autopsy(trial, "kill -9 $$")
        number = signal.SIGKILL
        require(
            autopsy.signal == number or autopsy.exit_status == BY_SHELL + number,
            Rule.AUTOPSY_TRUE,
            f"a program died of signal {number:d}, and accounting says {autopsy!r}",
        )

    def test_autopsy_tells_of_the_kill(self, trial: Trial) -> None:
        """A runner that was killed is not said to have ended well, or by itself."""
        self._require_accounting(trial)
        (handle,) = trial.launch(programs.ticking(trial.place))
        trial.kill([handle])
        trial.wait(
            lambda: trial.over([handle]), self.kill_within_s, "the end", [handle]
        )
        autopsy = self._account(trial, handle)
        require(
            autopsy.ending in {Ending.PERSON, None},
            Rule.AUTOPSY_TRUE,
            f"a runner was killed, and accounting says {autopsy!r}",
        )
        require(
            autopsy.ending or autopsy.signal or autopsy.exit_status != 0,
            Rule.AUTOPSY_TRUE,
            f"a runner was killed, and accounting makes it a success: {autopsy!r}",
        )

    def test_no_autopsy_of_the_living(self, trial: Trial) -> None:
        """Accounting does not speak before the end, nor of what never was."""
        handles = trial.launch(programs.ticking(trial.place), self.array)
        found = trial.postmortem([*handles, *STRANGERS])
        require(not found, Rule.NO_AUTOPSY_OF_THE_LIVING, f"it says {dict(found)}")

    # What the cases above have in common

    def _kill_fails_nothing(self, trial: Trial, handles: Iterable[Handle]) -> None:
        answer = trial.kill(handles)
        require(
            Killed.FAILED not in answer.values(),
            Rule.KILL_TWICE,
            f"killing once more gives {dict(answer)}",
        )

    def _autopsy(self, trial: Trial, last_words: str) -> Autopsy:
        self._require_accounting(trial)
        (handle,) = trial.launch(programs.gated(trial.place))
        (trial.place / "gate").write_text(f"{last_words}\n")
        trial.wait_over([handle])
        return self._account(trial, handle)

    def _account(self, trial: Trial, handle: Handle) -> Autopsy:
        with under(Rule.AUTOPSY_TRUE):
            found = eventually(
                lambda: trial.postmortem([handle]),
                within_s=self.account_within_s,
                what=f"the autopsy of {handle}",
            )
        require(
            set(found) == {handle},
            Rule.AUTOPSY_TRUE,
            f"asked about {handle}, it speaks of {sorted(map(str, found))}",
        )
        return found[handle]

    def _require_accounting(self, trial: Trial) -> None:
        if not trial.capabilities.accounting:
            pytest.skip("accounting is not declared")

    def _wait_ticks(self, trial: Trial, handles: Iterable[Handle]) -> None:
        def all_speak() -> bool:
            return all(
                {"parent", "child"} <= set(trial.log(handle).split())
                for handle in handles
            )

        what = "all programs and their children to write into their logs"
        trial.wait(all_speak, self.start_within_s, what, handles)

    def _wait_silence(self, trial: Trial, handles: Iterable[Handle]) -> None:
        """Wait until nobody writes into these runners' logs any more."""

        def sizes() -> list[int]:
            return [len(trial.log(handle)) for handle in handles]

        def silent() -> bool:
            before = sizes()
            pause(SILENCE_S)
            return sizes() == before

        eventually(
            silent,
            within_s=self.kill_within_s,
            what="the killed programs and their children to fall silent",
        )

    def _require_growth(self, trial: Trial, before: dict[Handle, int]) -> None:
        """Wait until all these runners' logs have grown."""

        def all_grew() -> bool:
            return all(len(trial.log(h)) > size for h, size in before.items())

        with under(Rule.KILL_SPARES_OTHERS):
            what = "the others to go on writing"
            trial.wait(all_grew, self.end_within_s, what, before)
