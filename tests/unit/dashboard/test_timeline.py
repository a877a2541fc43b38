"""Who was busy when is what the events say, in memory that does not grow with jobs."""

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap import events as ev
from gridmap.control import record
from gridmap.driver import Driver
from gridmap.overview import Point, Readings
from gridmap_dashboard import pages, views
from gridmap_dashboard.lanes import MOST_SEGMENTS, Kind, Lane, Segment
from gridmap_dashboard.series import MOST_BINS, Bins
from gridmap_dashboard.state import RunState
from gridmap_dashboard.timeline import Timeline

from .conftest import BEGAN, Story


def pieces(timeline: Timeline, lane: int = 0) -> list[tuple[float, float, Kind]]:
    found = timeline.lanes.lanes[lane].segments
    return [(one.start, one.end, one.kind) for one in found]


def test_jobs_are_shown_where_and_when_they_ran(story: Story) -> None:
    """Each end is a piece on its runner's lane; what is left runs on."""
    story.up(1)
    story.give(0, 4, 1, at=2.0)
    story.done(0, 1, 1, at=3.0, seconds=0.75)
    story.fail(1, at=5.0, ran_s=2.0)
    story.fail(2, at=6.0, again=True)
    timeline = story.state.timeline
    assert pieces(timeline) == [
        (2.25, 3.0, Kind.DONE),
        (3.0, 5.0, Kind.FAILED),
        (5.0, 6.0, Kind.RETRIED),
    ]
    assert {job: visit.since for job, visit in timeline.running().items()} == {3: 6.0}
    assert timeline.node(2) == "n1"
    assert timeline.details[2].seconds == pytest.approx(1.0)


@pytest.mark.parametrize("outcome", ["won", "took over", "failed", "dropped"])
def test_a_job_that_is_run_twice_is_on_two_lanes(story: Story, outcome: str) -> None:
    """Until one attempt is over; the piece is on the lane of the other."""
    story.up(1)
    story.up(2)
    story.give(0, 1, 1, at=2.0)
    told = {"job": 0, "runner": 2, "attempt": 2}
    story.tell(ev.JobSpeculated, 5.0, first=1, ran_s=3.0, patience_s=2.0, **told)
    timeline = story.state.timeline
    assert [visit.job for visit in timeline.visits.values()] == [0, 0]
    assert timeline.lanes.lanes[timeline.job_lanes[0]].runner == 1
    if outcome == "took over":
        story.fail(0, at=8.0, again=True, ran_s=6.0)
    story.tell(ev.SpeculationEnded, 8.0, outcome=outcome, text="so it is", **told)
    counts = outcome in {"won", "took over"}
    if counts:
        story.give(0, 1, 2, at=8.0)
    jobs = [visit.job for visit in timeline.visits.values()]
    assert jobs == ([None, 0] if counts else [0, None])
    story.done(0, 1, 2 if counts else 1, at=9.0, seconds=4.0 if counts else 7.0)
    assert [visit.job for visit in timeline.visits.values()] == [None, None]
    ends = {lane: pieces(timeline, lane) for lane in (0, 1)}
    if counts:
        assert ends[1] == [(5.0, 9.0, Kind.DONE)]
    else:
        assert ends == {0: [(2.0, 9.0, Kind.DONE)], 1: []}


def test_a_lane_is_used_again_when_its_runner_is_gone(story: Story) -> None:
    """As many lanes as runners at the same time, on each node."""
    for runner in range(10):
        story.up(runner, node="ab"[runner % 2], at=float(runner))
        if runner >= 2:
            story.tell(ev.RunnerGone, runner + 0.5, runner=runner - 2, text="over")
    assert [lane.node for lane in story.state.timeline.lanes.lanes] == [*"abab"]


def test_a_runner_that_came_up_elsewhere_leaves_its_lane(story: Story) -> None:
    """A scheduler may start a runner again in place, on another node."""
    story.up(1, "a")
    story.up(1, "a", at=2.0)
    story.up(1, "b", at=3.0)
    lanes = story.state.timeline.lanes.lanes
    assert [(lane.node, lane.runner) for lane in lanes] == [("a", None), ("b", 1)]


