"""The order of the questions, and what is made of bad answers."""

import logging
from collections.abc import Callable, Mapping

import msgspec
import pytest
from tests.unit.slurm import recordings
from tests.unit.slurm.fakes import FakeSlurm, complains, hangs, queue, says
from tests.unit.slurm.test_sbatch import BATCH, CONTEXT

from gridmap.backend import (
    Autopsy,
    Capabilities,
    Ending,
    Handle,
    Killed,
    NotAsked,
    Observed,
    Rejected,
    Resubmitted,
    SeenState,
)
from gridmap.desk import Desk
from gridmap.errors import BackendUnavailableError
from gridmap.plugins import RunPlugins, identify
from gridmap.programs import NoAnswer, Reply
from gridmap.resources import Resources
from gridmap.verdict import Cause
from gridmap_slurm.backend import SlurmBackend

COMMENT = "gridmap:5eed:4"
HANDLES = {4: Handle("7", "1"), 5: Handle("7", "2"), 6: Handle("7", "3")}
TASKS = frozenset(HANDLES.values())
NODES = says("gridmap|n1\ngridmap|n2\ngridmap|n3\n")
DOWN = complains("error: Unable to contact slurm controller (connect failure)")
TIMED_OUT = complains(
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv "
    "operation"
)
CONFIG = says(recordings.read("scontrol-config"))
ACCOUNTING = says(
    "MaxArraySize = 1001\nAccountingStorageType = accounting_storage/slurmdbd\n"
)
BAD_ANSWERS = [
    DOWN,
    hangs(),
    says(""),
    says("\ufffd rubbish"),
    NoAnswer(text="squeue cannot be started", started=False),
]


def drive(slurm: FakeSlurm, now: Callable[[], float] = lambda: 0.0) -> RunPlugins:
    """Return a run that this Slurm answers, called as core calls it."""
    context = msgspec.structs.replace(CONTEXT, desk=Desk(run=slurm))
    backend = SlurmBackend(sleep=lambda _: None, now=now)
    return RunPlugins(backend, context, name="slurm")


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


