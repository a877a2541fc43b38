"""Why runners wait, in plain words."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sge.doubles import recorded

from gridmap_sge import pending, qstat


def test_full_queues_are_counted() -> None:
    """Each kind of remark once."""
    remarks = qstat.parse_details(recorded("qstat_j.txt"))["163"].remarks
    assert pending.explain(remarks) == "at all.q@n1, all.q@n2 all slots are taken"


def test_what_is_said_of_the_job_comes_first() -> None:
    """A held job waits because it is held, however full the queues are."""
    remarks = qstat.parse_details(recorded("qstat_j.txt"))["161"].remarks
    assert pending.explain(remarks).startswith("Job is in hold state; ")


def test_validation_is_explained() -> None:
    """The reasons, without the words round them."""
    reasons = pending.explain(recorded("qalter_never.txt").splitlines())
    assert reasons == (
        "(-l h_vmem=500G) cannot run at n1, n2 because it offers only hc:h_vmem=64.000G"
    )


def test_many_places_are_a_number() -> None:
    """A large cluster's remarks fit a line."""
    remarks = [
        f'queue instance "all.q@n{n}" dropped because it is full' for n in range(900)
    ]
    assert pending.explain(remarks) == (
        "at 900 places (all.q@n0, all.q@n1, …) all slots are taken"
    )


def test_many_kinds_are_cut() -> None:
    """The rest is counted."""
    text = pending.explain(f"reason {n}" for n in range(9))
    assert text.endswith("; and 5 more reasons")


def test_validation_proves_what_can_never_be() -> None:
    """Not what may be, and nothing about load values."""
    assert pending.never(recorded("qalter_never.txt"))
    assert not pending.never(recorded("qalter_found.txt"))
    assert not pending.never(recorded("qsub_unproven.txt"))
    assert not pending.never("")
    text = 'Job 7 cannot run in PE "smp" because it only offers 0 slots'
    assert not pending.never(f"{text}\nverification: no suitable queues")


@given(remarks=st.lists(st.text(max_size=40), max_size=8))
def test_any_remarks_are_explained(remarks: list[str]) -> None:
    """No remark raises."""
    pending.explain(remarks)
