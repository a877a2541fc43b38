"""The numbers are OpenMetrics as Prometheus itself reads it, and right."""

import threading
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser

from gridmap import events as ev
from gridmap.testing import eventually
from gridmap_dashboard import metrics
from gridmap_dashboard.library import Library
from gridmap_dashboard.observer import MetricsFile, Observer

from .conftest import BEGAN, HOSTILE, Serve, Story

Values = dict[tuple[str, str], float]


def families(text: str) -> list[Metric]:
    """Return what Prometheus' own parser reads."""
    return list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # published so


def parsed(text: str) -> Values:
    """Return each sample by its name and the value of its last label."""
    return {
        (sample.name, list(sample.labels.values())[-1]): sample.value
        for family in families(text)
        for sample in family.samples
    }


def test_the_numbers_are_those_of_the_run(told: Story) -> None:
    """Jobs, runners, causes, durations, and what nodes use."""
    values = parsed(metrics.render([told.state], BEGAN + 12.0))
    jobs = {k[1]: v for k, v in values.items() if k[0] == "gridmap_jobs"}
    assert jobs == {
        "running": 2,
        "queued": 85,
        "delayed": 0,
        "done": 12,
        "failed": 1,
        "cancelled": 0,
    }
    assert values["gridmap_runners", "busy"] == 2
    assert values["gridmap_failed_attempts_total", "raised"] == 2
    assert values["gridmap_retries_total", "raised"] == 1
    assert values["gridmap_node_memory_bytes", HOSTILE] == 11 * 2**20
    assert values["gridmap_node_cores", "n1"] == pytest.approx(0.8)
    assert values["gridmap_job_duration_seconds_bucket", "1.0"] == 12
    assert values["gridmap_job_duration_seconds_bucket", "+Inf"] == 12


def test_several_runs_share_a_family(told: Story, story: Story) -> None:
    """As the format wants it: no family stands there twice."""
    text = metrics.render([told.state, story.state], BEGAN)
    names = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert parsed(text)


def test_nothing_is_a_text_too() -> None:
    """Where there is no run there is at least an end."""
    assert metrics.render([], BEGAN) == "# EOF\n"


@pytest.mark.parametrize("name", ['"', "\\", "a\nb", "\udcff", "}", ""])
def test_any_name_can_be_read_back(name: str) -> None:
    """Labels are what people and file systems call things."""
    text = metrics.render([Story(name=name).state], BEGAN)
    text.encode()
    (info,) = (family.samples[0] for family in families(text) if family.type == "info")
    assert info.labels["name"] == name.replace("\udcff", "?")


def test_the_page_has_them(told: Story, serve: Serve) -> None:
    """For a scraper that shows the token as a bearer's, and no other."""
    browser = serve(Library([told.state]), enter=False)
    status, headers, text = browser.ask(
        "/metrics", authorization=f"Bearer {browser.token}"
    )
    assert status == 200
    assert headers["content-type"] == metrics.CONTENT_TYPE
    assert parsed(text)["gridmap_run_active", f"{HOSTILE}sweep"] == 1
    assert browser.ask("/metrics")[0] == 403


def test_the_file_is_there_from_the_first_and_right_at_the_last(tmp_path: Path) -> None:
    """It is replaced as a whole, ``{run}`` in its name is the run's token."""
    observer = Observer({"metrics_file": str(tmp_path / "{run}.prom")})
    place = tmp_path / "r1.prom"

    def tell(event: ev.AnyEvent) -> None:
        observer(event)

    tell(
        ev.RunStarted(run="r1", at=BEGAN, name="n", backend="local", directory="/none")
    )
    eventually(place.exists, within_s=10.0, what="the file")
    assert parsed(place.read_text())["gridmap_run_active", "n"] == 1
    tell(ev.JobsQueued(run="r1", at=BEGAN, first=0, stop=7))
    tell(ev.RunEnded(run="r1", at=BEGAN + 1, error=None))
    values = parsed(place.read_text())
    assert values["gridmap_run_active", "n"] == 0
    assert values["gridmap_jobs", "queued"] == 7
    assert [path.name for path in tmp_path.iterdir()] == ["r1.prom"]
    assert not [t for t in threading.enumerate() if t.name == "gridmap-metrics"]


def test_a_place_that_cannot_be_written_is_told_once(
    told: Story, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run goes on, and nothing is left behind."""
    file = MetricsFile(tmp_path / "missing" / "m.prom", told.state)
    file.start()
    file.stop()
    assert caplog.text.count("cannot write metrics") == 1