class TestSubmit:
    """One sbatch a batch, and never two for one."""

    def test_a_batch_is_one_array(self) -> None:
        """Every runner has its handle, and the script went in."""
        slurm = FakeSlurm(sbatch=says("7\n"))
        assert drive(slurm).submit(BATCH) == HANDLES
        assert slurm.count("sbatch") == len(slurm.asked) == 1
        assert slurm.scripts[0].startswith("#!/bin/sh\n")

    def test_it_is_what_was_rendered(self) -> None:
        """A dry run shows the truth, nodes included."""
        slurm = FakeSlurm(sbatch=says("7\n"), scontrol=CONFIG, sinfo=NODES)
        run = drive(slurm)
        run.capabilities()
        batch = msgspec.structs.replace(BATCH, resources=Resources(nodes=("n1", "n2")))
        rendered = run.render(batch)
        run.submit(batch)
        assert slurm.last("sbatch") == rendered.command
        assert "--exclude=n3" in rendered.command

    @pytest.mark.parametrize(
        ("answer", "transient"),
        [
            (complains("sbatch: error: invalid partition specified: x"), False),
            (DOWN, True),
            (NoAnswer(text="sbatch cannot be started", started=False), False),
        ],
    )
    def test_a_refusal_is_handed_on(self, answer: Reply, transient: bool) -> None:
        """For all runners alike, without another question."""
        slurm = FakeSlurm(sbatch=answer)
        for rejected in drive(slurm).submit(BATCH).values():
            assert isinstance(rejected, Rejected)
            assert rejected.transient is transient
        assert len(slurm.asked) == 1

    def test_what_cannot_be_said_to_slurm_is_rejected_for_good(self) -> None:
        """With the reason, and nothing is started."""
        slurm = FakeSlurm()
        batch = msgspec.structs.replace(BATCH, resources=Resources(queue="it's"))
        for rejected in drive(slurm).submit(batch).values():
            assert isinstance(rejected, Rejected)
            assert not rejected.transient
            assert "it's" in rejected.text

    @pytest.mark.parametrize(
        "answer", [TIMED_OUT, hangs(), says("welcome\n"), complains("")]
    )
    def test_a_batch_that_was_taken_without_a_word_is_found(
        self, answer: Reply
    ) -> None:
        """A controller that hung took it all the same (seen in 22.05.8)."""
        slurm = FakeSlurm(
            sbatch=answer,
            squeue=queue(
                f"7_1|RUNNING|n1|None|{COMMENT}",
                f"7_2|PENDING|n/a|Resources|{COMMENT}",
                "9|RUNNING|n1|None|gridmap:0ther:4",
            ),
        )
        assert drive(slurm).submit(BATCH) == HANDLES
        assert slurm.count("sbatch") == 1

    def test_a_batch_that_was_taken_and_is_over_is_found(self) -> None:
        """Its runners may have been quick, or the query late."""
        slurm = FakeSlurm(
            sbatch=TIMED_OUT, squeue=queue(f"7_1|COMPLETED|n1|None|{COMMENT}")
        )
        assert drive(slurm).submit(BATCH) == HANDLES

    def test_a_batch_whose_fate_is_unknown_is_looked_for_first(self) -> None:
        """Core tries again; nothing is submitted until the queue was read."""
        slurm = FakeSlurm(
            sbatch=[TIMED_OUT],
            squeue=[DOWN, DOWN, queue(f"7_[1-3]|PENDING|n/a|Priority|{COMMENT}")],
        )
        run = drive(slurm)
        for _ in range(2):
            for rejected in run.submit(BATCH).values():
                assert isinstance(rejected, Rejected)
                assert rejected.transient
        assert run.submit(BATCH) == HANDLES
        assert slurm.count("sbatch") == 1

    def test_a_batch_that_is_not_there_is_submitted_again(self) -> None:
        """Once the queue was read, there is no doubt left to hold it back."""
        slurm = FakeSlurm(sbatch=[TIMED_OUT, says("8\n")], squeue=queue())
        run = drive(slurm)
        assert all(isinstance(one, Rejected) for one in run.submit(BATCH).values())
        assert run.submit(BATCH)[4] == Handle("8", "1")

    def test_what_was_taken_twice_is_kept_once(self) -> None:
        """The older one is cancelled: core knows of neither."""
        slurm = FakeSlurm(
            sbatch=TIMED_OUT,
            squeue=queue(
                f"6_1|RUNNING|n1|None|{COMMENT}", f"7_1|RUNNING|n1|None|{COMMENT}"
            ),
            scancel=says(),
        )
        assert drive(slurm).submit(BATCH) == HANDLES
        assert slurm.last("scancel") == ("scancel", "6_1")

    def test_what_turns_up_after_all_is_cancelled_at_the_end(self) -> None:
        """A batch given up on may be taken later; it is not left behind."""
        slurm = FakeSlurm(
            sbatch=TIMED_OUT,
            squeue=[queue(), queue(f"7_1|RUNNING|n1|None|{COMMENT}")],
            scancel=says(),
        )
        run = drive(slurm)
        run.submit(BATCH)
        run.close()
        assert slurm.last("scancel") == ("scancel", "7_1")
        run.close()
        assert slurm.count("scancel") == 1

    def test_what_was_taken_late_beside_its_successor_is_cancelled(self) -> None:
        """The one core knows of is left alone, and so is everybody else's."""
        slurm = FakeSlurm(
            sbatch=[TIMED_OUT, says("8\n")],
            squeue=[
                queue(),
                queue(
                    f"7_1|RUNNING|n1|None|{COMMENT}",
                    f"8_1|RUNNING|n1|None|{COMMENT}",
                    "9|RUNNING|n1|None|gridmap:5eed:9",
                ),
            ],
            scancel=says(),
        )
        run = drive(slurm)
        run.submit(BATCH)
        assert run.submit(BATCH)[4] == Handle("8", "1")
        run.close()
        assert slurm.last("scancel") == ("scancel", "7_1")

    @pytest.mark.parametrize("answer", BAD_ANSWERS)
    def test_what_cannot_be_looked_up_at_the_end_is_logged(
        self, answer: Reply, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Closing never fails."""
        slurm = FakeSlurm(sbatch=TIMED_OUT, squeue=answer)
        run = drive(slurm)
        run.submit(BATCH)
        run.close()
        assert "may be left over" in caplog.text

    def test_what_never_turns_up_is_not_cancelled(self) -> None:
        """One look, and that is all."""
        slurm = FakeSlurm(sbatch=TIMED_OUT, squeue=queue())
        run = drive(slurm)
        run.submit(BATCH)
        run.close()
        assert slurm.count("scancel") == 0

    def test_a_healthy_run_asks_nothing_at_the_end(self) -> None:
        """No doubt, no question."""
        slurm = FakeSlurm(sbatch=says("7\n"))
        run = drive(slurm)
        run.submit(BATCH)
        run.close()
        assert len(slurm.asked) == 1

    def test_unknown_options_are_warned_of_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And par_env, which GridMap always sends, never."""
        asked = Resources(options={"h_fsize": "1", "par_env": "smp"})
        run = drive(FakeSlurm(sbatch=says("7\n")))
        with caplog.at_level(logging.WARNING):
            run.submit(msgspec.structs.replace(BATCH, resources=asked))
            run.submit(msgspec.structs.replace(BATCH, resources=asked))
        assert len(caplog.records) == 1
        assert "h_fsize" in caplog.text
        assert "par_env" not in caplog.text

    def test_a_choice_of_nodes_waits_until_the_nodes_are_known(self) -> None:
        """They are asked for when they are needed and were not to be had before."""
        batch = msgspec.structs.replace(BATCH, resources=Resources(nodes=("n1", "n2")))
        slurm = FakeSlurm(sbatch=says("7\n"), sinfo=[DOWN, NODES])
        run = drive(slurm)
        first = run.submit(batch)[4]
        assert isinstance(first, Rejected)
        assert first.transient
        assert run.submit(batch) == HANDLES
        assert "--exclude=n3" in slurm.last("sbatch")

    def test_nodes_to_avoid_are_only_named_if_slurm_knows_them(self) -> None:
        """An unknown name would make sbatch refuse the batch."""
        batch = msgspec.structs.replace(
            BATCH, avoid=frozenset({"n2.site.org", "laptop"})
        )
        slurm = FakeSlurm(sbatch=says("7\n"), sinfo=NODES)
        assert drive(slurm).submit(batch) == HANDLES
        assert "--exclude=n2" in slurm.last("sbatch")


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


class TestPostmortem:
    """Accounting first, the controller's memory second."""

    def test_without_accounting_the_controller_is_asked(self) -> None:
        """One question for each array, and the living are left out."""
        slurm = FakeSlurm(scontrol=says(recordings.read("scontrol-jobs")))
        handles = frozenset({Handle("33", "3"), Handle("33", "0"), Handle("32", "1")})
        autopsies = drive(slurm).postmortem(handles)
        assert {str(h): a.exit_status for h, a in autopsies.items()} == {
            "33.3": 3,
            "33.0": 0,
        }
        assert len(slurm.asked) == 2

    def test_with_accounting_one_question_is_enough(self) -> None:
        """It knows the peak of memory and who did it."""
        slurm = FakeSlurm(
            scontrol_show=ACCOUNTING,
            sinfo=NODES,
            sacct=says(recordings.read("sacct")),
        )
        run = drive(slurm)
        run.capabilities()
        handles = frozenset({Handle("69", "1"), Handle("77", "1")})
        autopsies = run.postmortem(handles)
        assert autopsies[Handle("69", "1")].peak_memory == 324558848
        assert autopsies[Handle("77", "1")].text.startswith("CANCELLED by 1001")
        assert slurm.count("sacct") == 1
        assert slurm.count("scontrol") == 1

    def test_of_a_later_start_the_controller_is_asked_first(self) -> None:
        """Accounting may still hold the start before; it is asked about the forgotten."""
        slurm = FakeSlurm(
            scontrol=[
                ACCOUNTING,
                says(recordings.read("scontrol-jobs")),
                says(""),
            ],
            sinfo=NODES,
            sacct=says(recordings.read("sacct")),
        )
        run = drive(slurm)
        run.capabilities()
        known, forgotten = Handle("34"), Handle("69", "1")
        lives = {known: 2, forgotten: 2}
        assert set(run.postmortem(frozenset({known}), lives)) == {known}
        assert slurm.count("sacct") == 0
        assert set(run.postmortem(frozenset({forgotten}), lives)) == {forgotten}
        assert slurm.count("sacct") == 1

    @pytest.mark.parametrize("answer", BAD_ANSWERS)
    def test_accounting_that_fails_leaves_the_controller(
        self, answer: Reply, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A database that is down hides no cause of death."""
        slurm = FakeSlurm(
            scontrol=[ACCOUNTING, says(recordings.read("scontrol-jobs"))],
            sinfo=NODES,
            sacct=answer,
        )
        run = drive(slurm)
        run.capabilities()
        with caplog.at_level(logging.INFO):
            autopsies = run.postmortem(frozenset({Handle("34")}))
        assert autopsies[Handle("34")].signal == 9
        assert "no accounting" in caplog.text

    @pytest.mark.parametrize("answer", BAD_ANSWERS)
    def test_what_nobody_knows_is_left_out(self, answer: Reply) -> None:
        """Core asks again for a while."""
        assert drive(FakeSlurm(scontrol=answer)).postmortem(TASKS) == {}

    def test_nobody_is_no_question(self) -> None:
        """Nothing is asked for nothing."""
        assert drive(FakeSlurm()).postmortem(frozenset()) == {}

    def test_a_waiting_task_that_left_its_array_was_cancelled(self) -> None:
        """It never ran, or its array's controller would remember how it ended."""
        array = "JobId=7 ArrayJobId=7 ArrayTaskId=1 JobState=RUNNING ExitCode=0:0"
        slurm = FakeSlurm(
            squeue=queue("7_1|RUNNING|n1|None|x", "7_2|PENDING|n/a|Resources|x"),
            scontrol=says(array),
        )
        run = drive(slurm)
        run.observe(TASKS)
        autopsies = run.postmortem(TASKS)
        assert {handle.task for handle in autopsies} == {"2"}
        assert autopsies[Handle("7", "2")].ending is Ending.PERSON

    def test_a_task_seen_running_is_not_called_cancelled(self) -> None:
        """It waited once, ran, and is gone: nobody knows why."""
        array = "JobId=7 ArrayJobId=7 ArrayTaskId=1 JobState=RUNNING ExitCode=0:0"
        slurm = FakeSlurm(
            squeue=[
                queue("7_2|PENDING|n/a|Resources|x"),
                queue("7_2|RUNNING|n1|None|x"),
            ],
            scontrol=says(array),
        )
        run = drive(slurm)
        run.observe(TASKS)
        run.observe(TASKS)
        assert run.postmortem(TASKS) == {}

    @pytest.mark.parametrize("answer", [*BAD_ANSWERS, complains("Invalid job id")])
    def test_without_its_array_a_vanished_task_stays_a_riddle(
        self, answer: Reply
    ) -> None:
        """The controller may have lost its state."""
        slurm = FakeSlurm(squeue=queue("7_2|PENDING|n/a|Resources|x"), scontrol=answer)
        run = drive(slurm)
        run.observe(TASKS)
        assert run.postmortem(TASKS) == {}

    def test_the_array_itself_stands_for_its_cancelled_tasks(self) -> None:
        """Its last waiting task leaves a record without an index."""
        array = (
            "JobId=7 ArrayJobId=7 ArrayTaskId=4294967294 JobState=CANCELLED "
            "Reason=Resources ExitCode=0:0\n"
        )
        autopsies = drive(FakeSlurm(scontrol=says(array))).postmortem(TASKS)
        assert autopsies == dict.fromkeys(
            TASKS,
            Autopsy(
                ending=Ending.PERSON,
                text="CANCELLED, reason Resources, exit code 0:0",
            ),
        )


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
