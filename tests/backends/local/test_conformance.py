"""The local backend passes the conformance suite."""

from collections.abc import Mapping
from typing import Any

import pytest

from gridmap.testing import BackendConformance


class TestLocal(BackendConformance):
    backend = "local"

    @pytest.fixture
    def nonsense(self) -> Mapping[str, Any]:
        """There are no queues here; what can never start is a program that is not."""
        return {"command": ("/no/such/program",)}
