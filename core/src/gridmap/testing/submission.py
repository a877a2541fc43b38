"""Cases of starting: what arrives, what comes back, and who the runners are."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap.backend import Handle, Rejected
from gridmap.plugins import identify
from gridmap.testing import programs
from gridmap.testing.rules import Rule, broken, require, under
from gridmap.testing.site import Site, Trials

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from gridmap.resources import Resources
    from gridmap.testing.trial import Trial

ODD_WORDS: Final = (
    "two words", "", "'single'", '"double"', "$HOME", "${HOME}", "`id`", "$(id)",
    "back\\slash", "100%", "%j", "%%", "*", "~", "a;b", "a&b", "a|b", "<a>", "#a", "!a",
    "a,b", "a=b", "-x", "--", "tab\tstop", "new\nline", "trailing\n", " space ",
    "naïve ☃", "(a)", "[a]", "{a,b}", "\\n", "''", "@",
)  # fmt: skip
"""Texts that some layer between us and a node takes for something else."""

ODD_DIRECTORY: Final = 'it\'s 5% "odd" $HOME ünd so'
CLOCK_TOLERANCE_S: Final = 120
WALLTIME_S: Final = 1800


class SubmissionCases(Site):
    """What has to be true of runners that were just started."""

    def test_each_runner_gets_a_handle(self, trial: Trial) -> None:
        """One batch, n handles, n programs."""
        batch = trial.batch(trial.program(programs.gated(trial.place)), self.array)
        answer = trial.submit(batch)
        handles = list(answer.values())
        for handle in handles:
            if isinstance(handle, Rejected):
                broken(Rule.ONE_HANDLE_EACH, f"a plain batch got {handle!r}")
            self._check_texts(handle)
        require(
            len(set(handles)) == self.array,
            Rule.ONE_HANDLE_EACH,
            f"{self.array} runners got {handles}",
        )
        require(
            set(answer) == set(batch.runners),
            Rule.ONE_HANDLE_EACH,
            f"asked for runners {batch.runners}, answered for {sorted(answer)}",
        )
        with under(Rule.ONE_HANDLE_EACH):
            trial.wait(
                lambda: trial.started() >= self.array,
                self.start_within_s,
                f"{self.array} programs to start",
                trial.handles,
            )
        (trial.place / "gate").write_text("exit 0\n")
        trial.wait_over(trial.handles)
        require(
            trial.started() == self.array,
            Rule.ONE_HANDLE_EACH,
            f"{self.array} runners were asked for, {trial.started()} were started",
        )

    def _check_texts(self, handle: Handle) -> None:
        texts: list[object] = (
            [handle.job] if handle.task is None else [handle.job, handle.task]
        )
        require(
            all(isinstance(text, str) and text for text in texts),
            Rule.ONE_HANDLE_EACH,
            f"{handle!r} is not made of texts",
        )
        bad = [c for c in str(handle) if c == "/" or c.isspace() or not c.isprintable()]
        require(not bad, Rule.ONE_HANDLE_EACH, f"{handle!r} holds {bad}")

    def test_arguments_arrive(self, trial: Trial) -> None:
        """No layer on the way takes an argument apart."""
        with under(Rule.COMMAND_ARRIVES):
            (report,) = self._witness(trial, *ODD_WORDS)
        require(
            report["arguments"] == list(ODD_WORDS),
            Rule.COMMAND_ARRIVES,
            _difference(ODD_WORDS, report["arguments"]),
        )

    def test_environment_arrives(self, trial: Trial) -> None:
        """Variables have the values they were given."""
        values = {f"GRIDMAP_ODD_{n}": word for n, word in enumerate(ODD_WORDS)}
        with under(Rule.ENVIRONMENT_ARRIVES):
            (report,) = self._witness(trial, environment=values)
        arrived = report["environment"]
        wrong = {
            name: (value, arrived.get(name))
            for name, value in values.items()
            if arrived.get(name) != value
        }
        require(
            not wrong,
            Rule.ENVIRONMENT_ARRIVES,
            f"set and arrived differ: {wrong}",
        )

    def test_odd_environment_is_harmless(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The shell functions that environment modules export do no harm."""
        monkeypatch.setenv("BASH_FUNC_gridmap_odd%%", "() {  echo odd\n}")
        monkeypatch.setenv("GRIDMAP_ODD_LINES", "a=b\n'c\n\"d\n")
        values = {"GRIDMAP_PLAIN": "plain"}
        with under(Rule.ODD_ENVIRONMENT_HARMLESS):
            (report,) = self._witness(trial, environment=values)
        require(
            report["environment"].get("GRIDMAP_PLAIN") == "plain",
            Rule.ODD_ENVIRONMENT_HARMLESS,
            "a plain variable of the batch did not arrive",
        )

    def test_working_directory(self, trial: Trial) -> None:
        """The runner starts where it was told to."""
        with under(Rule.DIRECTORY_KEPT):
            (report,) = self._witness(trial)
        here = str(trial.work.resolve())
        require(
            report["directory"] == here,
            Rule.DIRECTORY_KEPT,
            f"asked for {here!r}, started in {report['directory']!r}",
        )

    def test_odd_paths(self, trials: Trials) -> None:
        """Users' directories have the names they have."""
        trial = trials.new(ODD_DIRECTORY)
        with under(Rule.ODD_PATHS_WORK):
            (report,) = self._witness(trial)
            handle = Handle(*report["handle"])
            trial.wait_over([handle])
        here = str(trial.work.resolve())
        require(
            report["directory"] == here,
            Rule.ODD_PATHS_WORK,
            f"asked for {here!r}, started in {report['directory']!r}",
        )
        self._check_log_exists(trial, handle, Rule.ODD_PATHS_WORK)

    def _check_log_exists(self, trial: Trial, handle: Handle, rule: Rule) -> None:
        path = trial.context.logs / f"{handle}.log"
        files = sorted(file.name for file in trial.context.logs.iterdir())
        require(
            path.is_file(), rule, f"there is no {path}; its directory holds {files}"
        )

    def test_output_is_in_the_log(self, trial: Trial) -> None:
        """Each runner's two streams are in one file that has its name."""
        # Each program says the name of a file that it alone has made.
        text = programs.running(
            trial.place, 'echo "out $started"; echo "err $started" >&2'
        )
        handles = trial.start(trial.batch(trial.program(text), self.array))
        trial.wait(
            lambda: trial.started() >= self.array, self.start_within_s, "start", handles
        )
        trial.wait_over(handles)
        speakers = []
        for handle in handles:
            self._check_log_exists(trial, handle, Rule.OUTPUT_IN_LOG)
            lines = self._spoken(trial, handle)
            require(
                sorted(word for word, _ in lines) == ["err", "out"]
                and len({name for _, name in lines}) == 1,
                Rule.OUTPUT_IN_LOG,
                f"one program printed `out …` and `err …`, and {handle}.log holds "
                f"{trial.log(handle)!r}",
            )
            speakers.append(lines[0][1])
        require(
            len(set(speakers)) == len(handles),
            Rule.OUTPUT_IN_LOG,
            f"one program's output is in the logs of several runners: {speakers}",
        )

    def _spoken(self, trial: Trial, handle: Handle) -> list[tuple[str, str]]:
        """Return what the program said, as pairs of stream and name."""

        def lines() -> list[tuple[str, str]]:
            pairs = [line.partition(" ") for line in trial.log(handle).splitlines()]
            return [(word, name) for word, _, name in pairs if word in {"out", "err"}]

        # A shared directory may show the end of a file later than that of its writer.
        with contextlib.suppress(AssertionError):
            trial.wait(lambda: len(lines()) > 1, self.end_within_s, "output")
        return lines()

    def test_refusal_speaks(self, trial: Trial, nonsense: Mapping[str, Any]) -> None:
        """What can never run is refused at once, in the scheduler's words."""
        command = trial.program(programs.ticking(trial.place))
        batch = msgspec.structs.replace(trial.batch(command, self.array), **nonsense)
        for number, answer in trial.submit(batch).items():
            require(
                isinstance(answer, Rejected),
                Rule.REFUSAL_SPEAKS,
                f"runner {number} of a batch with {dict(nonsense)} got {answer!r} (what "
                "can never run here is said by the fixture `nonsense`)",
            )
            if isinstance(answer, Rejected):
                require(
                    answer.text.strip(),
                    Rule.REFUSAL_SPEAKS,
                    f"without words: {answer!r}",
                )
                require(
                    not answer.transient,
                    Rule.REFUSAL_SPEAKS,
                    f"asking again would not help, but it is transient: {answer!r}",
                )
        left = trial.attach()
        require(not left, Rule.REFUSAL_SPEAKS, f"left behind: {left}")

    def test_largest_array(self, trial: Trial) -> None:
        """The declared size of an array is accepted."""
        size = trial.capabilities.largest_array
        tried = self.largest_array_tried
        size = tried if size is None else min(size, tried)
        batch = trial.batch(trial.program(programs.running(trial.place, ":")), size)
        refused = [a for a in trial.submit(batch).values() if isinstance(a, Rejected)]
        require(not refused, Rule.ARRAYS_AS_DECLARED, f"{size} runners: {refused[:1]}")

    def test_runner_knows_itself(self, trial: Trial) -> None:
        """Each runner of an array tells the monitor the right handle."""
        with under(Rule.KNOWS_ITSELF):
            reports = self._witness(trial, count=self.array)
        told = [Handle(*r["handle"]) if r["handle"] else None for r in reports]
        require(
            len(set(told)) == len(told) and set(told) == trial.handles,
            Rule.KNOWS_ITSELF,
            f"submit returned {sorted(map(str, trial.handles))}, the runners say "
            f"{sorted(map(str, told))}",
        )

    def test_identity_elsewhere(self, trial: Trial) -> None:
        """A process that no scheduler started is nobody's runner."""
        identity = identify(trial.object, {"PATH": "/usr/bin", "HOME": "/"})
        require(
            identity.handle is None, Rule.IDENTITY_ELSEWHERE, f"it says {identity!r}"
        )

    def test_limits_are_told(self, trial: Trial, resources: Resources) -> None:
        """What identity says of the deadline and the slots can be relied on."""
        asked = msgspec.structs.replace(resources, walltime=WALLTIME_S)
        with under(Rule.LIMITS_TOLD):
            (report,) = self._witness(trial, resources=asked)
        now = time.time()  # noqa: TID251 - deadlines are dates
        deadline, slots = report["deadline"], report["slots"]
        if deadline is not None:
            require(
                now < deadline <= now + WALLTIME_S + CLOCK_TOLERANCE_S,
                Rule.LIMITS_TOLD,
                f"it is {now:.0f}, the walltime is {WALLTIME_S} s, the deadline "
                f"{deadline!r}",
            )
        if slots is not None:
            require(
                isinstance(slots, int) and slots >= asked.cores,
                Rule.LIMITS_TOLD,
                f"{asked.cores} cores were asked for, slots are {slots!r}",
            )

    def _witness(
        self, trial: Trial, *arguments: str, count: int = 1, **changes: Any
    ) -> list[dict[str, Any]]:
        """Let runners report who and where they are; return their reports."""
        factory = trial.installed.info.factory
        command = programs.witness(trial.place, factory, *arguments)
        handles = trial.start(trial.batch(command, count, **changes))
        trial.wait(
            lambda: len(list(trial.place.glob("report.*.json"))) >= count,
            self.start_within_s,
            f"{count} programs to report",
            handles,
        )
        files = trial.place.glob("report.*.json")
        return [json.loads(file.read_text()) for file in files]


def _difference(given: tuple[str, ...], arrived: list[str]) -> str:
    if len(given) != len(arrived):
        return f"{len(given)} arguments were given, {len(arrived)} arrived: {arrived}"
    pairs = [(a, b) for a, b in zip(given, arrived, strict=True) if a != b]
    return f"given and arrived differ: {pairs}"
