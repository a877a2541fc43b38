"""The client of the process that holds DRMAA, against processes that misbehave."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.unit.sge.doubles import CONTEXT, batch

from gridmap.backend import Handle
from gridmap_sge import array, drmaa_process
from gridmap_sge.drmaa_process import DrmaaProcess
from gridmap_sge.submission import Ended, SubmitError

ARRAY = array.build(batch(3), CONTEXT)
HANDLES = tuple(Handle("7", str(n)) for n in (1, 2, 3))
PRELUDE = """
import os, sys, time
from gridmap_sge import frames
ask = lambda: frames.read(sys.stdin.buffer)
tell = lambda **message: frames.write(sys.stdout.buffer, message)
"""
TAKES_ALL = """
while (request := ask()) is not None:
    if request["verb"] == "open":
        tell(ok={"system": "SGE 8.1.9", "contact": "x"})
    elif request["verb"] == "submit":
        tell(ok={"ids": [f"7.{n + 1}" for n in range(request["count"])]})
    else:
        usage = {"ru_maxrss": "4564.0", "start_time": "9.0", "odd": "x"}
        end = {"ran": True, "exited": True, "status": 3, "signalled": False,
               "signal": "", "aborted": False, "usage": usage}
        ended = {"7.1": {"ran": False}, "7.2": end}
        tell(ok={"ended": {k: v for k, v in ended.items() if k in request["ids"]}})
"""


@pytest.fixture
def client() -> Iterator[DrmaaProcess]:
    """Make a client; its process, which `acts` sets, is ended."""
    process = DrmaaProcess({"PATH": "/usr/bin:/bin"}, timeout_s=20)
    yield process
    process.close()


def acts(client: DrmaaProcess, program: str) -> None:
    """Let the client's next process be this program."""
    client.command = (sys.executable, "-c", PRELUDE + program)


def refusal(client: DrmaaProcess) -> SubmitError:
    """Return what a submission fails with."""
    with pytest.raises(SubmitError) as caught:
        client.submit(ARRAY)
    return caught.value


def test_ids_become_handles(client: DrmaaProcess) -> None:
    """In the order of the tasks."""
    acts(client, TAKES_ALL)
    assert client.open().system == "SGE 8.1.9"
    assert client.submit(ARRAY) == HANDLES


def test_it_starts_before_it_is_needed(tmp_path: Path) -> None:
    """What it takes to start is no query: only a session is, and what it is used for."""
    notes = []
    client = DrmaaProcess({}, timeout_s=20, note=lambda: notes.append(1))
    started = tmp_path / "started"
    os.mkfifo(started)
    acts(client, f"open({str(started)!r}, 'w').close()" + TAKES_ALL)
    client.prepare()
    started.read_bytes()  # nobody has asked it for anything
    assert not notes
    assert client.submit(ARRAY) == HANDLES
    assert client.submit(ARRAY) == HANDLES
    assert len(notes) == 3
    client.close()


def test_what_cannot_be_started_is_told_when_it_is_needed(client: DrmaaProcess) -> None:
    """Nobody waits for it before."""
    client.command = ("/no/such/program",)
    client.prepare()
    assert "could not be started" in refusal(client).text


def test_ends_are_told_once(client: DrmaaProcess) -> None:
    """Of what this session submitted, and nothing else is even asked."""
    acts(client, TAKES_ALL)
    client.submit(ARRAY)
    ended = client.reap([*HANDLES, Handle("8", "1")])
    assert set(ended) == set(HANDLES[:2])
    assert ended[HANDLES[0]] == Ended(ran=False)
    assert (ended[HANDLES[1]].exit_status, ended[HANDLES[1]].signal) == (3, "")
    assert ended[HANDLES[1]].number("ru_maxrss") == 4564
    assert ended[HANDLES[1]].number("odd") is None
    assert client.reap(HANDLES) == {}


def test_nothing_is_asked_about_strangers(client: DrmaaProcess) -> None:
    """No process is even started for them."""
    client.command = ("/no/such/program",)
    assert client.reap(HANDLES) == {}