def test_jobs_of_others_are_nobodys_piece(story: Story) -> None:
    """A job given to a second runner is not drawn on the first."""
    story.up(1)
    story.up(2)
    story.give(0, 2, 1)
    story.give(1, 2, 2, at=2.0)
    story.done(1, 2, 2, at=3.0)
    assert pieces(story.state.timeline, 0) == []
    assert pieces(story.state.timeline, 1) == [(2.0, 3.0, Kind.DONE)]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6), st.floats(0, 1e5), st.sampled_from(Kind), st.integers(1)
        ),
        min_size=1,
        max_size=200,
    ),
    st.integers(8, 40),
)
def test_a_lane_never_has_too_many_pieces_and_loses_no_job(
    items: list[tuple[float, float, Kind, int]], most: int
) -> None:
    """Neighbours grow together; the worst kind and the count of jobs stay."""
    lane, at = Lane(number=0, node="n"), 0.0
    for gap, length, kind, jobs in items:
        start = at + gap
        at = start + length
        lane.add(Segment(start, at, kind, 0, jobs), most)
        assert len(lane.segments) <= most
    ends = [time for one in lane.segments for time in (one.start, one.end)]
    assert ends == sorted(ends)
    assert sum(one.jobs for one in lane.segments) == sum(jobs for *_, jobs in items)
    assert max(one.kind for one in lane.segments) == max(
        kind for _, _, kind, _ in items
    )


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 1000)), max_size=100))
def test_bins_count_everything(items: list[tuple[float, int]]) -> None:
    """However coarse they become."""
    bins = Bins()
    for at, count in items:
        bins.add(at, count)
    assert sum(bins.counts) == sum(count for _, count in items)
    assert len(bins.counts) <= MOST_BINS


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=500), st.integers(4, 50))
def test_readings_keep_the_ends_and_their_order(gaps: list[float], most: int) -> None:
    """Half of them go where there are too many, and times stay in order."""
    readings, at = Readings(), 0.0
    for gap in gaps:
        at += gap
        readings.add(Point(at, 1.0, 2.0, 3), most)
    times = [point.at for point in readings]
    assert 1 <= len(times) <= most
    assert times == sorted(times)


def test_processors_are_what_was_used_between_two_heartbeats(story: Story) -> None:
    """A count that begins anew is another worker's."""
    story.up(1)
    for at, cpu_s in ((10.0, 5.0), (20.0, 15.0), (30.0, 2.5)):
        story.beat(1, at, cpu_s, rss=100)
    cores = [point.cores for point in story.state.timeline.lanes.lanes[0].readings]
    assert cores == [0.0, 1.0, 0.25]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_million_jobs_take_a_few_bytes_each() -> None:
    """Memory is bounded: 18 bytes a job, and what a screen can show."""
    tracemalloc.start()
    story, jobs, batch = Story(), 1_000_000, 1_000
    story.tell(ev.JobsQueued, 0.0, first=0, stop=jobs)
    for runner in range(100):
        story.up(runner, node=f"n{runner // 10}")
    for first in range(0, jobs, batch):
        runner, at = first // batch % 100, 1.0 + first / 1000
        story.give(first, first + batch, runner, at)
        story.done(first, first + batch, runner, at + 20.0, seconds=10.0)
        story.beat(runner, at, at, rss=2**20)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    pieces = sum(len(lane.segments) for lane in story.state.timeline.lanes.lanes)
    assert pieces <= MOST_SEGMENTS
    assert held < 40 * 2**20


def test_progress_is_of_the_job_that_runs(story: Story) -> None:
    """What a job said goes with it, and numbers that are none are no part of a whole."""
    story.tell(ev.JobsQueued, 0.0, first=0, stop=9)
    story.up(1)
    story.give(0, 3, 1)

    def told(job: int) -> object:
        return pages.one(story.state, job, BEGAN + 5.0)["progress"]

    assert told(0) is None
    story.tell(ev.JobProgress, 2.0, runner=1, job=0, done=3, total=12, text="fold")
    assert told(0) == {"part": 0.25, "text": "3 of 12 fold"}
    assert views.runners(story.state, BEGAN + 5.0)["runners"][0]["progress"] == told(0)
    assert told(1) is None
    story.done(0, 1, 1, at=3.0)
    assert told(0) is None
    assert told(1) is None
    for done, total in ((math.nan, 1.0), (math.inf, 2.0), (1.0, None), (1.0, 0.0)):
        story.tell(ev.JobProgress, 4.0, runner=1, job=1, done=done, total=total)
        found = told(1)
        assert isinstance(found, dict)
        assert found["part"] is None
        json.dumps(found, allow_nan=False)


