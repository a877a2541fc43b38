"""`runs`, `status`, `logs` and `kill`, of runs that are over, or died."""

import contextlib
import io
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from tests.unit.cli.conftest import Shell

from gridmap import events as ev
from gridmap.cli import main
from gridmap.control import record
from gridmap.control.register import Register
from gridmap.driver import Driver
from gridmap.overview import Overview
from gridmap.verdict import Cause, Statement, Verdict, Witness

GONE = Driver(pid=2**22 - 1, start="0", host="login1", machine=Driver.here().machine)
KILLED = Verdict(
    cause=Cause.OUT_OF_MEMORY,
    statements=(Statement(witness=Witness.KERNEL, text="oom_kill rose by 1"),),
    node="node2",
    runner="42.2",
)
AT = 1_700_000_000.0


def sweep(directory: str) -> list[ev.Event]:
    """Return what happened in a run of five jobs, the last thing last."""
    r = "3f9a1c2e00000000"
    up = [
        ev.RunnerUp(
            run=r, at=AT + 2, runner=n, handle=f"42.{n}", node=f"node{n}", pid=7
        )
        for n in (1, 2)
    ]
    return [
        ev.RunStarted(run=r, at=AT, name="sweep", backend="sge", directory=directory),
        ev.JobsQueued(run=r, at=AT, first=0, stop=5),
        ev.RunnersSubmitted(
            run=r, at=AT + 1, runners=(1, 2, 3), handles=("42.1", "42.2", "42.3")
        ),
        *up,
        ev.RunnerPending(
            run=r, at=AT + 3, runner=3, handle="42.3", reason="queue instance full"
        ),
        ev.JobsGranted(run=r, at=AT + 3, first=0, stop=2, runner=1, attempt=1),
        ev.JobsGranted(run=r, at=AT + 3, first=2, stop=3, runner=2, attempt=1),
        ev.JobsDone(run=r, at=AT + 9, first=0, stop=2, runner=1, seconds=8.0),
        ev.JobFailed(
            run=r, at=AT + 9, job=2, verdict=KILLED, again=False, traceback="in fit()"
        ),
    ]


