"""Every state and every step: a row of the table, or an error that changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import LocalProtocolError
from gridmap.lifecycle import (
    JOB_TRANSITIONS,
    RUNNER_TRANSITIONS,
    JobState,
    JobStep,
    RunnerState,
    RunnerStep,
    move_jobs,
    move_runner,
)


@given(st.sampled_from(RunnerState), st.sampled_from(RunnerStep))
def test_every_runner_pair_is_a_row_or_an_error(
    state: RunnerState, step: RunnerStep
) -> None:
    """What is not in the table is forbidden, by name."""
    row = RUNNER_TRANSITIONS[state]
    if step in row:
        assert move_runner(state, step) is row[step]
    else:
        with pytest.raises(LocalProtocolError, match=f"{step.name}.*{state.name}"):
            move_runner(state, step)


@given(
    states=st.lists(st.sampled_from(JobState), min_size=1, max_size=12),
    step=st.sampled_from(JobStep),
    data=st.data(),
)
def test_jobs_move_together_or_not_at_all(
    states: list[JobState], step: JobStep, data: st.DataObject
) -> None:
    """A range moves if all of it is in one state that has a row for the step."""
    first = data.draw(st.integers(0, len(states) - 1))
    stop = data.draw(st.integers(first + 1, len(states)))
    table = bytearray(states)
    alike = len(set(states[first:stop])) == 1
    after = JOB_TRANSITIONS[states[first]].get(step)
    if alike and after is not None:
        move_jobs(table, first, stop, step)
        moved = [after] * (stop - first)
        assert table == bytearray([*states[:first], *moved, *states[stop:]])
    else:
        with pytest.raises(LocalProtocolError, match=step.name):
            move_jobs(table, first, stop, step)
        assert table == bytearray(states)


def test_final_states_are_those_without_a_way_out() -> None:
    """A job that ended stays as it ended."""
    final = {JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    assert {state for state in JobState if state.final} == final


@pytest.mark.parametrize("state", [s for s in JobState if not s.final])
def test_every_open_job_can_be_cancelled_and_can_end(state: JobState) -> None:
    """No state is a dead end."""
    assert JobStep.CANCEL in JOB_TRANSITIONS[state]
    assert JobStep.FAIL in JOB_TRANSITIONS[state]


@pytest.mark.parametrize("state", set(RunnerState) - {RunnerState.GONE})
def test_every_runner_can_end(state: RunnerState) -> None:
    """Whatever it was doing, it may be found gone."""
    assert RUNNER_TRANSITIONS[state][RunnerStep.END] is RunnerState.GONE


def test_a_state_fits_a_byte() -> None:
    """A million jobs are a megabyte."""
    assert all(0 <= state < 256 for state in JobState)
