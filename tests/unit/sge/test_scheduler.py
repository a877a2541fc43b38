"""The order of the questions, and what is made of bad answers."""

import pytest
from tests.unit.sge.cell import DOWN, HANGS, ONE, THREE, TWO, marked, run
from tests.unit.sge.doubles import (
    CONTEXT,
    NOTHING,
    FakeSubmitter,
    batch,
    jobs,
    recorded,
    scene,
    unreachable,
)

from gridmap.backend import (
    Capabilities,
    Ending,
    Handle,
    Killed,
    NotAsked,
    Observed,
    Resubmitted,
    Seen,
    SeenState,
)
from gridmap.errors import (
    BackendUnavailableError,
    InvalidResourceError,
)
from gridmap.plugins import RunPlugins
from gridmap.programs import Answer, NoAnswer
from gridmap.resources import Resources
from gridmap.verdict import Cause
from gridmap_sge.backend import GridEngineBackend
from gridmap_sge.scheduler import DEFAULT_LARGEST_ARRAY
from gridmap_sge.submission import Ended

# Capabilities


def test_the_cells_limits_are_asked_for() -> None:
    """Of the cell that the recording is from."""
    stage = scene()
    stage.programs.say("qconf -sconf", recorded("qconf_sconf.txt"))
    assert run(stage).capabilities() == Capabilities(
        largest_array=500, largest_fleet=2000, requeue=True, accounting=True
    )
    stage.programs.say("qstat -xml -g c", recorded("qstat_g_c.xml"))
    assert run(stage).capabilities().largest_fleet == 8


def test_what_submits_gets_ready_meanwhile() -> None:
    """It takes as long to start as the run takes to open."""
    stage = scene()
    run(stage).capabilities()
    assert stage.submitter.prepared


def test_no_limit_is_none() -> None:
    """Grid Engine writes 0 for it."""
    stage = scene()
    stage.programs.say("qconf", "max_aj_instances 0\nmax_aj_tasks  0\n")
    capabilities = run(stage).capabilities()
    assert (capabilities.largest_array, capabilities.largest_fleet) == (None, None)


@pytest.mark.parametrize("answer", [DOWN, HANGS, Answer(status=0, output="rubbish")])
def test_a_cell_that_cannot_be_asked_has_the_defaults(answer: Answer) -> None:
    """Which most have."""
    stage = scene()
    stage.programs.say("qconf", answer)
    assert run(stage).capabilities().largest_array == DEFAULT_LARGEST_ARRAY


# Looking


def test_nobody_is_asked_why_the_rest_waits_while_some_work() -> None:
    """Of the same array or of another one that asks for the same."""
    stage = scene()
    plugins = run(stage)
    for first in (10, 20):
        plugins.submit(batch(2, runners=(first, first + 1)))
    plugins.submit(batch(1, runners=(30,), resources=Resources(cores=2)))
    waits = frozenset({Handle("7", "2"), Handle("8", "1"), Handle("9", "1")})
    stage.programs.say(
        "qstat -xml -u", jobs("7 1 r all.q@n1", "7 2 qw", "8 1-2:1 qw", "9 1 qw")
    )
    plugins.observe(waits)
    asked = [line for line in stage.programs.asked if line.startswith("qstat -j")]
    assert asked == ["qstat -j 9"]


def test_one_qstat_shows_all() -> None:
    """What it does not show is absent."""
    stage = scene()
    stage.programs.say("qstat -xml -u", jobs("7 1 r all.q@n1", "8 1 r all.q@n1"))
    seen = Seen(state=SeenState.RUNNING, raw="r", node="n1")
    assert run(stage).observe(frozenset({ONE, TWO})) == Observed(
        seen={ONE: seen}, absent=frozenset({TWO})
    )
    user = stage.scheduler.user
    assert stage.programs.asked == [
        f"qstat -xml -u {user}",
        f"qstat -xml -f -qs u -u {user}",
    ]


@pytest.mark.parametrize("answer", [DOWN, HANGS, "", "<html>", jobs("7 ... r")])
def test_a_failed_look_is_no_observation(answer: str | Answer | NoAnswer) -> None:
    """It says nothing about anybody."""
    stage = scene()
    stage.programs.say("qstat -xml -u", answer)
    assert isinstance(run(stage).observe(frozenset({ONE})), NotAsked)


def test_runners_on_silent_hosts_are_marked() -> None:
    """They are shown as running for ever; the queue's state tells."""
    stage = scene()
    stage.programs.say("qstat -xml -u", jobs("7 1 r all.q@n1", "7 2 r all.q@n2"))
    stage.programs.say("qstat -xml -f", unreachable("n1"))
    observed = run(stage).observe(frozenset({ONE, TWO}))
    assert isinstance(observed, Observed)
    assert observed.seen[ONE].reason == "the master cannot reach host n1"
    assert observed.seen[TWO].reason == ""


