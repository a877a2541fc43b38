"""Submitting with qsub."""

import pytest
from tests.unit.sge.doubles import CONTEXT, INSTALLATION, FakePrograms, batch

from gridmap.backend import Handle
from gridmap.desk import Desk
from gridmap.programs import Answer, NoAnswer
from gridmap_sge import array, qsub
from gridmap_sge.programs import Programs
from gridmap_sge.qsub import Qsub
from gridmap_sge.submission import SubmitError

ARRAY = array.build(batch(3), CONTEXT)
HANDLES = tuple(Handle("17", str(n)) for n in (1, 2, 3))


def submit(answer: Answer | NoAnswer) -> tuple[Handle, ...]:
    """Submit where qsub answers so."""
    programs = FakePrograms()
    programs.say("qsub", answer)
    return Qsub(Programs(INSTALLATION, {}, Desk(run=programs))).submit(ARRAY)


@pytest.mark.parametrize(
    "output",
    ["17.1-3:1\n", "17.1-3\n", "Welcome to the site!\n\n17.1-3:1\n", "17.1,2,3\n"],
)
def test_ids_are_found_among_banners(output: str) -> None:
    """A site may print what it likes."""
    assert submit(Answer(status=0, output=output)) == HANDLES


@pytest.mark.parametrize(
    ("answer", "transient", "uncertain", "text"),
    [
        (
            Answer(
                status=1,
                errors='Unable to run job: Job was rejected because job requests unknown queue "x"\nExiting.\n',
            ),
            False,
            False,
            'Job was rejected because job requests unknown queue "x"',
        ),
        (
            Answer(
                status=1,
                errors="Unable to run job: unable to contact qmaster\nExiting.",
            ),
            True,
            False,
            "unable to contact qmaster",
        ),
        (Answer(status=1), True, True, "exit status 1, and no word"),
        (Answer(status=0, output="ok\n"), True, True, "ok"),
        (Answer(status=0, output="17.1-2:1\n"), True, True, "17.1-2:1"),
        (NoAnswer(text="no answer", started=True), True, True, "no answer"),
        (NoAnswer(text="not there", started=False), True, False, "not there"),
    ],
)
def test_refusals_are_sorted(
    answer: Answer | NoAnswer, *, transient: bool, uncertain: bool, text: str
) -> None:
    """Without an id and without a refusal nobody knows what the scheduler did."""
    with pytest.raises(SubmitError) as caught:
        submit(answer)
    error = caught.value
    assert (error.transient, error.uncertain, error.text) == (
        transient,
        uncertain,
        text,
    )
    assert str(error) == text


def test_qsub_knows_no_ends() -> None:
    """It has ended itself."""
    way = Qsub(Programs(INSTALLATION, {}, Desk()))
    assert way.reap(HANDLES) == {}
    way.close()


@pytest.mark.parametrize("text", ["", "17", "17.x", "x17.1", "17.5-1:1"])
def test_what_is_no_id_is_none(text: str) -> None:
    """Ids stand alone on a line."""
    assert qsub.parse(text) == ()