class Here:
    """Runs the command in this process: quicker than a `Shell`, and all that is needed."""

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``gridmap`` with these words to its end."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words)
        return subprocess.CompletedProcess(
            words, status, out.getvalue(), err.getvalue()
        )

    def json(self, *words: str) -> Any:
        """Run a command with ``--json`` and return what it printed."""
        result = self.run(*words, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@attrs.frozen
class Past:
    """A shell whose user has run things before."""

    shell: Here
    records: Register
    directory: Path

    def keep(
        self,
        name: str,
        events: list[ev.Event],
        *,
        kept: bool = False,
        driver: Driver = GONE,
    ) -> None:
        """Put a run into the register."""
        view = Overview()
        for event in events:
            view.take(event)
        data = record.encode(record.make(view, driver, "1.0", kept=kept))
        self.records.write(name, data)


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    place = tmp_path / "records"
    monkeypatch.setenv("GRIDMAP_RECORD_DIRECTORY", str(place))
    monkeypatch.chdir(tmp_path)
    return Past(Here(), Register(place), tmp_path / "sweep")


def end(error: str | None = None) -> ev.RunEnded:
    return ev.RunEnded(run="3f9a1c2e00000000", at=AT + 12, error=error)


@pytest.fixture
def died(past: Past) -> Past:
    """Return a shell in which the run was killed with its script."""
    past.directory.mkdir()
    (past.directory / "name").write_text("sweep-7")
    past.keep("20231114-221320-sweep-3f9a1c2e", sweep(str(past.directory)), kept=True)
    return past


@pytest.fixture
def over(past: Past) -> Past:
    """Return a shell in which the run ended."""
    events = [*sweep(str(past.directory)), end("KeyError: 'x'")]
    past.keep("20231114-221320-sweep-3f9a1c2e", events)
    return past


def test_runs_are_listed_newest_first(past: Past) -> None:
    """Those that ended well or badly, and those whose process died, are told apart."""
    good = [event for event in sweep("/d") if not isinstance(event, ev.JobFailed)]
    past.keep("20240101-000000-good-00000001", [*good, end()])
    past.keep("20240102-000000-bad-00000002", [*good, end("KeyError: 1")])
    past.keep("20240103-000000-dead-00000003", good)
    answer = past.shell.json("runs")["runs"]
    assert [(run["id"], run["state"]) for run in answer] == [
        ("00000003", "died"), ("00000002", "failed"), ("00000001", "done"),
    ]  # fmt: skip
    assert answer[0]["jobs"]["done"] == 2
    lines = past.shell.run("runs", "-n", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["00000003", "00000002"]
    assert "1 older" in lines[3]
    assert past.shell.json("runs", "--live") == {"runs": []}


def test_a_run_resumed_elsewhere_is_what_its_latest_process_says(past: Past) -> None:
    """From here it cannot be seen that the first one, on another host, is dead."""
    events, elsewhere = sweep("/d"), Driver(pid=7, start="0", host="a", machine="a")
    first, latest = (f"202311{day}-221320-sweep-3f9a1c2e" for day in (14, 15))
    past.keep(first, events, driver=elsewhere)
    past.keep(latest, [*events, end()])
    for wanted in ("sweep", "3f9a1c2e", latest):
        assert past.shell.json("status", wanted)["state"] == "failed"
    assert past.shell.json("status", first)["state"] == "running"


def test_without_runs_the_way_to_one_is_told(past: Past) -> None:
    """An empty register is no error to list, but nothing to show the status of."""
    assert "no run yet" in past.shell.run("runs").stdout
    result = past.shell.run("status")
    assert result.returncode == 1
    assert "grid_map" in result.stderr


def test_status_tells_jobs_runners_reasons_and_failures(died: Past) -> None:
    """And of a run whose process is gone, when this was, and how to go on."""
    text = died.shell.run("status").stdout
    for words in (
        "sweep (3f9a1c2e) on sge: died",
        "5: 2 done, 1 failed, 2 waiting",
        "2 up on 2 nodes, 1 waiting",
        "queue instance full (1 runner)",
        "out of memory",
        "gridmap attach 'sweep-7'",
        str(died.directory),
    ):
        assert words in text, text
    plain = died.shell.json("status", "sweep-7")
    assert plain["waiting"] == [{"reason": "queue instance full", "runners": 1}]
    assert [(one["job"], one["cause"]) for one in plain["failures"]] == [
        (2, "out of memory")
    ]


@pytest.mark.parametrize(
    "name", ["sweep", "3f9a1c2e", "20231114-221320-sweep-3f9a1c2e", "./sweep"]
)
def test_a_run_goes_by_several_names(over: Past, name: str) -> None:
    """Its own, its id, its whole name, and its directory."""
    assert over.shell.json("status", name)["error"] == "KeyError: 'x'"


def test_status_of_a_job_tells_all_that_is_known(over: Past) -> None:
    """Where it was, how long it took, and the whole verdict."""
    text = over.shell.run("status", "sweep", "2").stdout
    assert "job 2 of sweep: failed" in text
    assert "oom_kill rose by 1" in text
    assert "42.2 on node2" in text
    assert "  traceback:\n    in fit()\n" in text
    assert "9.0 s after the run began" in text
    whole = over.shell.run("status", "sweep").stdout
    assert "node1  2     0       8.0 s" in whole
    assert "█" in whole
    done = over.shell.json("status", "sweep", "1")
    assert (done["state"], done["seconds"], done["node"]) == ("done", 4.0, "node1")
    result = over.shell.run("status", "sweep", "5")
    assert (result.returncode, "0 to 4" in result.stderr) == (1, True)


def test_a_wrong_name_is_answered_with_the_right_one(over: Past) -> None:
    """For every command that takes a run."""
    for command in ("status", "logs", "kill"):
        result = over.shell.run(command, "swep")
        assert result.returncode == 1
        assert "Did you mean 'sweep'?" in result.stderr


def test_records_that_cannot_be_read_are_an_error(past: Past) -> None:
    """Not a list without runs, nor a traceback."""
    (past.directory.parent / "file").touch()
    for command in ("runs", "status", "logs"):
        result = past.shell.run(command, "--records", "file")
        assert (result.returncode, result.stdout) == (1, "")
        assert "file cannot be read: Not a directory; name another" in result.stderr


def test_logs_are_shown_whole_or_of_one_job(over: Past) -> None:
    """What a job printed cannot reach the terminal's own language."""
    logs = over.directory / "logs"
    logs.mkdir(parents=True)
    (logs / "42.1.log").write_bytes(b"one\ntwo \x1b[2J\nthree")
    (logs / "42.2.log").write_text("four\n")
    assert over.shell.run("logs").stdout.splitlines() == [
        "42.1: one", "42.1: two \ufffd[2J", "42.2: four", "42.1: three",
    ]  # fmt: skip
    assert over.shell.run("logs", "sweep", "2").stdout == "four\n"
    told = over.shell.run("logs", "sweep", "--json").stdout.splitlines()
    assert json.loads(told[1]) == {"runner": "42.1", "job": None, "text": "two \x1b[2J"}
    last = over.shell.run("logs", "sweep", "1", "-n", "1").stdout.splitlines()
    assert last == ["two \ufffd[2J", "three"]


def test_without_logs_the_verdict_is_shown_or_why_there_are_none(over: Past) -> None:
    """What cannot be shown is no success: nothing printed would look the same."""
    known = over.shell.run("logs", "sweep", "2")
    assert known.returncode == 0
    assert "oom_kill" in known.stdout
    assert "in fit()" in known.stdout
    gone = over.shell.run("logs", "sweep")
    assert gone.returncode == 1
    assert f"there is no {over.directory}/logs" in gone.stderr
    assert "no runner yet" in over.shell.run("logs", "sweep", "4").stderr


def test_logs_of_a_run_that_went_well_are_missed_with_what_to_set(past: Past) -> None:
    """They are not kept, unless somebody says so before it."""
    good = [event for event in sweep("/d") if not isinstance(event, ev.JobFailed)]
    past.keep("20231114-221320-sweep-3f9a1c2e", [*good, end()])
    for more in ((), ("1",), ("--json",)):
        result = past.shell.run("logs", "sweep", *more)
        assert (result.returncode, result.stdout) == (1, "")
        assert "GRIDMAP_KEEP_LOGS=always" in result.stderr


def test_where_nothing_was_printed_that_is_said(over: Past) -> None:
    """It is what was asked for."""
    (over.directory / "logs").mkdir(parents=True)
    result = over.shell.run("logs", "sweep")
    assert (result.returncode, result.stdout) == (0, "")
    assert "nothing was printed" in result.stderr


def test_of_two_runs_with_one_name_none_is_killed(past: Past) -> None:
    """Which is meant has to be said where both go on; only one that does is meant."""
    there = msgspec.structs.replace(GONE, machine="another boot", host="login7")
    events = sweep(str(past.directory))
    past.keep("20231114-221320-sweep-3f9a1c2e", events, driver=there)
    again = [msgspec.structs.replace(one, run="77aa000000000000") for one in events]
    past.keep("20231114-221325-sweep-77aa0000", again)
    assert "on login7" in past.shell.run("kill", "sweep", "-y").stderr
    past.keep("20231114-221325-sweep-77aa0000", again, driver=there)
    result = past.shell.run("kill", "sweep", "-y")
    assert result.returncode == 1
    assert "2 runs called 'sweep' go on: say which, 77aa0000 (" in result.stderr
    assert "3f9a1c2e (" in result.stderr


def test_what_is_over_cannot_be_killed(died: Past) -> None:
    """It says what else can be done."""
    result = died.shell.run("kill", "sweep", "-y")
    assert result.returncode == 1
    assert "gridmap forget 'sweep-7'" in result.stderr


@pytest.mark.parametrize("host", ["login7", socket.gethostname()])
def test_a_run_of_another_host_is_ordered_about_there(past: Past, host: str) -> None:
    """The error says what to type, and `status` as of when it tells."""
    there = msgspec.structs.replace(GONE, machine="another boot", host=host)
    events = sweep(str(past.directory))
    past.keep("20231114-221320-sweep-3f9a1c2e", events, driver=there)
    result = past.shell.run("kill", "sweep", "3", "1-2", "-y")
    assert result.returncode == 1
    way = host != socket.gethostname()  # else in another container of this host
    assert (f"ssh -t {host} gridmap kill 3f9a1c2e 3 1-2" in result.stderr) is way
    assert f"process {GONE.pid} on {host}" in result.stderr
    text = past.shell.run("status", "sweep").stdout
    assert "on sge: running" in text
    assert "as it was written down last" in text
    assert (f"ssh {host} gridmap status 3f9a1c2e" in text) is way


@pytest.mark.parametrize("word", ["x", "-3", "5-3", "1,2"])
def test_a_job_is_a_number_or_a_span(over: Past, word: str) -> None:
    """Anything else is a wrong command line."""
    assert over.shell.run("kill", "sweep", "--", word).returncode == 2


@pytest.mark.parametrize("command", ["status", "logs", "replay"])
def test_what_is_no_jobs_number_is_named(over: Past, command: str) -> None:
    """In words of this program."""
    result = over.shell.run(command, "sweep", "x")
    assert result.returncode == 2
    assert "'x' is no job: say its number" in result.stderr


def test_runs_are_completed(over: Past, shell: Shell) -> None:
    """By name and by id."""
    found = shell.run(
        "x",
        _GRIDMAP_COMPLETE="bash_complete",
        COMP_WORDS="gridmap status sw",
        COMP_CWORD="2",
        GRIDMAP_RECORD_DIRECTORY=str(over.records.path),
    )
    assert "plain,sweep" in found.stdout