def test_curves_do_not_drop_at_their_end(story: Story) -> None:
    """What was heard last holds to the end of the chart, wherever that is."""
    story.tell(ev.JobsQueued, 0.0, first=0, stop=9)
    story.up(1)
    for second in range(1, 10):
        story.beat(1, 1.0 + second, 0.8 * second, 2**20)
    for tenth in range(300):
        at = 11.0 + 0.1 * tenth
        (node,) = views.charts(story.state, BEGAN + at)["nodes"]
        assert node["cores"][-1] == pytest.approx(0.8), at
        assert node["memory"][-1] == 2**20, at


def past(story: Story) -> RunState:
    """Return a run as its record tells it."""
    driver = Driver.here()
    kept = record.make(story.state.overview, driver, "1.0", kept=False)
    return RunState.of(record.decode(record.encode(kept)).overview())


def rounded(state: RunState) -> object:
    """Return a timeline with times that a record keeps."""
    shown = views.timeline(state, BEGAN + 20.0)
    return json.loads(json.dumps(shown), parse_float=lambda text: round(float(text), 1))


def test_a_run_that_is_over_has_the_timeline_it_had(story: Story) -> None:
    """Its record tells where and when jobs ran, its curves, and why jobs failed."""
    for runner, node in ((1, "n1"), (2, "n1"), (3, "n2")):
        story.up(runner, node)
        story.give(10 * runner - 10, 10 * runner, runner, at=1.0)
        for second in range(1, 8):
            story.beat(runner, 1.0 + second, 0.5 * second, second * 2**20, job=10)
        story.done(10 * runner - 10, 10 * runner - 4, runner, at=7.0, seconds=6.0)
    story.fail(6, at=8.5, ran_s=1.0)
    for runner in (1, 2, 3):
        story.tell(ev.RunnerGone, 9.0, runner=runner, text="it left")
    story.up(4, "n1", at=9.5)
    story.give(7, 9, 4, at=9.5)
    story.done(7, 9, 4, at=11.5, seconds=2.0)
    story.tell(ev.RunEnded, 12.0, error=None)
    watched, after = story.state, past(story)
    lanes = views.timeline(after, BEGAN + 20.0)["nodes"]
    assert [node["node"] for node in lanes] == ["n1", "n2"]
    assert rounded(after) == rounded(watched)
    for now in (BEGAN + 12.0, BEGAN + 20.0):
        one, two = views.charts(after, now), views.charts(watched, now)
        assert [node["node"] for node in one["nodes"]] == ["n1", "n2"]
        assert one["nodes"] == two["nodes"]
    job = pages.one(after, 6, BEGAN + 20.0)
    assert job["traceback"] == pages.one(watched, 6, BEGAN + 20.0)["traceback"] != ""
    assert len(pages.one(after, 10, BEGAN + 20.0)["vitals"]) == 7
    stands = views.summary(after, BEGAN + 20.0)
    assert stands["causes"] == views.summary(watched, BEGAN + 20.0)["causes"]


def test_a_run_is_joined_where_it_stands(story: Story) -> None:
    """What runs when a page is opened is drawn on, behind what was before."""
    story.up(1)
    story.give(0, 4, 1, at=1.0)
    story.done(0, 2, 1, at=3.0, seconds=2.0)
    joined = past(story)
    assert [visit.spans for visit in joined.timeline.visits.values()] == [[(2, 4)]]
    joined.take(
        ev.JobsDone(run="r1", at=BEGAN + 5.0, first=2, stop=4, runner=1, seconds=2.0)
    )
    assert len(joined.timeline.lanes.lanes) == 1
    assert sum(one.jobs for one in joined.timeline.lanes.lanes[0].segments) == 4


def test_jobs_are_found_by_their_own_names(story: Story) -> None:
    """Where their user gave them some."""
    story.tell(ev.JobsQueued, 0.0, first=0, stop=2, names=("fit-red", "fit-blue"))
    found = pages.table(story.state, pages.Query(text="Blue"), BEGAN)
    assert [(row["job"], row["name"]) for row in found["rows"]] == [(1, "fit-blue")]