@pytest.mark.parametrize(
    ("kind", "text", "transient", "uncertain", "broken"),
    [
        ("DeniedByDrmException", 'code 17: unknown queue "q"', False, False, False),
        ("DeniedByDrmException", "code 17: job rejected: only 5 jobs are allowed per user", True, False, False),
        ("TryLaterException", "code 16: try later", True, False, False),
        ("DrmCommunicationException", "code 2: unable to contact qmaster", True, True, False),
        ("OSError", "cannot allocate memory in static TLS block", False, False, True),
        ("RuntimeError", "Could not find drmaa library.", False, False, True),
        ("InvalidAttributeValueException", "code 14: no", False, False, False),
    ],
)  # fmt: skip
def test_refusals_are_sorted(
    client: DrmaaProcess,
    kind: str,
    text: str,
    *,
    transient: bool,
    uncertain: bool,
    broken: bool,
) -> None:
    """By what helps: asking later, looking whether it was taken, or another way."""
    acts(client, f"ask(); tell(error={kind!r}, text={text!r}); ask()")
    error = refusal(client)
    assert (error.transient, error.uncertain, error.broken) == (
        *(transient, uncertain, broken),
    )
    assert error.text == text.partition(": ")[2] or error.text == text


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("ask(); os.kill(os.getpid(), 11)", "exit status -11"),
        ("ask(); print('oh no', file=sys.stderr); sys.exit(3)", "oh no"),
        ("ask(); os.write(1, b'hello, I am a library')", "is announced"),
        ("ask(); os.write(1, b'\\0\\0\\0\\2{}'); ask()", "it ended"),
        ("ask(); os.write(1, b'\\0\\0\\0\\x63{'); os.close(1); ask()", "closed after"),
    ],
    ids=["crash", "exit", "noise", "empty", "cut"],
)
def test_a_process_that_fails_is_replaced(
    client: DrmaaProcess, program: str, words: str
) -> None:
    """It is not known whether the scheduler took the array; the next one works."""
    acts(client, program)
    error = refusal(client)
    assert error.transient
    assert error.uncertain
    assert words in error.text
    acts(client, TAKES_ALL)
    assert client.submit(ARRAY) == HANDLES


def test_a_process_that_hangs_is_ended(client: DrmaaProcess) -> None:
    """After the time-out, whatever it does."""
    acts(
        client,
        "import signal; signal.signal(15, signal.SIG_IGN); ask(); time.sleep(99)",
    )
    client.timeout_s = 0.5
    assert "no answer within 0.5 s" in refusal(client).text


def test_a_program_that_is_not_there_is_named(client: DrmaaProcess) -> None:
    """As anything else that fails."""
    client.command = ("/no/such/program",)
    assert "/no/such/program" in refusal(client).text
    assert "/no/such/program" in client.open().error


def test_a_lost_session_knows_no_ends(client: DrmaaProcess) -> None:
    """A new process cannot know of the old one's jobs: accounting has to."""
    once = (
        "request = ask(); tell(ok={'ids': ['7.1', '7.2', '7.3']}); ask(); sys.exit(1)"
    )
    acts(client, once)
    client.submit(ARRAY)
    assert client.reap(HANDLES) == {}
    client.command = ("/no/such/program",)
    assert client.reap(HANDLES) == {}


def test_many_are_reaped_in_parts(
    client: DrmaaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no request fills the pipe."""
    monkeypatch.setattr(drmaa_process, "REAPED_AT_ONCE", 2)
    acts(client, TAKES_ALL)
    client.submit(ARRAY)
    assert set(client.reap(HANDLES)) == set(HANDLES[:2])


def test_an_interrupted_request_ends_the_process(
    client: DrmaaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its late answer would be taken for another's."""
    acts(client, TAKES_ALL)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gridmap_sge.frames.read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.submit(ARRAY)
    assert client.submit(ARRAY) == HANDLES


def test_closing_lets_the_process_say_goodbye(
    client: DrmaaProcess, tmp_path: Path
) -> None:
    """It sees the end of its input, and is waited for."""
    note = tmp_path / "goodbye"
    acts(client, TAKES_ALL + f"open({str(note)!r}, 'w').close()")
    client.submit(ARRAY)
    client.close()
    assert note.exists()
    client.close()


def test_closing_does_not_wait_for_ever(
    client: DrmaaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not go is ended."""
    monkeypatch.setattr(drmaa_process, "GOODBYE_S", 0.2)
    acts(client, TAKES_ALL + "time.sleep(99)")
    client.submit(ARRAY)
    start = time.monotonic()
    client.close()
    assert time.monotonic() - start < 10


def test_odd_options_never_reach_the_process(client: DrmaaProcess) -> None:
    """A specification that would be split elsewhere than meant is refused before."""
    client.command = ("/no/such/program",)
    odd = attrs.evolve(ARRAY, options=("-N", "a b"))
    with pytest.raises(ValueError, match="blanks"):
        client.submit(odd)
