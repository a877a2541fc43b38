"""The rules of a runner, one case at a time: jobs on their way to its worker."""

from tests.unit.runner.bench import Bench, work

from gridmap.protocol import messages as m
from gridmap.runner import actions as ra


def test_jobs_of_unknown_length_go_one_by_one() -> None:
    """What is handed to the worker cannot be handed back."""
    bench = Bench()
    bench.hear(work(1, 0, 10))
    assert bench.fed() == [(1, 0)]
    bench.result(0)
    assert bench.fed() == [(1, 1)]


def test_quick_jobs_go_in_slices_without_a_gap() -> None:
    """All jobs are handed over once, in order, and their grants are dropped."""
    bench = Bench()
    bench.hear(work(1, 0, 40), work(2, 60, 5))
    done: list[tuple[int, int]] = []
    while slice_ := bench.fed():
        for _, job in slice_:
            bench.result(job, seconds=0.002)
        done += slice_
    assert done == [(1, job) for job in range(40)] + [(2, j) for j in range(60, 65)]
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1, 2]
    assert sum(report.count for report in bench.take(m.Report)) == 45


def test_work_heard_twice_is_done_once() -> None:
    """Hearing of a grant again changes nothing."""
    bench = Bench()
    bench.hear(work(1, 0, 1), work(1, 0, 1))
    assert bench.fed() == [(1, 0)]
    bench.result(0)
    assert bench.fed() == []


def test_recall_hands_back_what_is_not_started() -> None:
    """The rest of the grant stays, and a second recall finds nothing."""
    bench = Bench()
    bench.hear(work(1, 0, 10), m.Recall(grant=1), m.Recall(grant=1), m.Recall(grant=9))
    (back,) = bench.take(m.Returned)
    assert (back.grant, back.first, back.count) == (1, 1, 9)
    assert not bench.take(ra.DropGrant)
    bench.result(0)
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]


def _with_a_queue() -> Bench:
    """Return a bench whose worker is at job 1 of a grant, with others behind it."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    assert len(bench.fed()) > 10
    return bench


def test_what_waits_behind_a_long_job_is_withdrawn_and_handed_back() -> None:
    """Jobs that were quick before say nothing of those that come."""
    bench = _with_a_queue()
    bench.hear(m.Recall(grant=1))
    bench.take(m.Returned)
    bench.tick(0.05, (1, 0.05))
    assert not bench.take(ra.Withdraw)
    bench.tick(0.5, (1, 0.55))
    bench.tick(0.5, (1, 1.05))
    assert len(bench.take(ra.Withdraw)) == 1
    bench.do(bench.machine.withdrawn(1, bench.now))
    (back,) = bench.take(m.Returned)
    assert back.first == 2
    bench.result(1, seconds=2.0)
    assert bench.fed() == []
    bench.do(bench.machine.cleared(bench.now))
    assert bench.fed() == []
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]


def test_what_was_withdrawn_is_run_when_nobody_else_wants_it() -> None:
    """In order, once each, and not before the worker has read the mark."""
    bench = _with_a_queue()
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(1, bench.now))
    bench.result(1, seconds=2.0)
    assert bench.fed() == []
    bench.do(bench.machine.cleared(bench.now))
    assert bench.fed()[0] == (1, 2)
    assert not bench.take(m.Returned)


def test_a_job_that_was_about_to_begin_is_not_lost() -> None:
    """The worker said it was at it, and found that it may not: it was not begun."""
    bench = _with_a_queue()
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(2, bench.now))
    bench.result(1, seconds=0.5)
    bench.do(bench.machine.cleared(bench.now))
    assert bench.fed()[0] == (1, 2)


def test_a_recall_is_remembered_for_what_turns_out_not_to_be_begun() -> None:
    """Asked once, a runner hands back what it finds later."""
    bench = _with_a_queue()
    bench.hear(m.Recall(grant=1))
    bench.take(m.Returned)
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(None, bench.now))
    assert not bench.take(m.Returned)
    bench.result(1, seconds=0.5)
    bench.do(bench.machine.cleared(bench.now))
    (back,) = bench.take(m.Returned)
    assert back.first == 2
    assert bench.fed() == []


def test_a_worker_that_dies_withdrawn_leaves_the_next_one_free() -> None:
    """What it was not to begin goes to the next one, which has no mark to read."""
    bench = _with_a_queue()
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(1, bench.now))
    bench.worker_ends(1)
    bench.worker_starts()
    assert bench.fed()[0] == (1, 2)
    bench.do(bench.machine.cleared(bench.now))
    assert not bench.take(m.Returned)


def test_a_job_that_was_left_out_is_accounted_for_once() -> None:
    """A cancelled job that was passed over comes by again with those around it."""
    bench = _with_a_queue()
    bench.hear(m.Cancel(grant=1, first=5, count=1))
    bench.tick(0.5, (1, 0.5))
    bench.do(bench.machine.withdrawn(1, bench.now))
    bench.result(1, seconds=0.5)
    bench.do(bench.machine.cleared(bench.now))
    bench.worker_ends(2)
    bench.worker_starts()
    done = [job for _, job in bench.fed()]
    while done:
        for job in done:
            bench.result(job, seconds=0.001)
        assert not bench.take(ra.DropGrant) or done[-1] == 199
        done = [job for _, job in bench.fed()]
    reported = sum(report.count for report in bench.take(m.Report))
    assert reported == 200 - 1 - 1  # without the cancelled one, and the lost one


def test_a_job_that_is_not_started_is_cancelled_in_silence() -> None:
    """It is left out; the others are run."""
    bench = Bench()
    bench.hear(work(1, 0, 4), m.Cancel(grant=1, first=1, count=2))
    bench.result(0)
    bench.result(3)
    assert bench.fed() == [(1, 0), (1, 3)]
    assert not bench.take(ra.KillWorker)
    assert bench.beat().holds == (1,)  # the reports are not acknowledged
    numbers = tuple(report.number for report in bench.take(m.Report))
    bench.hear(m.Ack(numbers=numbers))
    assert bench.beat().holds == ()


def test_a_whole_grant_can_be_cancelled() -> None:
    """Whatever its span is: the monitor says all it can say."""
    bench = Bench()
    bench.hear(work(1, 5, 3), work(2, 8, 2), m.Cancel(grant=2, first=0, count=2**53))
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [2]
    bench.hear(m.Cancel(grant=1, first=0, count=2**53))
    assert bench.take(ra.KillWorker)
    bench.worker_ends(5)
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]
    assert not bench.take(m.WorkerLost)


def test_cancelling_the_running_job_ends_the_worker() -> None:
    """Nobody is told of a loss, and the next job is run by a new worker."""
    bench = Bench()
    bench.hear(work(1, 0, 2), m.Cancel(grant=1, first=0, count=1))
    assert bench.take(ra.KillWorker)
    bench.fed()
    bench.worker_ends(0)
    bench.worker_starts()
    assert bench.fed() == [(1, 1)]
    assert not bench.take(m.WorkerLost)


def test_a_kill_that_hits_the_next_job_is_not_that_jobs_fault() -> None:
    """The cancelled job ended just before: the next one is run again."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    bench.fed()
    bench.hear(m.Cancel(grant=1, first=1, count=1))
    assert bench.take(ra.KillWorker)
    bench.result(1, seconds=0.001)
    bench.worker_ends(2)
    bench.worker_starts()
    assert not bench.take(m.WorkerLost)
    assert bench.fed()[0] == (1, 2)


