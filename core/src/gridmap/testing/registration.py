"""Cases that start nothing: discovery, cost, and the shape of the hooks."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gridmap.backend import INTERFACE
from gridmap.errors import UnknownBackendError
from gridmap.hookspecs import REQUIRED, RunHooks
from gridmap.plugins import installed
from gridmap.testing.leftovers import process_starts
from gridmap.testing.rules import Rule, broken, require
from gridmap.testing.site import Site, Trials

if TYPE_CHECKING:
    import pytest

    from gridmap.testing.trial import Trial

IMPORT_MS: Final = 100
AVAILABILITY_MS: Final = 50
PROBES: Final = 8
PROBE_TIMEOUT_S: Final = 60
PRIVATE: Final = "zwirbelgockel-4711"
MARK: Final = "gridmap_impl"
"""Where pluggy's marker for the project gridmap leaves its options."""


class RegistrationCases(Site):
    """What a plugin has to be before anything is submitted."""

    def test_plugin_is_found_by_name(self) -> None:
        """The plugin loads and describes its backend."""
        try:
            info = self.find_backend().info
        except UnknownBackendError as error:
            failed = "; ".join(f"{b.name}: {b.error}" for b in installed().broken)
            broken(Rule.FOUND_BY_NAME, f"{error} Failed to load: {failed or 'none'}.")
        require(
            re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", info.name),
            Rule.FOUND_BY_NAME,
            f"the name {info.name!r} is not made of letters, digits, - and _",
        )
        require(
            info.summary.strip() and "\n" not in info.summary,
            Rule.FOUND_BY_NAME,
            f"the summary is {info.summary!r}",
        )
        require(
            info.interface == INTERFACE,
            Rule.FOUND_BY_NAME,
            f"it is written for hook interface {info.interface}, this is {INTERFACE}",
        )

    def test_aliases_lead_to_the_backend(self) -> None:
        """No name or alias is lost or taken twice."""
        info = self.find_backend().info
        everyone = [backend.info for backend in installed().backends]
        others = [other for other in everyone if other.name != info.name]
        for word in (info.name, *info.aliases):
            takers = [o.name for o in others if word in (o.name, *o.aliases)]
            require(not takers, Rule.ALIASES_RESOLVE, f"{word!r} also names {takers}")
        for alias in info.aliases if len(others) < len(everyone) else ():
            found = installed().find(alias).info.name
            require(
                found == info.name,
                Rule.ALIASES_RESOLVE,
                f"{alias!r} leads to {found!r}",
            )

    def test_imports_are_light(self) -> None:
        """Neither users nor nodes wait for the plugin."""
        for what, key in (("its entry point", "discovery"), ("its class", "identify")):
            costs, starts = self._probe(key, IMPORT_MS)
            require(
                min(costs) <= IMPORT_MS, Rule.LIGHT_IMPORT, f"{what} took {_ms(costs)}"
            )
            require(not starts, Rule.LIGHT_IMPORT, f"{what} started: {starts}")

    def test_availability_is_cheap(self) -> None:
        """Asking whether the backend can be used is nearly free."""
        costs, starts = self._probe("availability", AVAILABILITY_MS)
        require(
            min(costs) <= AVAILABILITY_MS, Rule.CHEAP_AVAILABILITY, f"took {_ms(costs)}"
        )
        require(not starts, Rule.CHEAP_AVAILABILITY, f"it started: {starts}")
        answer = self.find_backend().availability()
        require(
            answer.reason.strip(),
            Rule.CHEAP_AVAILABILITY,
            f"it answered {answer!r}, without a reason",
        )

    def test_hooks_are_well_formed(self, trial: Trial) -> None:
        """Each hook is marked, known, and without default arguments."""
        backend = trial.object
        names = [name for name in dir(backend) if name.startswith("gridmap_")]
        missing = set(REQUIRED) - set(names)
        require(not missing, Rule.HOOKS_WELL_FORMED, f"missing: {sorted(missing)}")
        for name in names:
            spec = getattr(RunHooks, name, None)
            require(
                spec is not None, Rule.HOOKS_WELL_FORMED, f"there is no hook {name}"
            )
            function = getattr(backend, name)
            marked = getattr(function, MARK, None)
            require(
                marked is not None,
                Rule.HOOKS_WELL_FORMED,
                f"{name} is not marked with hookimpl",
            )
            self._check_arguments(name, function, spec)

    def _check_arguments(self, name: str, function: Any, spec: Any) -> None:
        known = set(inspect.signature(spec).parameters) - {"self"}
        for parameter in inspect.signature(function).parameters.values():
            require(
                parameter.name in known,
                Rule.HOOKS_WELL_FORMED,
                f"{name} asks for {parameter.name!r}; the hook has {sorted(known)}",
            )
            require(
                parameter.default is inspect.Parameter.empty,
                Rule.HOOKS_WELL_FORMED,
                f"{name} gives {parameter.name!r} the default {parameter.default!r}",
            )

    def test_capabilities_are_steady(self, trial: Trial) -> None:
        """Core may ask once and rely on it."""
        first = trial.capabilities
        second = trial.plugins.capabilities()
        require(
            first == second, Rule.CAPABILITIES_STEADY, f"first {first}, then {second}"
        )
        for name in ("largest_array", "largest_fleet"):
            value = getattr(first, name)
            require(
                value is None or (isinstance(value, int) and value >= 1),
                Rule.CAPABILITIES_STEADY,
                f"{name} is {value!r}",
            )

    def test_render_is_pure(self, trial: Trial, trials: Trials) -> None:
        """Rendering is for dry runs and golden tests: it only computes."""
        batch = trial.batch(("/bin/echo", "words"), self.array)
        before = sorted(trial.place.rglob("*"))
        with process_starts() as starts:
            first, second = trial.render(batch), trial.render(batch)
        after = sorted(trial.place.rglob("*"))
        third = trials.again(trial).render(batch)
        require(first == second, Rule.RENDER_IS_PURE, f"{first} is not {second}")
        require(
            first == third,
            Rule.RENDER_IS_PURE,
            f"another instance renders {third}, not {first}",
        )
        require(not starts, Rule.RENDER_IS_PURE, f"it started: {starts}")
        made = set(after) ^ set(before)
        require(not made, Rule.RENDER_IS_PURE, f"it touched {sorted(made)}")

    def test_render_shows_the_command(self, trial: Trial) -> None:
        """A person can see what will be run."""
        words = ("/bin/echo", "zwirbelgockel", "--strong=42")
        rendered = trial.render(trial.batch(words))
        text = "\n".join([*rendered.command, rendered.script or ""])
        missing = [word for word in words if word not in text]
        require(
            not missing, Rule.RENDER_IS_COMPLETE, f"{missing} are nowhere in:\n{text}"
        )

    def test_render_shows_no_secret(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the user has in the environment is not put on show."""
        monkeypatch.setenv("GRIDMAP_CONFORMANCE_PASSWORD", PRIVATE)
        rendered = trial.render(trial.batch(("/bin/true",)))
        text = "\n".join([*rendered.command, rendered.script or ""])
        require(
            PRIVATE not in text,
            Rule.NO_SECRETS,
            f"a variable of the user's is in the submission:\n{text}",
        )

    def _probe(self, key: str, limit_ms: float) -> tuple[list[float], list[str]]:
        """Measure in fresh interpreters, until one is quick enough.

        The first may have to compile, and any may meet a busy machine.

        Returns:
            Milliseconds of each trial, and what the last of them started.
        """
        info = self.find_backend().info
        program = str(Path(__file__).with_name("probe.py"))
        command = [sys.executable, "-P", program]
        command += [info.name, info.factory, info.availability]
        costs: list[float] = []
        while True:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=PROBE_TIMEOUT_S,
            )
            require(
                done.returncode == 0,
                Rule.LIGHT_IMPORT,
                f"the plugin cannot be imported in a fresh process: {done.stderr}",
            )
            report = json.loads(done.stdout.splitlines()[-1])
            costs.append(report[f"{key}_ms"] or 0.0)
            if costs[-1] <= limit_ms or len(costs) == PROBES:
                return costs, report[f"{key}_starts"]


def _ms(costs: list[float]) -> str:
    return ", ".join(f"{cost:.0f} ms" for cost in costs)
