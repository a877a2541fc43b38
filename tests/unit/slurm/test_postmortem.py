"""How runners ended: who is asked, in which order, and who is believed."""

import logging

import pytest
from tests.unit.slurm import recordings
from tests.unit.slurm.driven import ACCOUNTING, BAD_ANSWERS, NODES, TASKS, drive
from tests.unit.slurm.fakes import FakeSlurm, complains, queue, says

from gridmap.backend import (
    Autopsy,
    Ending,
    Handle,
)
from gridmap.programs import Reply


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
