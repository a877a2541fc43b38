"""Submitting: what is asked of a cell, what is made of refusals and of silence."""

import logging
from pathlib import Path

import attrs
import pytest
from tests.unit.sge.cell import (
    DOWN,
    HANGS,
    LOST,
    NO_QUEUE,
    ONE,
    THREE,
    TWO,
    marked,
    run,
)
from tests.unit.sge.doubles import (
    INSTALLATION,
    NOTHING,
    batch,
    jobs,
    recorded,
    scene,
)

from gridmap.backend import (
    Handle,
    Rejected,
)
from gridmap.errors import (
    InvalidResourceError,
)
from gridmap.programs import Answer
from gridmap.resources import Resources
from gridmap_sge.drmaa_process import DrmaaProcess
from gridmap_sge.qsub import Qsub
from gridmap_sge.scheduler import Scheduler
from gridmap_sge.submission import SubmitError


def test_a_batch_is_one_submission() -> None:
    """Runners get their handles in order."""
    stage = scene()
    assert run(stage).submit(batch(3)) == {10: ONE, 11: TWO, 12: THREE}
    (one,) = stage.submitter.submitted
    assert one.tasks == 3
    assert stage.programs.asked == []


def test_a_refusal_holds_for_each() -> None:
    """In the scheduler's words."""
    stage = scene(SubmitError('unknown queue "x"', transient=False))
    refusal = Rejected(transient=False, text='unknown queue "x"')
    assert run(stage).submit(batch(2)) == {10: refusal, 11: refusal}


def test_senseless_resources_are_refused_before() -> None:
    """Nothing is submitted; rendering them is an error."""
    stage = scene()
    odd = batch(1, resources=Resources(queue="a b"))
    (refusal,) = run(stage).submit(odd).values()
    assert isinstance(refusal, Rejected)
    assert not refusal.transient
    assert "queue='a b'" in refusal.text
    assert stage.submitter.submitted == []
    with pytest.raises(InvalidResourceError, match="queue='a b'"):
        run(stage).render(odd)


def test_what_no_queue_can_run_is_explained() -> None:
    """By a validation that submits nothing."""
    stage = scene(NO_QUEUE)
    stage.programs.say("qsub", Answer(status=1, errors=recorded("qalter_never.txt")))
    (refusal,) = run(stage).submit(batch(1)).values()
    assert isinstance(refusal, Rejected)
    assert not refusal.transient
    assert "cannot run at n1, n2 because it offers only hc:h_vmem" in refusal.text
    (line,) = stage.programs.asked
    assert " -w v " in line
    assert " -w e " not in line


@pytest.mark.parametrize("answer", [HANGS, Answer(status=1)])
def test_what_cannot_be_explained_is_refused_all_the_same(answer: Answer) -> None:
    """The scheduler's own sentence stands."""
    stage = scene(NO_QUEUE)
    stage.programs.say("qsub", answer)
    (refusal,) = run(stage).submit(batch(1)).values()
    assert refusal == Rejected(transient=False, text="error: no suitable queues")


def test_load_values_are_not_validated() -> None:
    """Validation does not know them: the request is submitted without, and so later."""
    stage = scene(NO_QUEUE)
    stage.programs.say("qsub", Answer(status=1, errors=recorded("qsub_unproven.txt")))
    one = batch(1, resources=Resources(memory="1M"))
    plugins = run(stage)
    assert plugins.submit(one) == {10: Handle("8", "1")}
    assert plugins.submit(one) == {10: Handle("9", "1")}
    levels = [a.options[a.options.index("-w") + 1] for a in stage.submitter.submitted]
    assert levels == ["e", "n", "n"]
    assert len(stage.programs.asked) == 1


@pytest.mark.parametrize(
    ("alone", "taken"),
    [
        ("qsub_unproven.txt", True),
        ("qalter_never.txt", False),
        ("qalter_found.txt", False),
    ],
)
def test_a_parallel_environment_hides_reasons(alone: str, *, taken: bool) -> None:
    """It has no slots, it says, where a load value was asked for: one slot would tell."""
    stage = scene(NO_QUEUE)
    shortage = 'Job 7 cannot run in PE "smp" because it only offers 0 slots\n'
    stage.programs.say("qsub", Answer(status=1, errors=shortage), recorded(alone))
    one = batch(1, resources=Resources(memory="1M", cores=2))
    (answer,) = run(stage).submit(one).values()
    assert isinstance(answer, Handle) == taken
    assert isinstance(answer, Handle) or "smp" in answer.text
    assert ["-pe smp 2" in line for line in stage.programs.asked] == [True, False]


def test_an_array_that_was_taken_without_a_word_is_found() -> None:
    """It is not submitted twice: its mark is in the queue."""
    stage = scene(LOST)
    stage.programs.say("qstat -xml", jobs("5 1-9:1 qw", "6 1-2:1 qw"))
    other = marked("5", first=99) + marked("4", token="0ther")  # noqa: S106
    stage.programs.say("qstat -j", other + marked("6"))
    assert run(stage).submit(batch(2)) == {10: Handle("6", "1"), 11: Handle("6", "2")}


@pytest.mark.parametrize("answer", [NOTHING, jobs("5 1 qw"), DOWN, HANGS])
def test_an_array_that_was_not_taken_may_be_tried_again(answer: str | Answer) -> None:
    """The failure is not the request's."""
    stage = scene(LOST)
    stage.programs.say("qstat -xml", answer)
    stage.programs.say("qstat -j", HANGS)
    (refusal,) = run(stage).submit(batch(1)).values()
    assert refusal == Rejected(transient=True, text="the DRMAA process failed")


def test_a_library_that_does_not_load_gives_way_to_qsub(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For the rest of the run, with one warning."""
    stage = scene(SubmitError("static TLS", transient=False, broken=True))
    stage.programs.say("qsub", "17.1-2:1\n")
    plugins = run(stage)
    assert plugins.submit(batch(2)) == {10: Handle("17", "1"), 11: Handle("17", "2")}
    plugins.submit(batch(2))
    assert stage.submitter.closed
    assert len(stage.submitter.submitted) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_without_qsub_a_broken_library_is_a_refusal() -> None:
    """There is nothing else."""
    broken = SubmitError("static TLS", transient=False, broken=True)
    stage = scene(broken, programs={"qstat": "/q", "qdel": "/q"})
    (refusal,) = run(stage).submit(batch(1)).values()
    assert refusal == Rejected(transient=False, text="static TLS")


def test_other_schedulers_options_are_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A script may name options for several sites."""
    plugins = run(scene())
    for _ in range(2):
        plugins.submit(batch(1, resources=Resources(options={"qos": "high"})))
    assert [record.getMessage() for record in caplog.records] == [
        "Grid Engine knows no options qos: ignored"
    ]


@pytest.mark.parametrize(
    ("library", "kind"), [("/lib/x.so", DrmaaProcess), (None, Qsub)]
)
def test_the_way_of_submitting_is_what_there_is(
    library: str | None, kind: type, caplog: pytest.LogCaptureFixture
) -> None:
    """DRMAA first; without it, said once."""
    found = attrs.evolve(INSTALLATION, library=Path(library) if library else None)
    scheduler = Scheduler(found, environ={})
    assert isinstance(scheduler._admission.submitter, kind)
    assert len(caplog.records) == (library is None)