def test_a_crash_at_the_moment_of_a_kill_is_still_a_crash() -> None:
    """Only SIGKILL is ours."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    bench.hear(m.Cancel(grant=1, first=1, count=1))
    bench.result(1, seconds=0.001)
    bench.worker_ends(2, signal=11)
    (lost,) = bench.take(m.WorkerLost)
    assert (lost.job, lost.signal) == (2, 11)


def test_a_cancelled_job_behind_gathered_results_is_ended() -> None:
    """Results of quick jobs gather in the worker: the first handed over is done."""
    bench = Bench()
    bench.hear(work(1, 0, 200))
    bench.result(0, seconds=0.001)
    bench.hear(m.Cancel(grant=1, first=2, count=1))
    assert not bench.take(ra.KillWorker)
    bench.tick(0.5, running=(2, 0.5))
    assert bench.take(ra.KillWorker)


def test_nothing_is_handed_to_a_worker_that_is_to_end() -> None:
    """It would be lost with it."""
    bench = Bench()
    bench.hear(work(1, 0, 1), m.Cancel(grant=1, first=0, count=1))
    bench.fed()
    bench.hear(work(2, 0, 1))  # the same job again, as after a stall
    assert bench.fed() == []
    bench.worker_ends(0)
    bench.worker_starts()
    assert bench.fed() == [(2, 0)]
    bench.result(0)
    assert [report.grant for report in bench.take(m.Report)] == [2]


def test_a_job_of_two_grants_is_handed_over_once_at_a_time() -> None:
    """A result says which job it is of, not which grant."""
    bench = Bench()
    bench.hear(work(1, 0, 9))
    bench.result(0, seconds=0.002)
    assert bench.fed() == [(1, job) for job in range(9)]
    bench.hear(m.Cancel(grant=1, first=8, count=1), work(2, 7, 2))
    for job in range(1, 6):
        bench.result(job, seconds=0.002)
    assert bench.fed() == []  # there is room, but the worker has both of them yet
    bench.result(6, seconds=0.002)
    bench.result(7, seconds=0.002)
    assert bench.take(ra.KillWorker)
    bench.worker_ends(8)
    bench.worker_starts()
    assert bench.fed() == [(2, 7), (2, 8)]


def test_a_death_in_mid_slice_costs_one_job() -> None:
    """What was finished is reported, what was not begun is handed over anew."""
    bench = Bench()
    bench.hear(work(1, 0, 40))
    bench.result(0, seconds=0.002)
    fed = bench.fed()
    assert len(fed) > 3
    bench.result(1, seconds=0.002)
    bench.worker_ends(2, signal=11)
    (lost,) = bench.take(m.WorkerLost)
    assert (lost.grant, lost.job, lost.signal, lost.tail) == (1, 2, 11, "bye")
    bench.worker_starts()
    assert bench.fed()[0] == (1, 3)


def test_a_result_lost_with_the_worker_is_made_again() -> None:
    """A job before the one that died has no result: it is run again, that one not."""
    bench = Bench()
    bench.hear(work(1, 0, 4))
    bench.result(0, seconds=0.002)
    assert bench.fed() == [(1, job) for job in range(4)]
    bench.worker_ends(2, signal=11)
    bench.worker_starts()
    assert bench.fed() == [(1, 1), (1, 3)]
    bench.result(1, seconds=0.002)
    bench.result(3, seconds=0.002)
    assert [drop.grant for drop in bench.take(ra.DropGrant)] == [1]


def test_results_heard_twice_count_once() -> None:
    """A dead worker's last words may come by two ways."""
    bench = Bench()
    bench.hear(work(1, 0, 2))
    bench.result(0)
    bench.result(0)
    assert len(bench.take(m.Report)) == 1
