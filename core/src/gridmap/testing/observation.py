"""Cases of looking: what is shown of runners that wait, run, end, or never were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from gridmap.backend import Handle, Observed, Rejected, SeenState
from gridmap.programs import Answer, NoAnswer
from gridmap.testing import programs
from gridmap.testing.rules import Rule, require
from gridmap.testing.site import Site
from gridmap.testing.trial import ENDED_OR_ABSENT, Trial
from gridmap.testing.waiting import pause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gridmap.resources import Resources

STRANGERS: Final = frozenset({Handle("99999999"), Handle("99999999", "1")})
"""Handles that no scheduler has given out, in the form most of them have."""

NEW_WORDS: Final = ("zwirbelgockel", "100% of {these} (are): odd, [1-3] \\d", "ä\nb")
"""What no scheduler has said yet; to patterns and formats some of it means something."""

TROUBLES: Final = (
    NoAnswer(text="the program is not there", started=False),
    NoAnswer(text="no answer in time", started=True),
    Answer(status=1, errors="unable to contact the scheduler"),
    Answer(status=0, output="<html>502 Bad Gateway</html>\n"),
)
"""What becomes of a scheduler's programs when it is in trouble, or a wrapper's is."""


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

    def test_trouble_is_no_news(self, trial: Trial) -> None:
        """A scheduler that cannot be asked has ended nobody."""
        handles = trial.launch(programs.ticking(trial.place), self.array)
        for reply in TROUBLES:
            with trial.line.broken(reply):
                answer = trial.observe_once(handles)
                found = trial.found()
            said = f"where its programs say {reply.words!r}"
            seen = answer.seen if isinstance(answer, Observed) else {}
            over = isinstance(answer, Observed) and any(
                h not in seen or seen[h].state is SeenState.ENDED for h in handles
            )
            require(
                not over,
                Rule.TROUBLE_IS_NO_NEWS,
                f"{said}, observe says of runners that run: {answer!r}",
            )
            require(
                found is None or found.keys() >= set(handles),
                Rule.TROUBLE_IS_NO_NEWS,
                f"{said}, attach finds {found!r}, and {self.array} runners live",
            )

    def test_asking_about_nobody(self, trial: Trial) -> None:
        """An empty question has an empty answer, whoever runs meanwhile."""
        trial.launch(programs.ticking(trial.place))
        answer = trial.observe([])
        require(
            not answer.seen and not answer.absent,
            Rule.ANSWERS_WHAT_WAS_ASKED,
            f"asked about nobody, it says {answer!r}",
        )

    def test_refusals_are_explained(
        self, trial: Trial, nonsense: Mapping[str, Any]
    ) -> None:
        """What is said of the scheduler's refusal says the refusal, too."""
        batch = msgspec.structs.replace(trial.batch(("/bin/true",)), **nonsense)
        answers = trial.submit(batch).values()
        self._check_words(trial, [a.text for a in answers if isinstance(a, Rejected)])

    def test_new_words_are_passed_on(self, trial: Trial) -> None:
        """The next version of a scheduler has reasons that this one has not."""
        self._check_words(trial, NEW_WORDS)

    def test_waiting_is_explained(self, trial: Trial, held: Resources | None) -> None:
        """What is said of a runner that waits says the scheduler's reason, too."""
        if held is None:
            pytest.skip("override the fixture `held` to test reasons for waiting")
        program = trial.program(programs.ticking(trial.place))
        handles = trial.start(trial.batch(program, resources=held))
        seen = trial.observe(handles).seen.values()
        self._check_words(trial, [one.reason for one in seen if one.reason])

    def _check_words(self, trial: Trial, said: Iterable[str]) -> None:
        for words in said:
            reason = trial.explain(words).reason
            require(
                words.strip() in reason,
                Rule.EXPLANATIONS_ADD,
                f"asked what {words!r} means, it gives the reason {reason!r}",
            )