def test_a_host_counts_as_lost_when_it_is_silent_for_long() -> None:
    """And from the start where the master did not answer: it may be a new one."""
    stage = scene()
    one = run(stage)
    stage.programs.say("qstat -xml -f", unreachable("n1"))

    def state(seconds: float) -> SeenState | None:
        stage.clock.seconds += seconds
        stage.programs.say("qstat -xml -u", jobs("7 1 r all.q@n1"))
        observed = one.observe(frozenset({ONE}))
        assert isinstance(observed, Observed)
        return observed.seen[ONE].state

    assert [state(39), state(39), state(2)] == [
        SeenState.RUNNING,
        SeenState.RUNNING,
        SeenState.UNREACHABLE,
    ]
    stage.programs.say("qstat -xml -u", DOWN)
    assert isinstance(one.observe(frozenset({ONE})), NotAsked)
    assert state(2) is SeenState.RUNNING


def test_what_is_being_deleted_on_a_silent_host_stays_so() -> None:
    """That the deletion was taken is what core waits for."""
    stage = scene()
    stage.programs.say("qstat -xml -u", jobs("7 1 dr all.q@n1"))
    stage.programs.say("qstat -xml -f", unreachable("n1"))
    observed = run(stage).observe(frozenset({ONE}))
    assert isinstance(observed, Observed)
    assert observed.seen[ONE].state is SeenState.ENDING


@pytest.mark.parametrize("answer", [DOWN, HANGS, "rubbish"])
def test_a_failed_look_at_hosts_changes_nothing(answer: str | Answer) -> None:
    """The first one stands."""
    stage = scene()
    stage.programs.say("qstat -xml -u", jobs("7 1 r all.q@n1"))
    stage.programs.say("qstat -xml -f", answer)
    observed = run(stage).observe(frozenset({ONE}))
    assert isinstance(observed, Observed)
    assert observed.seen[ONE].reason == ""


def test_what_waits_is_explained() -> None:
    """By `waiting`, which is tested by itself."""
    stage = scene()
    stage.programs.say("qstat -xml -u", jobs("161 1 hqw"))
    stage.programs.say("qstat -j", recorded("qstat_j.txt"))
    handle = Handle("161", "1")
    observed = run(stage).observe(frozenset({handle}))
    assert isinstance(observed, Observed)
    assert observed.seen[handle].reason.startswith("Job is in hold state")


# Attaching


def test_a_run_is_found_by_its_token() -> None:
    """And nobody else's."""
    stage = scene()
    stage.programs.say("qstat -xml", jobs("7 1 r all.q@n1", "7 2-3:1 qw", "8 1 r"))
    stage.programs.say("qstat -j", marked("7") + marked("8", token="0ther"))  # noqa: S106
    found = run(stage).attach()
    assert {handle: seen.state for handle, seen in found.items()} == {
        ONE: SeenState.RUNNING,
        TWO: SeenState.QUEUED,
        THREE: SeenState.QUEUED,
    }


def test_nobody_is_found_in_an_empty_queue() -> None:
    """One question is enough."""
    stage = scene()
    stage.programs.say("qstat -xml", NOTHING)
    assert run(stage).attach() == {}
    assert len(stage.programs.asked) == 1


@pytest.mark.parametrize("answer", [DOWN, HANGS])
def test_a_queue_that_cannot_be_read_is_no_empty_queue(answer: str | Answer) -> None:
    """Nobody found, and nobody asked, are two things."""
    stage = scene()
    stage.programs.say("qstat -xml", answer)
    with pytest.raises(BackendUnavailableError, match="not usable here"):
        run(stage).attach()


def test_a_queue_that_falls_silent_is_no_empty_queue() -> None:
    """Between the two questions."""
    stage = scene()
    stage.programs.say("qstat -xml", Answer(status=0, output=jobs("7 1 r")), DOWN)
    stage.programs.say("qstat -j", marked("7"))
    with pytest.raises(BackendUnavailableError, match="not usable here"):
        run(stage).attach()


# Ends


def test_drmaa_and_accounting_are_joined() -> None:
    """By `inquest`, which is tested by itself."""
    stage = scene()
    plugins = run(stage)
    plugins.submit(batch(3))
    stage.submitter.ends = {
        ONE: Ended(ran=True, exit_status=0, usage={"end_time": "9"}),
        TWO: Ended(ran=False),
    }
    stage.programs.say("qacct", Answer(status=1, errors="error: job id 7 not found"))
    told = plugins.postmortem(frozenset({ONE, TWO, THREE}))
    assert {handle: one.ending for handle, one in told.items()} == {ONE: Ending.ITSELF}
    stage.programs.say("qdel", "me has deleted job-array task 7.2")
    plugins.kill(frozenset({TWO}))
    assert plugins.postmortem(frozenset({TWO}))[TWO].ending is Ending.PERSON


