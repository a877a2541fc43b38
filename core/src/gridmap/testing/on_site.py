"""The suite on the site that a command line describes; `gridmap.testing.session` runs it.

A file of its own because pytest collects files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gridmap.resources import Resources
from gridmap.testing.conformance import BackendConformance
from gridmap.testing.session import SITE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.testing.session import SiteFacts


class TestOnSite(BackendConformance):
    """All cases, with what the command line said."""

    @pytest.fixture(autouse=True)
    def facts(self, request: pytest.FixtureRequest) -> SiteFacts:
        """Take over what was said; before every other fixture."""
        facts = request.config.stash[SITE]
        self.backend = facts.backend
        self.start_within_s = facts.within_s
        self.end_within_s = facts.within_s
        self.kill_within_s = facts.within_s
        self.account_within_s = facts.within_s
        self.poll_gap_s = facts.poll_gap_s
        return facts

    @pytest.fixture
    def resources(self, facts: SiteFacts) -> Resources:
        """What runners ask for."""
        return facts.resources

    @pytest.fixture
    def held(self, facts: SiteFacts) -> Resources | None:
        """What a runner asks for that is to wait."""
        if facts.held is None:
            pytest.skip("say with --held what keeps a runner waiting in the queue")
        return facts.held

    @pytest.fixture
    def nonsense(self) -> Mapping[str, Any]:
        """Both what no scheduler has and what no machine can start: one will do."""
        return {
            "resources": Resources(queue="gridmap-no-such-queue"),
            "command": ("/no/such/program",),
        }
