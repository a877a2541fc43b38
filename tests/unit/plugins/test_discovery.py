"""Plugins are found by entry point, each by itself, and called under guard."""

import pytest

from gridmap.backend import INTERFACE, Check
from gridmap.errors import BackendUnavailableError, UnknownBackendError
from gridmap.events import RunEnded
from gridmap.plugins import installed

from .conftest import Offer, Shelf

EVENT = RunEnded(run="0", at=0.0, error=None)


def test_backends_come_in_the_order_of_their_names(shelf: Shelf, offer: Offer) -> None:
    """The order of installation does not show."""
    for name in ("b", "c", "a"):
        shelf.add(name, offer(name))
    assert [one.info.name for one in shelf.load().backends] == ["a", "b", "c"]


def test_one_is_found_by_name_and_alias(shelf: Shelf, offer: Offer) -> None:
    """Names and aliases are equally good."""
    shelf.add("one", offer("one", aliases="('uno', 'eins')"))
    known = shelf.load()
    assert known.find("one") is known.find("eins") is known.backends[0]


def test_an_unknown_name_is_told_with_what_there_is(shelf: Shelf, offer: Offer) -> None:
    """And with the name that was probably meant."""
    shelf.add("slurm", offer("slurm"))
    with pytest.raises(UnknownBackendError, match="Did you mean 'slurm'") as caught:
        shelf.load().find("slrum")
    assert caught.value.installed == ("slurm",)
    with pytest.raises(UnknownBackendError, match="Installed: slurm") as caught:
        shelf.load().find("pbs")
    # Whoever likes can take such a name on a package index.
    assert "gridmap-pbs" not in str(caught.value)


def test_a_name_that_a_broken_plugin_may_have_is_told_with_what_is_broken(
    shelf: Shelf, offer: Offer
) -> None:
    """Or its author would look for a distribution that is there."""
    shelf.add("slurm", "raise RuntimeError('no luck')")
    shelf.add("one", offer("one"))
    with pytest.raises(UnknownBackendError) as caught:
        shelf.load().find("slurm")
    assert str(caught.value).endswith(
        "Installed: one. Left out: plugin slurm of unknown distribution is broken: "
        "RuntimeError: no luck."
    )
    with pytest.raises(UnknownBackendError) as caught:
        shelf.load().find("sge")
    assert "gridmap-sge: install that. Left out: plugin slurm" in str(caught.value)


def test_a_broken_plugin_stops_no_other(shelf: Shelf, offer: Offer) -> None:
    """Each is loaded by itself; what went wrong is one line."""
    shelf.add("a", "raise RuntimeError('two\\nlines')")
    shelf.add("b", "exit(1)")
    shelf.add("c", "def gridmap_backends(): return [object()]")
    shelf.add("d", offer("d"))
    known = shelf.load()
    assert [one.info.name for one in known.backends] == ["d"]
    assert [one.name for one in known.broken] == ["a", "b", "c"]
    assert known.broken[0].error == "RuntimeError: two lines"
    assert {one.distribution for one in known.broken} == {"unknown distribution"}


def test_a_hook_that_does_not_exist_is_told(shelf: Shelf) -> None:
    """Else nobody would learn why a misspelt one is never called."""
    shelf.add("typo", "@hookimpl\ndef gridmap_backend(): return []")
    (broken,) = shelf.load().broken
    assert "unknown hook 'gridmap_backend'" in broken.error


def test_a_broken_plugin_is_not_called(shelf: Shelf) -> None:
    """A plugin with one bad signature takes part in nothing at all."""
    shelf.add(
        "half",
        """
        @hookimpl
        def gridmap_doctor(backend):
            raise AssertionError

        @hookimpl
        def gridmap_event(evnt):
            raise AssertionError

        @hookimpl
        def gridmap_submit(batch):
            raise AssertionError
        """,
    )
    known = shelf.load()
    assert [one.name for one in known.broken] == ["half"]
    assert known.doctor("local") == []
    assert known.observers({}) == []
    assert known.wrappers() == []


