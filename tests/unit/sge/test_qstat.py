"""Reading qstat, on its real words and on bad ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sge.doubles import jobs, recorded

from gridmap.backend import Handle, Seen, SeenState
from gridmap_sge import qstat


def seen(text: str, *handles: str) -> dict[str, Seen]:
    """Return what a text shows of handles, by their written form."""
    wanted = [Handle(*handle.split(".")) for handle in handles]
    return {str(h): s for h, s in qstat.find(qstat.parse(text), wanted).items()}


@pytest.mark.parametrize("name", ["qstat.xml", "qstat_f.xml"])
def test_a_real_queue_is_read(name: str) -> None:
    """Running tasks one by one, waiting ones from their shared ranges, by any view."""
    shown = seen(
        recorded(name),
        *("159.1", "160", "162.1", "162.7", "162.150", "162.170", "162.171"),
        *("161", "155.2", "164.5", "164.6", "999.1"),
    )
    assert {handle: one.state for handle, one in shown.items()} == {
        "159.1": SeenState.RUNNING,
        "160": SeenState.SUSPENDED,
        "162.1": SeenState.RUNNING,
        "162.7": SeenState.QUEUED,
        "162.171": SeenState.QUEUED,
        "161": SeenState.HELD,
        "155.2": SeenState.BLOCKED,
        "164.5": SeenState.HELD,
    }
    assert (shown["159.1"].raw, shown["159.1"].node) == ("Rr", "n2")
    assert (shown["155.2"].raw, shown["155.2"].node) == ("Eqw", None)


def test_silent_hosts_are_read() -> None:
    """The hosts whose queues are in state u."""
    assert qstat.parse_unreachable(recorded("qstat_unreachable.xml")) == {"n1"}
    assert qstat.parse_unreachable(recorded("qstat_f.xml")) == frozenset()


def test_slots_are_counted() -> None:
    """Of all queues; nothing is made of other words."""
    text = recorded("qstat_g_c.xml")
    assert qstat.parse_slots(text) == 8
    assert qstat.parse_slots(text.replace("<total>8", "<total>x")) is None
    assert qstat.parse_slots(recorded("qstat.xml")) is None
    assert qstat.parse_slots("rubbish") is None


def test_real_details_are_read() -> None:
    """Context, errors and remarks of several jobs from one answer."""
    details = qstat.parse_details(recorded("qstat_j.txt"))
    assert sorted(details) == ["153", "155", "156", "157", "161", "163", "164"]
    assert details["164"].context == {"GRIDMAP_RUN": "abcdef", "GRIDMAP_FIRST": "7"}
    chdir = "can't chdir to /nonexistent: No such file or directory"
    assert details["155"].errors == {1: chdir, 2: chdir}
    assert details["157"].errors[1].startswith("execvlp(/bin/nosuch")
    assert details["161"].remarks[-1] == "Job is in hold state"
    assert len(details["163"].remarks) == 3
    assert qstat.parse_details(recorded("qstat_j_unknown.txt")) == {}


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("qw", SeenState.QUEUED),
        ("Rq", SeenState.QUEUED),
        ("hqw", SeenState.HELD),
        ("hRwq", SeenState.HELD),
        ("r", SeenState.RUNNING),
        ("t", SeenState.RUNNING),
        ("Rr", SeenState.RUNNING),
        ("Rt", SeenState.RUNNING),
        ("hr", SeenState.RUNNING),
        ("s", SeenState.SUSPENDED),
        ("S", SeenState.SUSPENDED),
        ("T", SeenState.SUSPENDED),
        ("Rs", SeenState.SUSPENDED),
        ("tS", SeenState.SUSPENDED),
        ("P", SeenState.SUSPENDED),
        ("Eqw", SeenState.BLOCKED),
        ("EhRqw", SeenState.BLOCKED),
        ("dr", SeenState.ENDING),
        ("dRr", SeenState.ENDING),
        ("ds", SeenState.ENDING),
        ("dEqw", SeenState.ENDING),
        ("z", SeenState.ENDED),
        ("", SeenState.UNKNOWN),
        ("R", SeenState.UNKNOWN),
        ("r!", SeenState.UNKNOWN),
        ("running", SeenState.UNKNOWN),
    ],
)
def test_letters_add_up_to_a_state(letters: str, state: SeenState) -> None:
    """The weightiest letter decides; an unknown one makes the whole unknown."""
    assert qstat.state_of(letters) is state


@given(letters=st.text(max_size=5))
def test_only_z_and_x_are_an_end(letters: str) -> None:
    """Nothing else may ever be taken for the end of a runner."""
    if qstat.state_of(letters) is SeenState.ENDED:
        assert set(letters) & {"z", "x"}


def test_an_unknown_state_keeps_its_text() -> None:
    """For people, who may know it."""
    assert seen(jobs("7 1 Qx9"), "7.1") == {
        "7.1": Seen(state=SeenState.UNKNOWN, raw="Qx9")
    }


def test_a_job_without_tasks_is_no_array() -> None:
    """Its handle has no task, and an array's tasks are not it."""
    assert set(seen(jobs("7 - r all.q@n1"), "7", "7.1")) == {"7"}
    assert set(seen(jobs("7 1-3:1 qw"), "7", "7.1", "7.x")) == {"7.1"}


def test_rows_without_a_job_are_skipped() -> None:
    """They can be nobody's of ours."""
    assert set(seen(jobs("x 1 r", "7 2 r all.q@n1"), "7.1", "7.2")) == {"7.2"}


def test_tasks_that_are_no_ranges_spoil_the_answer() -> None:
    """Skipped, a living runner would be absent."""
    with pytest.raises(qstat.QstatError, match="no ranges"):
        qstat.parse(jobs("7 1-3... qw"))


def test_control_characters_do_no_harm() -> None:
    """A user's job may be named so, and some versions write it down."""
    text = jobs("7 1 r").replace("<tasks>", "<JB_name>a\x01\x1b\ufffe</JB_name><tasks>")
    assert set(seen(text, "7.1")) == {"7.1"}


@pytest.mark.parametrize(
    "text", ["", "error: commlib error", "<a/>", "<job_info>", "\0"]
)
def test_what_is_not_qstats_is_an_error(text: str) -> None:
    """It is no observation: an empty answer is not an empty queue."""
    with pytest.raises(qstat.QstatError):
        qstat.parse(text)
    with pytest.raises(qstat.QstatError):
        qstat.parse_unreachable(text)


@given(text=st.text(max_size=60))
def test_any_text_is_rows_or_an_error(text: str) -> None:
    """And any text is details."""
    qstat.parse_details(text)
    qstat.parse_details("job_number: 7\nerror reason " + text)
    try:
        qstat.parse(text)
    except qstat.QstatError:
        return


@given(
    rows=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["r", "qw", "hqw"]))),
    asked=st.sets(st.integers(1, 12)),
)
def test_only_what_was_asked_is_answered(
    rows: list[tuple[int, str]], asked: set[int]
) -> None:
    """Each handle that has a row is found, and no other."""
    text = jobs(*(f"7 {task} {state}" for task, state in rows))
    found = qstat.find(qstat.parse(text), [Handle("7", str(task)) for task in asked])
    assert {int(h.task or 0) for h in found} == asked & {task for task, _ in rows}


def test_all_handles_of_rows() -> None:
    """An array's waiting tasks are handles too."""
    rows = qstat.parse(jobs("7 1-3:2 qw", "8 - r"))
    assert qstat.handles_of(rows) == {Handle("7", "1"), Handle("7", "3"), Handle("8")}
