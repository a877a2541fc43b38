"""Which of several places wins, and what is said of values that make no sense."""

import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InvalidSettingError
from gridmap.settings import (
    GRIDMAPS_NAMES,
    Level,
    Settings,
    load_settings,
    variables,
)
from gridmap.settings.values import KINDS

from .conftest import Site


def test_nothing_said_gives_the_defaults(site: Site) -> None:
    """Without a word from anybody, GridMap's sound defaults hold."""
    settings, origins = site.load()
    assert settings == Settings()
    assert settings.heartbeat_interval == 10
    assert settings.silence_limit == 90
    assert settings.num_resubmits == 3
    assert set(origins) == set(KINDS)
    assert {origin.level for origin in origins.values()} == {Level.DEFAULT}


def test_each_level_gives_way_to_the_one_before(site: Site) -> None:
    """Arguments win over environment, project, user, site and defaults, in this order."""
    seen = []
    site.site.write_text("max_workers = 1")
    seen.append(site.load())
    site.user.write_text("max_workers = 2")
    seen.append(site.load())
    site.project.write_text("max_workers = 3")
    seen.append(site.load())
    seen.append(site.load(GRIDMAP_MAX_WORKERS="4"))
    seen.append(site.load({"max_workers": 5}, GRIDMAP_MAX_WORKERS="4"))
    assert [settings.max_workers for settings, _ in seen] == [1, 2, 3, 4, 5]
    assert [origins["max_workers"].level for _, origins in seen] == [
        Level.SITE,
        Level.USER,
        Level.PROJECT,
        Level.ENVIRONMENT,
        Level.ARGUMENT,
    ]
    assert [str(origins["max_workers"]) for _, origins in seen] == [
        f"{site.site}, key max_workers",
        f"{site.user}, key max_workers",
        f"{site.project}, key max_workers",
        "environment variable GRIDMAP_MAX_WORKERS",
        "argument max_workers",
    ]


def test_an_argument_of_none_is_not_given(site: Site) -> None:
    """None as an argument leaves the word to others."""
    settings, origins = site.load({"queue": None}, DEFAULT_QUEUE="long.q")
    assert settings.queue == "long.q"
    assert origins["queue"].level is Level.ENVIRONMENT


def test_an_empty_variable_is_not_set(site: Site) -> None:
    """An empty variable says nothing."""
    assert site.load(DEFAULT_QUEUE="", NUM_RESUBMITS=" ")[0] == Settings()


def test_a_deleted_working_directory_has_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map can be made from it all the same: its jobs run in the home directory then."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_settings(environ={})[0] == load_settings(environ={}, directory="/")[0]


def test_what_is_told_of_settings_makes_them_again(site: Site) -> None:
    """Observers get them by name, and can make the same of them."""
    settings, _ = site.load({"port_range": "5-6", "stall_limit": "never"})
    assert Settings(**settings.told()) == settings  # type: ignore[arg-type]  # checked


@pytest.mark.parametrize("name", KINDS)
def test_every_setting_has_a_variable(name: str) -> None:
    """Each setting can be given as GRIDMAP_ and its name."""
    assert variables(name)[0] == f"GRIDMAP_{name.upper()}"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("HEARTBEAT_FREQUENCY", "5", "heartbeat_interval", 5.0),
        ("MAX_TIME_BETWEEN_HEARTBEATS", "120", "silence_limit", 120.0),
        ("CHECK_FREQUENCY", "30", "check_interval", 30.0),
        ("IDLE_THRESHOLD", "2.5", "idle_threshold", 2.5),
        ("MAX_IDLE_HEARTBEATS", "6", "max_idle_heartbeats", 6),
        ("NUM_RESUBMITS", "0", "num_resubmits", 0),
        ("DEFAULT_QUEUE", "all.q", "queue", "all.q"),
        ("DEFAULT_PAR_ENV", "make", "parallel_environment", "make"),
        ("DEFAULT_TEMP_DIR", "/scratch/", "temp_dir", "/scratch/"),
        ("USE_MEM_FREE", "TRUE", "use_mem_free", True),
        ("SEND_ERROR_MAIL", "True", "send_error_mail", True),
        ("CREATE_PLOTS", "0", "create_plots", False),
        ("SMTP_SERVER", "mail.example.org", "smtp_server", "mail.example.org"),
        ("ERROR_MAIL_SENDER", "a@b.org", "error_mail_sender", "a@b.org"),
        ("ERROR_MAIL_RECIPIENT", "c@b.org", "error_mail_recipient", "c@b.org"),
        ("GRIDMAP_RUNS", "/data/runs", "run_directory", "/data/runs"),
    ],
)
def test_gridmaps_names_hold(
    site: Site, variable: str, text: str, name: str, value: object
) -> None:
    """What GridMap's users have in their environment is understood."""
    settings, origins = site.load(None, **{variable: text})
    assert getattr(settings, name) == value
    assert str(origins[name]) == f"environment variable {variable}"


