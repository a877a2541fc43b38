"""The conformance suite on each mutant, as a plugin's author would write it.

Not collected with the other tests, since most of these have to fail: `test_mutants`
runs this file in a pytest of its own.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from tests.conformance.bugs import BUGS, Bug
from tests.conformance.mutants.seeing import Holds

from gridmap.plugins import InstalledBackend, installed
from gridmap.resources import Resources
from gridmap.testing import BackendConformance
from gridmap_local.backend import LocalBackend


class OnMutant(BackendConformance):
    """The suite on a backend that no distribution offers."""

    backend = "local"
    start_within_s = end_within_s = kill_within_s = account_within_s = 3.0
    mutant: type[LocalBackend]
    bug: Bug | None = None

    def find_backend(self) -> InstalledBackend:
        sound = installed().find("local")
        factory = f"{self.mutant.__module__}:{self.mutant.__name__}"
        changes: dict[str, Any] = {"factory": factory}
        changes |= self.bug.info if self.bug else {}
        return msgspec.structs.replace(
            sound, info=msgspec.structs.replace(sound.info, **changes)
        )

    @pytest.fixture
    def nonsense(self) -> Mapping[str, Any]:
        return {"command": ("/no/such/program",)}

    @pytest.fixture
    def held(self) -> Resources:
        return Resources(options={"held": "yes"})


class TestHolds(OnMutant):
    """Nothing is wrong with this one."""

    start_within_s = end_within_s = kill_within_s = account_within_s = 10.0
    mutant: type[LocalBackend] = Holds


for mutant, bug in BUGS.items():
    name = f"Test{mutant.__name__}"
    globals()[name] = type(name, (OnMutant,), {"mutant": mutant, "bug": bug})
