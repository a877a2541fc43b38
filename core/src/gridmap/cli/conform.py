"""``gridmap conform``: does a backend keep its promises on this site's own cluster."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gridmap.cli.parameters import BackendName, json_option, needs_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.plugins import InstalledBackend
    from gridmap.resources import Resources
    from gridmap.testing.rules import Rule
    from gridmap.testing.session import Outcome

_EXTRA: Final = (
    "the conformance suite needs pytest: pip install 'gridmap-core[testing]'"
)
_STYLES: Final = {
    "passed": ("  ok", "good"),
    "failed": ("FAIL", "bad"),
    "skipped": ("skip", "doubtful"),
}


@click.command("conform", short_help="Try a backend's promises on your own cluster.")
@click.argument("backend", type=BackendName())
@needs_options
@click.option(
    "--held",
    metavar="TEXT",
    help="Raw option that keeps a runner waiting: --held=-h, --held=--hold.",
)
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the scheduler may take to start, end, kill and account.",
)
@click.option(
    "--poll-gap",
    "poll_gap_s",
    type=click.FloatRange(min=0.0),
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks at a state that must not change.",
)
@click.option(
    "--place",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Directory shared with the nodes; without it where runs are kept.",
)
@click.option(
    "-k",
    "words",
    default="",
    metavar="WORDS",
    help="Only cases whose names have these words, as pytest has it: 'kill or attach'.",
)
@click.option(
    "--report",
    type=click.File("w", encoding="utf-8", lazy=True),
    help="File into which the report is written too; JSON with --json.",
)
@json_option
def command(*, report: Any, as_json: bool, **options: Any) -> int:
    """Try on your own cluster whether BACKEND does what every backend must.

    The conformance suite starts about a hundred short runners, watches and kills them,
    and runs a few maps; it touches no jobs but its own. Every case that fails names the
    rule that was broken and what was seen. The exit status is 1 if one did.

    Say with --memory, --queue and the like what the runners are to ask for: something
    that your scheduler starts at once.
    """
    from gridmap import plugins  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import BackendUnavailableError  # noqa: PLC0415

    backend = plugins.installed().find(options.pop("backend"))
    availability = backend.availability()
    if not availability.usable:
        raise BackendUnavailableError(backend.info.name, availability.reason)
    if importlib.util.find_spec("pytest") is None:
        raise click.ClickException(_EXTRA)
    if report is not None:
        _check_writable(report.name)
    outcomes, place = _conform(backend, quiet=as_json, **options)
    facts = _facts(backend, options["resources"], outcomes, place)
    if report is not None:
        report.write(_as_json(facts) if as_json else _as_text(facts))
    click.echo(_as_json(facts) if as_json else f"\n{_summary(facts)}", nl=not as_json)
    return 0 if facts["passed"] else 1


def _check_writable(report: str) -> None:
    """Refuse a report that could not be written, before the suite takes its minutes."""
    folder = Path(report).absolute().parent
    if report != "-" and not (folder.is_dir() and os.access(folder, os.W_OK)):
        why = "cannot be written to" if folder.is_dir() else "is not there"
        msg = f"the report cannot be written: the directory {folder} {why}"
        raise click.UsageError(msg)


def _folder(place: Path | None) -> Path:
    """Make the directory for the suite's files."""
    from gridmap.errors import RunError  # noqa: PLC0415 - see gridmap.cli
    from gridmap.settings import load_settings  # noqa: PLC0415

    parent = place or load_settings()[0].runs()
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="conform-", dir=parent))
    except OSError as error:
        msg = (
            f"the suite's files cannot be in {parent}: {error.strerror}; name a "
            "directory that the nodes share with --place"
        )
        raise RunError(msg) from error


