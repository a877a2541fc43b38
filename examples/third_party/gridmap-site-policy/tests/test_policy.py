"""The site's rules hold on every backend: on local with real maps, as text elsewhere."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridmap import Escalate, Job, JobException, grid_map, process_jobs
from gridmap.errors import InvalidRequestError
from gridmap.resources import Resources

POLICY = """
account = "physics"
memory = "1G"
audit = {audit!r}
[forbidden_queues]
interactive = "it is for people; say queue='batch'"
"""


@pytest.fixture(autouse=True)
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the audit's file, on a site with rules."""
    path = tmp_path / "audit.jsonl"
    (tmp_path / "policy.toml").write_text(POLICY.format(audit=str(path)))
    monkeypatch.setenv("GRIDMAP_SITE_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("GRIDMAP_RUNS", str(tmp_path / "runs"))
    return path


def entries(audit: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in audit.read_text().splitlines()]


def local_map(function: Any, calls: list[Any], **options: Any) -> list[Any]:
    return list(grid_map(function, calls, backend="local", quiet=True, **options))


def test_what_is_submitted_is_written_down(audit: Path) -> None:
    """With the account that was added, and the memory that is left of a request."""
    request = Resources(memory="8G", cores=1)
    assert local_map(abs, [-1, -2], max_workers=1, resources=request) == [1, 2]
    (entry,) = entries(audit)
    assert (entry["account"], entry["memory"]) == ("physics", 2**30)
    assert (len(entry["runners"]), entry["refused"]) == (1, 0)


def test_each_kind_of_request_in_a_list_is_asked_for(audit: Path) -> None:
    """However they are mixed; on one machine, at once and as they come."""
    kinds = ["256M", "512M", "256M", "512M", "256M"]
    jobs = [Job(abs, [-n], mem_free=kind) for n, kind in enumerate(kinds)]
    made = process_jobs(jobs, backend="local", quiet=True, max_workers=5)
    assert made == [0, 1, 2, 3, 4]
    assert {entry["memory"] for entry in entries(audit)} == {2**28, 2**29}


def test_the_users_account_stays(audit: Path) -> None:
    """A default is for those who say nothing; so is a bound for those above it."""
    request = Resources(memory="512M", account="biology")
    local_map(abs, [-1], resources=request)
    (entry,) = entries(audit)
    assert (entry["account"], entry["memory"]) == ("biology", 2**29)


def test_a_forbidden_queue_is_refused_before_anything_is_submitted(audit: Path) -> None:
    """In the site's words, as the user's mistake and not as a plugin's."""
    with pytest.raises(InvalidRequestError, match="it is for people; say queue='ba"):
        local_map(abs, [-1], resources=Resources(queue="interactive"))
    assert not audit.exists()


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("memory = 'lots'", "memory='lots' is not an amount"),
        ("memory = = 1", "Invalid value"),
        ("forbiden_queues = {}", "there is no rule forbiden_queues"),
        ("audit = 7", "site's rules"),
    ],
)
def test_rules_that_make_no_sense_are_the_sites_mistake(
    audit: Path, rules: str, words: str
) -> None:
    """Its file is named; a rule that is misspelt is not left out in silence."""
    place = audit.with_name("policy.toml")
    place.write_text(rules)
    with pytest.raises(InvalidRequestError, match=words) as refused:
        local_map(abs, [-1])
    assert str(place) in str(refused.value)
    assert "tell whoever keeps them" in str(refused.value)


def grow(path: str) -> int:
    """Fail once for want of memory."""
    if not Path(path).exists():
        Path(path).touch()
        raise MemoryError
    return 5


def test_no_attempt_asks_for_more_than_the_site_allows(
    audit: Path, tmp_path: Path
) -> None:
    """What is tried again with more memory stays below the bound."""
    retry, request = Escalate(memory=["4G"]), Resources(memory="512M")
    mark = str(tmp_path / "mark")
    assert local_map(grow, [mark], resources=request, retry=retry) == [5]
    assert [entry["memory"] for entry in entries(audit)] == [2**29, 2**30]


def forbid(path: str) -> None:
    """Change the rules, and fail for want of memory."""
    Path(path).write_text('[forbidden_queues]\nbatch = "it is being drained"\n')
    raise MemoryError


def test_rules_that_change_hold_for_the_next_attempt(tmp_path: Path) -> None:
    """What they forbid ends the job with the site's words; nothing hangs."""
    retry, request = Escalate(memory=["4G"]), Resources(memory="1G", queue="batch")
    path = str(tmp_path / "policy.toml")
    with pytest.raises(JobException, match="it is being drained"):
        local_map(forbid, [path], resources=request, retry=retry)


def test_a_map_survives_an_audit_that_cannot_be_written(
    audit: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, and the runners are not lost."""
    audit.mkdir()
    with caplog.at_level(logging.WARNING):
        assert local_map(abs, [-1]) == [1]
    assert "audit cannot be written" in caplog.text


@pytest.mark.parametrize("backend", ["sge", "slurm"])
def test_clusters_are_asked_under_the_same_rules(backend: str) -> None:
    """The submission is that of a user who asked for what the rules allow."""
    bare = {**os.environ, "GRIDMAP_SITE_POLICY": "/nowhere"}
    asked = render(backend, "--memory=8G")
    assert asked == render(backend, "--memory=1G", "--account=physics", environ=bare)
    assert asked != render(backend, "--memory=8G", environ=bare)


def render(backend: str, *needs: str, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gridmap", "render", "--backend", backend, *needs],
        check=True,
        env=environ,
        capture_output=True,
        text=True,
    )
    return done.stdout