def test_a_deletion_that_was_seen_is_remembered() -> None:
    """State ``dr``: accounting alone could not tell."""
    stage = scene()
    handle = Handle("158", "1")
    stage.programs.say("qstat -xml -u", jobs("158 1 dr all.q@n1"))
    stage.programs.say("qacct", recorded("qacct_del.txt"))
    plugins = run(stage)
    observed = plugins.observe(frozenset({handle}))
    assert isinstance(observed, Observed)
    assert observed.seen[handle].state is SeenState.ENDING
    assert plugins.postmortem(frozenset({handle}))[handle].ending is Ending.PERSON


# Killing


def test_one_qdel_kills_all() -> None:
    """What it says of each is believed, the rest is looked up."""
    stage = scene()
    stage.programs.say("qdel", recorded("qdel_running.txt"))
    stage.programs.say("qstat -xml", jobs("158 3 dr all.q@n1", "158 4 r all.q@n1"))
    handles = {n: Handle("158", str(n)) for n in (1, 2, 3, 4, 5)}
    assert run(stage).kill(frozenset(handles.values())) == {
        handles[1]: Killed.KILLED,
        handles[2]: Killed.KILLED,
        handles[3]: Killed.KILLED,
        handles[4]: Killed.FAILED,
        handles[5]: Killed.GONE,
    }
    assert stage.programs.asked[0] == "qdel 158.1-5"
    assert len(stage.programs.asked) == 2


def test_where_qdel_tells_all_nothing_is_looked_up() -> None:
    """The usual case is one command."""
    stage = scene()
    stage.programs.say("qdel", recorded("qdel_running.txt"))
    run(stage).kill(frozenset({Handle("158", "1")}))
    assert len(stage.programs.asked) == 1


@pytest.mark.parametrize("answer", [DOWN, HANGS])
def test_a_master_that_does_not_answer_kills_nobody(answer: Answer | NoAnswer) -> None:
    """And it is said so."""
    stage = scene()
    stage.programs.say("qdel", answer)
    stage.programs.say("qstat", answer)
    stage.programs.say("qstat -xml", answer)
    assert run(stage).kill(frozenset({ONE})) == {ONE: Killed.FAILED}


def test_killing_nobody_asks_nobody() -> None:
    """An empty set is no reason for a command."""
    stage = scene()
    assert run(stage).kill(frozenset()) == {}
    assert stage.programs.asked == []


# Starting again


def test_a_running_runner_is_rescheduled_in_place() -> None:
    """It keeps its handle."""
    stage = scene()
    stage.programs.say("qmod -rj", recorded("qmod_rerun.txt"))
    handle = Handle("159", "1")
    assert run(stage).resubmit(handle, Cause.PREEMPTED, 2) == Resubmitted(
        handle=handle, in_place=True
    )


@pytest.mark.parametrize(
    "answer",
    [
        "Modify operation can not be applied on job-array task 40.1 in pending/hold state",
        "The job-array task 39.1 is running in queue none where jobs are not rerunable.",
        Answer(status=1, output='invalid queue or job "99999"'),
        HANGS,
    ],
)
def test_what_cannot_be_rescheduled_is_left_to_core(answer: str | Answer) -> None:
    """Core submits another."""
    stage = scene()
    stage.programs.say("qmod", answer)
    assert run(stage).resubmit(ONE, Cause.PREEMPTED, 2) is None


@pytest.mark.parametrize(
    ("cause", "asked"),
    [(Cause.LOST, 0), (Cause.NEVER_STARTED, 0), (Cause.NODE_LOST, 1)],
)
def test_a_guilty_host_is_not_tried_again(cause: Cause, asked: int) -> None:
    """The scheduler could choose it once more, unless it cannot reach it either."""
    stage = scene()
    run(stage).resubmit(ONE, cause, 2)
    assert len(stage.programs.asked) == asked


def test_closing_ends_the_session() -> None:
    """And a backend that was never used has nothing to end."""
    stage = scene()
    run(stage).close()
    assert isinstance(stage.submitter, FakeSubmitter)
    assert stage.submitter.closed
    RunPlugins(GridEngineBackend(), CONTEXT, name="sge").close()


def test_an_invalid_resource_is_a_value_error() -> None:
    """As GridMap raised for a level of validation that is none."""
    assert issubclass(InvalidResourceError, ValueError)
