"""What it means that a backend, a runner or a log says this or that."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gridmap.backend import Autopsy, Ending, Limit, Seen, SeenState
from gridmap.monitor import diagnosis
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Witness, judge


@pytest.mark.parametrize(
    ("autopsy", "cause"),
    [
        (Autopsy(), None),
        (Autopsy(exit_status=0), None),
        (Autopsy(ending=Ending.ITSELF, exit_status=1), None),
        (Autopsy(ending=Ending.PERSON, signal=9), Cause.KILLED),
        (Autopsy(ending=Ending.PREEMPTION), Cause.PREEMPTED),
        (Autopsy(ending=Ending.NODE), Cause.NODE_LOST),
        (Autopsy(ending=Ending.START), Cause.NEVER_STARTED),
        (Autopsy(limit=Limit.MEMORY), Cause.OUT_OF_MEMORY),
        (
            Autopsy(ending=Ending.SCHEDULER_LIMIT, limit=Limit.TIME),
            Cause.TIME_LIMIT,
        ),
        (Autopsy(ending=Ending.PERSON, limit=Limit.TIME), Cause.TIME_LIMIT),
        (Autopsy(ending=Ending.SCHEDULER_LIMIT), None),
    ],
    ids=str,
)
def test_accounting_proves_what_it_names(autopsy: Autopsy, cause: Cause | None) -> None:
    """An exit status alone proves nothing of a job: the runner may have had none."""
    statement = diagnosis.from_autopsy(autopsy)
    assert statement.cause is cause
    assert statement.witness is Witness.ACCOUNTING
    assert statement.text


def test_accounting_is_quoted() -> None:
    """Its own words where there are any, else what it knows."""
    quoted = diagnosis.from_autopsy(Autopsy(text="failed 100", exit_status=137))
    assert quoted.text == "failed 100"
    assert quoted.exit_status == 137
    by_signal = diagnosis.from_autopsy(Autopsy(signal=9, peak_memory=5))
    assert by_signal.text == "the runner ended by SIGKILL"
    assert by_signal.peak_memory == 5
    by_status = diagnosis.from_autopsy(Autopsy(exit_status=4))
    assert by_status.text == "the runner ended with status 4"


@given(
    st.builds(
        Seen,
        state=st.sampled_from(SeenState),
        raw=st.text(max_size=8),
        reason=st.text(max_size=8),
        node=st.none() | st.just("n1"),
    )
)
def test_what_a_scheduler_shows_proves_a_lost_node_at_most(seen: Seen) -> None:
    """It is told, with the scheduler's own word and reason."""
    statement = diagnosis.from_sight(seen)
    lost = seen.state is SeenState.UNREACHABLE
    assert statement.cause is (Cause.NODE_LOST if lost else None)
    assert seen.state.value in statement.text
    assert seen.raw in statement.text
    assert seen.reason in statement.text


LOST = m.WorkerLost(number=1, grant=1, job=7, status=None, signal=None)


def test_a_signal_is_how_the_worker_ended() -> None:
    """A crash is told by its signal and what it held."""
    (statement,) = diagnosis.from_worker(
        replace(LOST, signal=11, peak=2**30, seconds=2.5)
    )
    assert statement.cause is Cause.SIGNALLED
    assert statement.signal == 11
    assert statement.peak_memory == 2**30
    assert statement.text == (
        "was ended by SIGSEGV after 2.5 s in the job, having held 1 GiB"
    )


def test_an_exit_is_told_with_its_status() -> None:
    """``os._exit(3)`` is the job's own doing."""
    (statement,) = diagnosis.from_worker(replace(LOST, status=3))
    assert statement.cause is Cause.EXITED
    assert statement.exit_status == 3
    assert statement.peak_memory is None


def test_the_kernel_outweighs_the_signal_it_sent() -> None:
    """A SIGKILL for want of memory is a lack of memory."""
    statements = diagnosis.from_worker(replace(LOST, signal=9, out_of_memory=True))
    assert judge(statements) is Cause.OUT_OF_MEMORY
    assert [s.witness for s in statements] == [Witness.KERNEL, Witness.WORKER]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("stopped", None),
        ("signal", None),
        ("orphaned", None),
        ("broken", Cause.ENVIRONMENT_BROKEN),
        ("deadline", Cause.TIME_LIMIT),
        ("something newer", None),
    ],
)
def test_last_words_prove_what_only_the_runner_knows(
    reason: str, cause: Cause | None
) -> None:
    """Who sent a signal, the runner cannot know."""
    goodbye = m.Goodbye(number=1, reason=reason, signal=15)
    statement = diagnosis.from_goodbye(goodbye)
    assert statement.cause is cause
    assert reason in statement.text


def test_silence_proves_nothing() -> None:
    """It says only since when, and what the last heartbeat had said."""
    statement = diagnosis.from_silence(90.4)
    assert statement.cause is None
    assert statement.text == "none came; the runner was last heard 90 s ago"
    statement = diagnosis.from_beat(12.0, 3.25, 2**30, 2**31)
    assert statement.cause is None
    assert statement.peak_memory == 2**31
    assert statement.text == (
        "the last one came 12 s ago: 3.2 s of processor time, 1 GiB held"
    )


@pytest.mark.parametrize(
    "line",
    [
        "/usr/bin/python3: No module named gridmap",
        "ModuleNotFoundError: No module named 'zmq'",
        "bash: python3.13: command not found",
        "/bin/sh: /opt/x/bin/python: No such file or directory",
    ],
)
def test_a_log_tells_of_a_broken_environment(line: str) -> None:
    """The line is quoted, whatever follows it."""
    statement = diagnosis.from_log(f"hello\n{line}\nbye")
    assert statement is not None
    assert statement.cause is Cause.ENVIRONMENT_BROKEN
    assert line in statement.text


@pytest.mark.parametrize("tail", ["", "gridmap: runner 1 on n1", "\n\n"])
def test_a_log_without_a_reason_says_nothing(tail: str) -> None:
    """What cannot be read out of it is not made up."""
    assert diagnosis.from_log(tail) is None


HELLO = m.Hello(
    version=m.VERSION,
    nonce="n",
    job="1",
    task=None,
    node="n1",
    pid=1,
    python=(3, 11, 4),
    gridmap="1.0",
)


def test_a_runner_that_fits_is_let_in() -> None:
    """The third number of Python's version does not matter."""
    assert diagnosis.refusal(HELLO, version=m.VERSION, python=(3, 11)) is None


@pytest.mark.parametrize(
    ("hello", "text"),
    [
        (
            replace(HELLO, python=(3, 12, 0)),
            r"node n1 has Python 3\.12\.0.*3\.11.*setting",
        ),
        (
            replace(HELLO, version=m.VERSION + 1),
            r"node n1 has gridmap 1\.0.*install the same",
        ),
    ],
    ids=["python", "protocol"],
)
def test_a_runner_that_does_not_fit_is_told_why(hello: m.Hello, text: str) -> None:
    """The text names the node, both versions and the way out."""
    told = diagnosis.refusal(hello, version=m.VERSION, python=(3, 11))
    assert told is not None
    assert re.search(text, told)