def test_every_name_of_gridmaps_is_tested_above() -> None:
    """The table above has all of them."""
    cases = test_gridmaps_names_hold.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {case[0] for case in cases} == set(GRIDMAPS_NAMES)


def test_our_name_wins_over_gridmaps(site: Site) -> None:
    """Where both are set, the newer name counts."""
    settings, _ = site.load(HEARTBEAT_FREQUENCY="5", GRIDMAP_HEARTBEAT_INTERVAL="7")
    assert settings.heartbeat_interval == 7


def test_zero_is_the_shortest_that_makes_sense(site: Site) -> None:
    """GridMap's own tests set both to 0, which must not end healthy jobs."""
    settings, _ = site.load(HEARTBEAT_FREQUENCY="0", MAX_TIME_BETWEEN_HEARTBEATS="0")
    assert settings.heartbeat_interval == 0.1
    assert settings.silence_limit == 1.0
    settings, _ = site.load(MAX_TIME_BETWEEN_HEARTBEATS="0")
    assert settings.silence_limit == 30.0


def test_a_silence_limit_within_one_heartbeat_is_refused(site: Site) -> None:
    """A limit that every healthy runner reaches is an error that names both places."""
    with pytest.raises(InvalidSettingError) as caught:
        site.load({"silence_limit": 30}, HEARTBEAT_FREQUENCY="60")
    assert "would be given up between two heartbeats" in str(caught.value)
    assert "silence_limit: argument silence_limit" in str(caught.value)
    assert "environment variable HEARTBEAT_FREQUENCY" in str(caught.value)


def test_a_bad_variable_is_named(site: Site) -> None:
    """The error says which variable, what it is and what was expected."""
    with pytest.raises(InvalidSettingError) as caught:
        site.load(HEARTBEAT_FREQUENCY="abc")
    assert str(caught.value) == (
        "environment variable HEARTBEAT_FREQUENCY='abc': expected a number of seconds, "
        "or a text such as '90s', '5m' or '1.5h'"
    )


def test_a_value_that_does_not_win_is_not_looked_at(site: Site) -> None:
    """An argument is a way round a variable that makes no sense."""
    settings, _ = site.load({"heartbeat_interval": 1}, HEARTBEAT_FREQUENCY="abc")
    assert settings.heartbeat_interval == 1


def test_a_bad_key_is_named_with_its_file(site: Site) -> None:
    """The error says which file and which key."""
    site.project.write_text("port_range = '90-80'")
    with pytest.raises(InvalidSettingError) as caught:
        site.load()
    assert str(caught.value) == (
        f"{site.project}, key port_range = '90-80': expected a port or a range of "
        "ports, such as '40000-41000'"
    )


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("max_worker", "max_workers"),
        ("Backend", "backend"),
        ("heartbeat", "heartbeat_"),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_meant(
    site: Site, key: str, meant: str
) -> None:
    """A key that no setting has is an error that offers the nearest."""
    site.user.write_text(f"{key} = 1")
    with pytest.raises(
        InvalidSettingError, match=f"there is no setting '{key}'"
    ) as err:
        site.load()
    assert str(site.user) in str(err.value)
    assert f"did you mean {meant}" in str(err.value)


def test_an_unknown_argument_is_refused(site: Site) -> None:
    """An argument that is no setting is not dropped."""
    with pytest.raises(
        InvalidSettingError, match="arguments: there is no setting 'zz'"
    ):
        site.load({"zz": 1})


@pytest.mark.parametrize(
    "content",
    [b"max_workers = ", b"\xff\xfe", b"[backends"],
    ids=["cut", "utf", "table"],
)
def test_a_file_that_is_not_toml_is_named(site: Site, content: bytes) -> None:
    """A broken file is an error, never a file without settings."""
    site.site.write_bytes(content)
    with pytest.raises(InvalidSettingError, match=r"gridmap\.toml is not valid TOML"):
        site.load()


