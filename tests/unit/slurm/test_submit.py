"""Submitting to Slurm: one array, and what becomes of it where nothing is heard."""

import logging

import msgspec
import pytest
from tests.unit.slurm.batches import BATCH
from tests.unit.slurm.driven import (
    BAD_ANSWERS,
    COMMENT,
    CONFIG,
    DOWN,
    HANDLES,
    NODES,
    TIMED_OUT,
    drive,
)
from tests.unit.slurm.fakes import FakeSlurm, complains, hangs, queue, says

from gridmap.backend import (
    Handle,
    Rejected,
)
from gridmap.programs import NoAnswer, Reply
from gridmap.resources import Resources


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