def _conform(
    backend: InstalledBackend,
    *,
    resources: Resources,
    held: str | None,
    within_s: float,
    poll_gap_s: float,
    place: Path | None,
    words: str,
    quiet: bool,
) -> tuple[Sequence[Outcome], Path | None]:
    """Run the suite, with progress; return where its files are if they were kept."""
    import msgspec  # noqa: PLC0415 - see gridmap.cli

    from gridmap.testing.session import Result, SiteFacts, run_suite  # noqa: PLC0415

    folder = _folder(place)
    waits = (
        msgspec.structs.replace(resources, native=(*resources.native, held))
        if held
        else None
    )
    site = SiteFacts(
        backend=backend.info.name,
        resources=resources,
        held=waits,
        within_s=within_s,
        poll_gap_s=poll_gap_s,
        place=folder / "t",
        words=words,
    )
    keep = False
    try:
        outcomes = run_suite(site, _Progress(sys.stderr if quiet else sys.stdout))
        keep = any(outcome.result is Result.FAILED for outcome in outcomes)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return outcomes, folder if keep else None


class _Progress:
    """Prints each case as it ends."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._done = 0
        self._last: tuple[Rule | None, str] = (None, "")

    def __call__(self, outcome: Outcome, cases: int) -> None:
        from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

        self._done += 1
        mark = text.paint(*_STYLES[outcome.result.value])
        count = f"{self._done:{len(str(cases))}}/{cases}"
        line = f"{count} {mark}  {outcome.case} ({outcome.seconds:.1f} s)"
        click.echo(line, file=self._stream)
        details = _details(_outcome(outcome))
        if details and (outcome.rule, outcome.detail) == self._last:
            details = ["as the one before"]  # hooks that are wrong are so in each case
        self._last = outcome.rule, outcome.detail
        for detail in details:
            if self._stream is sys.stdout:
                text.paragraph(detail, indent=12)
            else:
                click.echo(f"            {detail}", file=self._stream)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    rule = outcome.rule
    told = (
        {"number": rule.number, "name": rule.name, "text": rule.value} if rule else None
    )
    return {
        "case": outcome.case,
        "result": outcome.result.value,
        "seconds": round(outcome.seconds, 3),
        "rule": told,
        "detail": outcome.detail,
    }


def _details(case: dict[str, Any]) -> list[str]:
    rule: dict[str, Any] | None = case["rule"]
    seen: list[str] = case["detail"].splitlines()
    if not rule:
        return seen
    head = f"rule {rule['number']}, {rule['name']}, is broken: {rule['text']}"
    return [head, *(f"seen: {line}" if not n else line for n, line in enumerate(seen))]


def _facts(
    backend: InstalledBackend,
    resources: Resources,
    outcomes: Sequence[Outcome],
    place: Path | None,
) -> dict[str, Any]:
    """Return the report: what was tried where, and each case."""
    import msgspec  # noqa: PLC0415 - see gridmap.cli

    from gridmap.version import __version__  # noqa: PLC0415

    cases = [_outcome(outcome) for outcome in outcomes]
    results = [case["result"] for case in cases]
    asked = {
        field.name: value
        for field in msgspec.structs.fields(resources)
        if (value := getattr(resources, field.name)) != field.default
    }
    return {
        "passed": "failed" not in results,
        "backend": backend.info.name,
        "distribution": backend.distribution,
        "gridmap": __version__,
        "python": platform.python_version(),
        "host": platform.node(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "resources": asked,
        "counts": {word: results.count(word) for word in _STYLES},
        "files": None if place is None else str(place),
        "cases": cases,
    }


def _as_json(facts: dict[str, Any]) -> str:
    import json  # noqa: PLC0415 - see gridmap.cli

    return json.dumps(facts, indent=2, default=str) + "\n"


def _as_text(facts: dict[str, Any]) -> str:
    names = (
        "backend",
        "distribution",
        "gridmap",
        "python",
        "host",
        "date",
        "resources",
    )
    lines = [f"{name + ':':14}{facts[name]}" for name in names]
    lines.append("")
    for case in facts["cases"]:
        lines.append(f"{_STYLES[case['result']][0]}  {case['case']}")
        lines += [f"      {detail}" for detail in _details(case)]
    return "\n".join([*lines, "", _summary(facts), ""])


def _summary(facts: dict[str, Any]) -> str:
    counts, name = facts["counts"], facts["backend"]
    some = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    if facts["passed"]:
        return f"{name} conforms: {some}."
    return f"{name} does not conform: {some}. Logs and files: {facts['files']}"
