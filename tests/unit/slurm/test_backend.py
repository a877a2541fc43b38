"""The order of the questions, and what is made of bad answers."""

from collections.abc import Mapping

import pytest
from tests.unit.slurm.driven import (
    BAD_ANSWERS,
    COMMENT,
    CONFIG,
    DOWN,
    NODES,
    TASKS,
    drive,
)
from tests.unit.slurm.fakes import FakeSlurm, complains, hangs, queue, says

from gridmap.backend import (
    Capabilities,
    Handle,
    Killed,
    NotAsked,
    Observed,
    Resubmitted,
    SeenState,
)
from gridmap.errors import BackendUnavailableError
from gridmap.plugins import identify
from gridmap.programs import Reply
from gridmap.verdict import Cause
from gridmap_slurm.backend import SlurmBackend


class TestCapabilities:
    """What the site can do."""

    def test_the_site_is_asked(self) -> None:
        """Two queries, once a run."""
        slurm = FakeSlurm(scontrol=CONFIG, sinfo=NODES)
        assert drive(slurm).capabilities() == Capabilities(
            largest_array=500, requeue=True, accounting=True
        )
        assert len(slurm.asked) == 2

    @pytest.mark.parametrize("answer", BAD_ANSWERS)
    def test_a_site_that_does_not_answer_is_taken_for_a_usual_one(
        self, answer: Reply, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The run can go on as soon as the controller is back."""
        slurm = FakeSlurm(scontrol=answer, sinfo=answer)
        assert drive(slurm).capabilities().largest_array == 1000
        assert "defaults are assumed" in caplog.text


class TestObserve:
    """One squeue for all."""

    def test_five_thousand_runners_are_one_question(self) -> None:
        """Absent is who is not in the answer."""
        handles = frozenset(
            Handle(str(job), str(task)) for job in range(10) for task in range(500)
        )
        slurm = FakeSlurm(squeue=queue("3_7|RUNNING|n1|None|x"))
        observed = drive(slurm).observe(handles)
        assert isinstance(observed, Observed)
        assert set(observed.seen) == {Handle("3", "7")}
        assert len(observed.absent) == 4999
        assert slurm.count("squeue") == len(slurm.asked) == 1

    @pytest.mark.parametrize(
        ("nodes", "state"),
        [
            ("gridmap|n1|mixed*\n", SeenState.UNREACHABLE),
            ("gridmap|n1|mixed\n", SeenState.RUNNING),
            ("rubbish", SeenState.RUNNING),
        ],
    )
    def test_who_is_doubted_is_looked_for_on_its_node(
        self, nodes: str, state: SeenState
    ) -> None:
        """The first look asks about no node: most runners are well."""
        slurm = FakeSlurm(
            squeue=queue(f"7_1|RUNNING|n1|None|{COMMENT}"), sinfo=says(nodes)
        )
        times = iter((0.0, 0.0, 5.0, 12.0))
        run, handles = drive(slurm, times.__next__), frozenset({Handle("7", "1")})
        states = []
        for looks in range(4):
            assert slurm.count("sinfo") == max(0, looks - 1)
            observed = run.observe(handles)
            assert isinstance(observed, Observed)
            states += [seen.state for seen in observed.seen.values()]
        assert states == [SeenState.RUNNING] * 3 + [state]

    def test_nobody_is_no_question(self) -> None:
        """Nothing is asked for nothing."""
        assert drive(FakeSlurm()).observe(frozenset()) == Observed(seen={})

    @pytest.mark.parametrize("answer", BAD_ANSWERS)
    def test_a_bad_answer_says_nothing_of_anybody(self, answer: Reply) -> None:
        """It is not an observation; the text says what happened."""
        observed = drive(FakeSlurm(squeue=answer)).observe(TASKS)
        assert isinstance(observed, NotAsked)
        assert observed.text

    def test_a_running_job_stays_alive_and_a_failed_one_failed(self) -> None:
        """Ten questions, ten equal answers."""
        rows = ("7_1|RUNNING|n1|None|x", "7_2|FAILED|n1|NonZeroExitCode|x")
        run = drive(FakeSlurm(sinfo=NODES, squeue=queue(*rows)))
        for _ in range(10):
            observed = run.observe(TASKS)
            assert isinstance(observed, Observed)
            assert observed.seen[Handle("7", "1")].state is SeenState.RUNNING
            assert observed.seen[Handle("7", "2")].state is SeenState.ENDED
            assert observed.absent == {Handle("7", "3")}


class TestKill:
    """One scancel for all that are there."""

    def test_only_the_living_are_killed(self) -> None:
        """Ended and unknown ones are gone."""
        slurm = FakeSlurm(
            squeue=queue("7_1|RUNNING|n1|None|x", "7_2|COMPLETED|n1|None|x"),
            scancel=says(),
        )
        assert drive(slurm).kill(TASKS) == {
            Handle("7", "1"): Killed.KILLED,
            Handle("7", "2"): Killed.GONE,
            Handle("7", "3"): Killed.GONE,
        }
        assert slurm.last("scancel") == ("scancel", "7_1")

    def test_those_who_are_gone_are_not_killed_again(self) -> None:
        """No command is run for nobody."""
        slurm = FakeSlurm(squeue=queue())
        assert set(drive(slurm).kill(TASKS).values()) == {Killed.GONE}
        assert slurm.count("scancel") == 0

    def test_nobody_is_no_question(self) -> None:
        """Nothing is asked for nothing."""
        assert drive(FakeSlurm()).kill(frozenset()) == {}

    @pytest.mark.parametrize("answer", [DOWN, hangs()])
    def test_a_scancel_that_fails_is_a_failure(
        self, answer: Reply, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Core tries again."""
        slurm = FakeSlurm(squeue=queue("7_1|RUNNING|n1|None|x"), scancel=answer)
        killed = drive(slurm).kill(TASKS)
        assert killed[Handle("7", "1")] is Killed.FAILED
        assert "scancel failed" in caplog.text

    @pytest.mark.parametrize("answer", BAD_ANSWERS)
    def test_who_cannot_be_looked_up_is_killed_all_the_same(
        self, answer: Reply
    ) -> None:
        """Scancel passes by what is not there."""
        slurm = FakeSlurm(squeue=answer, scancel=says())
        assert set(drive(slurm).kill(TASKS).values()) == {Killed.KILLED}
        assert slurm.last("scancel") == ("scancel", "7_[1-3]")


class TestResubmit:
    """In place, where the node is not to blame."""

    HANDLE = Handle("7", "1")

    def test_a_runner_is_requeued_and_need_not_wait(self) -> None:
        """The same handle comes back, and its begin time is moved up."""
        slurm = FakeSlurm(scontrol=says(), squeue=queue("7_1|PENDING|n/a|BeginTime|x"))
        assert drive(slurm).resubmit(self.HANDLE, Cause.PREEMPTED, 2) == Resubmitted(
            handle=self.HANDLE, in_place=True
        )
        assert [argv[0] for argv in slurm.asked] == ["scontrol", "squeue", "scontrol"]
        assert slurm.last("scontrol")[1] == "update"

    def test_a_runner_that_starts_at_once_need_not_be_hurried(self) -> None:
        """Sites may have set the delay to nothing."""
        slurm = FakeSlurm(scontrol=says(), squeue=queue("7_1|RUNNING|n1|None|x"))
        drive(slurm).resubmit(self.HANDLE, Cause.PREEMPTED, 2)
        assert slurm.count("scontrol") == 1

    @pytest.mark.parametrize("cause", [Cause.NODE_LOST, Cause.NEVER_STARTED])
    def test_a_guilty_node_is_left_to_core(self, cause: Cause) -> None:
        """A requeued job may come back to it."""
        assert drive(FakeSlurm()).resubmit(self.HANDLE, cause, 2) is None

    @pytest.mark.parametrize("answer", [DOWN, hangs(), complains("Invalid job id")])
    def test_what_cannot_be_requeued_is_left_to_core(self, answer: Reply) -> None:
        """Core kills and submits anew."""
        run = drive(FakeSlurm(scontrol=answer))
        assert run.resubmit(self.HANDLE, Cause.PREEMPTED, 2) is None

    def test_a_runner_that_is_long_in_ending_is_hurried_later(self) -> None:
        """Only a pending job's begin time can be changed; once is enough."""
        ending = queue("7_1|COMPLETING|n1|None|x")
        slurm = FakeSlurm(
            scontrol=says(),
            squeue=[*[ending] * 5, queue("7_1|PENDING|n/a|BeginTime|x")],
        )
        run = drive(slurm)
        run.resubmit(self.HANDLE, Cause.PREEMPTED, 2)
        assert slurm.count("scontrol") == 1
        for _ in range(6):
            run.observe(frozenset({self.HANDLE}))
        verbs = [argv[1] for argv in slurm.asked if argv[0] == "scontrol"]
        assert verbs == ["requeue", "update"]

    def test_a_begin_time_of_the_users_own_is_respected(self) -> None:
        """Who was not requeued by us is not hurried."""
        slurm = FakeSlurm(squeue=queue("7_1|PENDING|n/a|BeginTime|x"))
        drive(slurm).observe(frozenset({self.HANDLE}))
        assert slurm.count("scontrol") == 0


class TestAttach:
    """A run finds its own again."""

    def test_the_living_of_this_run_are_found(self) -> None:
        """Not those that ended, and not those of another run."""
        slurm = FakeSlurm(
            squeue=queue(
                f"7_1|RUNNING|n1|None|{COMMENT}",
                f"7_2|COMPLETED|n1|None|{COMMENT}",
                "8|PENDING|n/a|Priority|gridmap:5eed:9",
                "9|RUNNING|n1|None|gridmap:5eed5:1",
                "10|RUNNING|n1|None|(null)",
            )
        )
        assert set(drive(slurm).attach()) == {Handle("7", "1"), Handle("8")}

    @pytest.mark.parametrize("answer", BAD_ANSWERS)
    def test_a_queue_that_cannot_be_read_is_no_empty_queue(self, answer: Reply) -> None:
        """Nobody found, and nobody asked, are two things."""
        with pytest.raises(BackendUnavailableError, match="not usable here"):
            drive(FakeSlurm(squeue=answer)).attach()


@pytest.mark.parametrize(
    ("environ", "handle"),
    [
        ({"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}, Handle("7", "1")),
        ({"HOME": "/home/jane"}, None),
    ],
)
def test_a_runner_knows_itself(
    environ: Mapping[str, str], handle: Handle | None
) -> None:
    """On the node, on a fresh instance, from its environment alone."""
    assert identify(SlurmBackend(), environ).handle == handle