def test_a_file_that_cannot_be_read_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is closed to the user is an error, never a file without settings."""

    def closed(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    site.user.write_text("")
    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(InvalidSettingError, match="cannot be read: Permission denied"):
        site.load()


def test_a_place_for_settings_that_cannot_be_entered_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what stands there, so it is an error too."""

    def closed(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(InvalidSettingError, match="looked for: Permission denied"):
        site.load()


def test_a_variable_that_is_misspelt_is_warned_of_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be somebody else's, so it is no error, as a name in a file is."""
    site.load(GRIDMAP_NUM_RESUBMIT="7", GRIDMAP_FAVOURITE="blue")
    settings, _ = site.load(GRIDMAP_NUM_RESUBMIT="7", GRIDMAP_FAVOURITE="blue")
    assert settings.num_resubmits == 3
    (warning,) = caplog.messages
    assert "GRIDMAP_NUM_RESUBMIT is no setting" in warning
    assert warning.endswith("did you mean GRIDMAP_NUM_RESUBMITS?")


def test_a_variable_of_a_plugins_in_a_job_is_not_warned_of(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A run within a job finds there what its runner was told."""
    site.load(GRIDMAP_RUN="0123", GRIDMAP_CONNECTION="/run/connection.json")
    assert not caplog.messages


def test_a_backends_own_options_are_joined_and_passed_on(site: Site) -> None:
    """Core hands a backend's table on unread; the nearer file wins key by key."""
    site.site.write_text("[backends.sge]\ncell = 'a'\nlimit = 5\n[backends.x]\ny = [1]")
    site.project.write_text("[backends.sge]\ncell = 'b'")
    settings, origins = site.load()
    assert settings.backends == {"sge": {"cell": "b", "limit": 5}, "x": {"y": [1]}}
    assert origins["backends.sge.cell"].level is Level.PROJECT
    assert origins["backends.sge.limit"].level is Level.SITE


@pytest.mark.parametrize("text", ["backends = 1", "[backends]\nsge = 1"])
def test_backends_are_tables(site: Site, text: str) -> None:
    """Anything else there is an error."""
    site.project.write_text(text)
    with pytest.raises(InvalidSettingError, match=r"expected .*table"):
        site.load()


@pytest.mark.parametrize(
    ("given", "holds", "level"),
    [
        ({"query_budget": 500}, 20, Level.SITE),
        ({"query_budget": 20}, 20, Level.ARGUMENT),
        ({"query_budget": 5}, 5, Level.ARGUMENT),
        ({}, 20, Level.SITE),
    ],
)
def test_a_site_bounds_the_budget(
    site: Site,
    given: dict[str, object],
    holds: int,
    level: Level,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A user may be more polite than the site asks for, and not less."""
    site.site.write_text("query_budget = 20")
    settings, origins = site.load(given)
    assert settings.query_budget == holds
    assert origins["query_budget"].level is level
    warned = "query_budget=500" in caplog.text and "allows 20 at most" in caplog.text
    assert warned == (given == {"query_budget": 500})


def test_without_a_site_s_word_the_budget_is_the_user_s(site: Site) -> None:
    """A bound has to be set by somebody."""
    assert site.load({"query_budget": 500})[0].query_budget == 500


def test_files_can_be_named_by_the_environment(site: Site, tmp_path: Path) -> None:
    """Variables name the project's and the site's file."""
    mine, theirs = tmp_path / "mine.toml", tmp_path / "theirs.toml"
    mine.write_text("queue = 'mine'")
    theirs.write_text("queue = 'theirs'\nhost = 'login2'")
    site.project.write_text("queue = 'project'")
    settings, origins = site.load(
        GRIDMAP_CONFIG=str(mine), GRIDMAP_SITE_CONFIG=str(theirs)
    )
    assert (settings.queue, settings.host) == ("mine", "login2")
    assert origins["host"].level is Level.SITE


@pytest.mark.parametrize("variable", ["GRIDMAP_CONFIG", "GRIDMAP_SITE_CONFIG"])
def test_a_named_file_that_is_missing_is_an_error(site: Site, variable: str) -> None:
    """A file somebody asked for is not silently left out."""
    with pytest.raises(InvalidSettingError, match=f"{variable}='/nowhere/x'"):
        site.load(None, **{variable: "/nowhere/x"})


def test_a_strangers_file_is_not_used(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A project file that anybody may write could start anything: it is passed over."""
    site.project.write_text("python = '/evil/python'")
    site.project.chmod(0o666)
    with caplog.at_level(logging.WARNING):
        assert site.load()[0].python is None
    assert str(site.project) in caplog.text
    assert site.load(GRIDMAP_CONFIG=str(site.project))[0].python == "/evil/python"


def test_settings_are_read_late(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What changes between two loads counts in the second."""
    del site
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUM_RESUBMITS", "7")
    assert load_settings()[0].num_resubmits == 7
    (tmp_path / "gridmap.toml").write_text("num_resubmits = 8\nmax_workers = 2")
    settings, _ = load_settings()
    assert (settings.num_resubmits, settings.max_workers) == (7, 2)


def test_settings_survive_pickling(site: Site) -> None:
    """Settings may travel."""
    site.project.write_text("[backends.x]\ny = [1]")
    settings, _ = site.load({"port_range": "1-2"})
    assert pickle.loads(pickle.dumps(settings)) == settings


@given(name=st.sampled_from(sorted(KINDS)), text=st.text())
def test_any_text_is_a_value_or_a_clear_error(name: str, text: str) -> None:
    """No text makes anything but settings or an error that names the setting."""
    given: dict[str, Any] = {name: text}
    try:
        Settings(**given)
    except InvalidSettingError as exc:
        message = str(exc)
    else:
        return
    assert f"setting {name}=" in message
