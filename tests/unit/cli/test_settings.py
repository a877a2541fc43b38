"""``gridmap settings``: each value and where it stands."""

from gridmap.settings.values import KINDS

from .conftest import Shell


def test_every_setting_is_shown_with_its_origin(shell: Shell) -> None:
    """Without a word from anybody all are defaults."""
    listed = shell.json("settings")["settings"]
    assert set(listed) == set(KINDS)
    assert {one["level"] for one in listed.values()} == {"default"}
    assert listed["heartbeat_interval"]["value"] == 10
    assert listed["heartbeat_interval"]["variables"] == [
        "GRIDMAP_HEARTBEAT_INTERVAL",
        "HEARTBEAT_FREQUENCY",
    ]


def test_each_place_is_named(shell: Shell) -> None:
    """A file is named with its path and key, a variable by its name."""
    file = shell.home / "gridmap.toml"
    file.write_text('queue = "long"\n[backends.slurm]\nclusters = "north"\n')
    listed = shell.json("settings", DEFAULT_QUEUE="", NUM_RESUBMITS="1")["settings"]
    assert listed["queue"]["value"] == "long"
    assert listed["queue"]["level"] == "project"
    assert str(file) in listed["queue"]["place"]
    assert listed["num_resubmits"]["value"] == 1
    assert "NUM_RESUBMITS" in listed["num_resubmits"]["place"]
    assert listed["backends.slurm.clusters"]["value"] == "north"


def test_the_table_reads_like_the_environment(shell: Shell) -> None:
    """Values are written as they could be given again."""
    printed = shell.run(
        "settings", GRIDMAP_PORT_RANGE="40000-40010", GRIDMAP_PROGRESS="off"
    ).stdout
    rows = {line.split()[0]: line.split()[1] for line in printed.splitlines()}
    assert rows["port_range"] == "40000-40010"
    assert rows["progress"] == "false"
    assert rows["silence_limit"] == "90"
    assert rows["queue"] == "-"
