"""``gridmap backends``: everything installed is shown, and nothing installed is fatal."""

import subprocess
import sys

import pytest

from .conftest import OFFER, VERBS, YES, Shell


def by_name(report: dict[str, list[dict[str, object]]]) -> dict[str, dict[str, object]]:
    """Return the backends of a report by name."""
    return {str(one["name"]): one for one in report["backends"]}


def test_the_real_plugins_are_listed_with_distribution_and_version(
    shell: Shell,
) -> None:
    """First-party plugins come in through the same door as any other."""
    report = shell.json("backends")
    listed = by_name(report)
    assert {"local", "sge", "slurm"} <= set(listed)
    assert listed["local"]["distribution"] == "gridmap-local"
    assert listed["local"]["version"]
    assert listed["local"]["usable"] is True
    assert listed["slurm"]["usable"] is False
    assert "sbatch" in str(listed["slurm"]["reason"])
    assert report["broken"] == []


def test_without_a_cluster_a_map_takes_local(shell: Shell) -> None:
    """The fall-back is named as such."""
    report = shell.json("backends")
    assert report["default"] == "local"
    assert "no cluster" in report["why"]
    assert "takes local: no cluster" in shell.run("backends").stdout


def test_a_strange_plugin_that_works_is_taken_for_its_preference(shell: Shell) -> None:
    """The usable backend with the highest preference is the default."""
    shell.offer("fine", extra='aliases=("good",)')
    report = shell.json("backends")
    fine = by_name(report)["fine"]
    assert fine["distribution"] == "strange-fine"
    assert fine["version"] == "1.0"
    assert fine["aliases"] == ["good"]
    assert fine["preference"] == 30
    assert fine["default"] is True
    assert report["default"] == "fine"


def test_a_setting_comes_before_preference(shell: Shell) -> None:
    """The report says that a setting decides, and where it stands."""
    shell.offer("fine")
    report = shell.json("backends", GRIDMAP_BACKEND="local")
    assert report["default"] == "local"
    assert "GRIDMAP_BACKEND" in report["why"]


def test_settings_that_make_no_sense_are_no_reason_to_list_nothing(
    shell: Shell,
) -> None:
    """That a map would fail is said; what is installed is listed all the same."""
    result = shell.run("backends", GRIDMAP_BACKEND="slurmm")
    assert result.returncode == 0
    assert "fails: there is no backend named 'slurmm'" in result.stdout
    assert "usable" in result.stdout
    assert shell.json("backends", GRIDMAP_COMPRESSION="zip")["default"] is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise RuntimeError('half\\ninstalled')", "RuntimeError: half installed"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("def gridmap_backends(:", "SyntaxError"),
        ("def gridmap_backends():\n    return 5", "TypeError"),
        ("def gridmap_backends():\n    return ['x']", "'x', not BackendInfo"),
        (
            (
                "from gridmap.backend import BackendInfo\n"
                "def gridmap_backends():\n"
                "    return [BackendInfo(name=7, summary='', factory='a:b', "
                "availability='a:b', interface=1)]"
            ),
            "name of BackendInfo must be of type str, not 7",
        ),
        (
            (
                "from gridmap.backend import BackendInfo\n"
                "def gridmap_backends():\n"
                "    return [BackendInfo(name='n', summary='', factory='a:b', "
                "availability='a:b')]"
            ),
            "Missing required argument 'interface'",
        ),
        (
            (
                "from gridmap.hookspecs import hookimpl\n"
                "@hookimpl\n"
                "def gridmap_event(evnt): pass"
            ),
            "evnt",
        ),
    ],
    ids=[
        "raises",
        "import",
        "exit",
        "syntax",
        "number",
        "text",
        "name",
        "interface",
        "signature",
    ],
)
def test_a_broken_plugin_is_shown_and_stops_nothing(
    shell: Shell, source: str, words: str
) -> None:
    """It is named with its distribution and version, and the others are listed."""
    shell.install("sick", source, version="2.5")
    shell.offer("fine")
    report = shell.json("backends")
    assert {"fine", "local"} <= set(by_name(report))
    (broken,) = report["broken"]
    assert broken["plugin"] == "sick"
    assert broken["distribution"] == "strange-sick"
    assert broken["version"] == "2.5"
    assert words in broken["error"]
    printed = shell.run("backends")
    assert printed.returncode == 0
    assert "sick of strange-sick 2.5 is broken" in printed.stdout
    assert words in printed.stdout


def test_a_broken_plugin_is_named_where_it_may_be_what_is_missed(shell: Shell) -> None:
    """Where a backend is not found, and where no cluster is."""
    shell.install("sick", "import no_such_thing", version="2.5")
    words = "plugin sick of strange-sick 2.5 is broken: ModuleNotFoundError"
    assert words in shell.run("demo", "--backend", "sick").stderr
    mapping = "import gridmap; gridmap.grid_map(abs, [-1])"
    done = subprocess.run(
        [sys.executable, "-c", mapping],
        capture_output=True,
        check=True,
        env=shell.environ,
        text=True,
        timeout=30,
    )
    assert f"\n  {words}" in done.stderr


@pytest.mark.parametrize(
    ("availability", "extra", "words"),
    [
        (YES.format(90), "interface=99", "hook interface 99"),
        ("1 / 0", "", "ZeroDivisionError"),
        ("exit(1)", "", "SystemExit"),
        ("'yes'", "", "'yes', not Availability"),
        (
            "Availability(usable=True, reason=None)",
            "",
            "reason of Availability must be of type str",
        ),
        (
            "Availability(usable=True, reason='', preference='high')",
            "",
            "preference of Availability must be of type int",
        ),
    ],
    ids=["interface", "raises", "exits", "text", "reason", "preference"],
)
def test_a_check_that_fails_makes_the_backend_unusable(
    shell: Shell, availability: str, extra: str, words: str
) -> None:
    """The reason is what happened, and another backend is the default."""
    shell.offer("odd", availability, extra)
    report = shell.json("backends")
    odd = by_name(report)["odd"]
    assert odd["usable"] is False
    assert words in str(odd["reason"])
    assert report["default"] == "local"


def test_two_plugins_of_one_name_are_told_apart(shell: Shell) -> None:
    """Which of them is never taken is said."""
    shell.offer("first")
    second = OFFER.format(
        name="first", module="plugin_second", availability=YES.format(99), extra=""
    )
    shell.install("second", second + VERBS)
    shadows = [
        (one["distribution"], one["shadowed_by"])
        for one in shell.json("backends")["backends"]
        if one["name"] == "first"
    ]
    assert shadows == [
        ("strange-first", None),
        ("strange-second", "strange-first 1.0"),
    ]
    assert "Never taken: strange-first 1.0 offers" in shell.run("backends").stdout


def test_lines_in_a_pipe_are_whole_and_plain(shell: Shell) -> None:
    """What goes into a pipe is neither folded, nor coloured, nor padded."""
    lines = shell.run("backends", COLUMNS="40").stdout.splitlines()
    assert any(len(line) > 100 for line in lines)
    assert not any("\x1b" in line or line != line.rstrip() for line in lines)