def test_the_best_is_usable_and_preferred(shelf: Shelf, offer: Offer) -> None:
    """Preference counts among the usable only."""
    shelf.add("low", offer("low", 1))
    shelf.add("high", offer("high", 5))
    shelf.add("gone", offer("gone", 9, usable=False))
    best = shelf.load().best()
    assert best is not None
    assert best[0].info.name == "high"


def test_there_may_be_no_best(shelf: Shelf, offer: Offer) -> None:
    """With nothing usable there is none."""
    shelf.add("gone", offer("gone", usable=False))
    assert shelf.load().best() is None


def test_another_interface_is_not_usable(shelf: Shelf, offer: Offer) -> None:
    """Its own check is not even asked."""
    shelf.add("old", offer("old", interface=str(INTERFACE + 1)))
    answer = shelf.load().backends[0].availability()
    assert not answer.usable
    assert f"hook interface {INTERFACE + 1}, this gridmap has {INTERFACE}" in (
        answer.reason
    )


def test_a_factory_that_fails_is_unavailable(shelf: Shelf, offer: Offer) -> None:
    """What it raised is the reason."""
    source = offer("sick").replace("    pass", "    def __init__(self): 1 / 0")
    shelf.add("sick", source)
    with pytest.raises(BackendUnavailableError, match="ZeroDivisionError"):
        shelf.load().backends[0].create()


def test_observers_are_named_and_called_one_by_one(shelf: Shelf) -> None:
    """What one raises comes out of its own function alone."""
    shelf.add("bad", "@hookimpl\ndef gridmap_event(event): raise ValueError(event.run)")
    shelf.add(
        "good", "seen = []\n@hookimpl\ndef gridmap_event(event): seen.append(event)"
    )
    shelf.add("idle", "calls = []\n@hookimpl\ndef gridmap_event(): calls.append(1)")
    observers = dict(shelf.load().observers({}))
    assert set(observers) == {"bad", "good", "idle"}
    with pytest.raises(ValueError, match="0"):
        observers["bad"](EVENT)
    observers["good"](EVENT)
    observers["idle"](EVENT)
    assert shelf.module("good").seen == [EVENT]
    assert shelf.module("idle").calls == [1]


def test_every_plugin_may_check_the_machine(shelf: Shelf) -> None:
    """Checks of all are there; a plugin that fails has a failed check."""
    check = "Check(name=backend, passed=True, found='x')"
    shelf.add(
        "fine",
        "from gridmap.backend import Check\n"
        f"@hookimpl\ndef gridmap_doctor(backend): return [{check}]",
    )
    shelf.add("raises", "@hookimpl\ndef gridmap_doctor(): 1 / 0")
    shelf.add("leaves", "@hookimpl\ndef gridmap_doctor(): exit(2)")
    shelf.add("talks", "@hookimpl\ndef gridmap_doctor(): return ['fine']")
    shelf.add("silent", "@hookimpl\ndef gridmap_doctor(): return None")
    checks = {check.name: check for check in shelf.load().doctor("slurm")}
    assert checks.pop("slurm") == Check(name="slurm", passed=True, found="x")
    assert {name: check.found.split(":")[0] for name, check in checks.items()} == {
        "checks of plugin raises": "ZeroDivisionError",
        "checks of plugin leaves": "SystemExit",
        "checks of plugin talks": "TypeError",
        "checks of plugin silent": "TypeError",
    }
    assert not any(check.passed for check in checks.values())
    assert all(check.advice for check in checks.values())


def test_what_is_installed_here_is_found() -> None:
    """The first-party plugins come by the same door, and are looked up once."""
    assert {"local"} <= {one.info.name for one in installed().backends}
    assert installed() is installed()


def test_an_observer_for_one_run_is_asked_for_with_its_settings(shelf: Shelf) -> None:
    """None is no observer, and one that cannot say is left out."""
    shelf.add(
        "page",
        """
        @hookimpl
        def gridmap_observer(settings):
            return settings["seen"].append if settings["wanted"] else None
        """,
    )
    shelf.add("bad", "@hookimpl\ndef gridmap_observer(): 1 / 0")
    seen: list[object] = []
    known = shelf.load()
    assert known.observers({"wanted": False, "seen": seen}) == []
    ((name, observer),) = known.observers({"wanted": True, "seen": seen})
    observer(EVENT)
    assert (name, seen) == ("page", [EVENT])
