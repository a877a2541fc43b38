"""Results that cannot travel, or cannot be taken in: told of that job, and of no other."""

import pytest
from tests.faults import values
from tests.faults.conftest import Strike
from tests.sites import Site

from gridmap.errors import JobException, RemoteError, UnpicklableError
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_results_that_cannot_be_had(site: Site, strike: Strike) -> None:
    """Too large, unpicklable here or there: each is told for what it is."""
    struck = strike(
        site,
        40,
        {
            2: values.too_large,
            4: values.a_lock,
            6: values.homesick,
            8: values.stubborn,
            10: values.evil,
            12: values.local_class,
            14: values.deep,
        },
        settings={"max_message_bytes": "2M"},
    )
    results = struck.check(failed=range(2, 15, 2), spoilt={6})
    assert isinstance(results[2], UnpicklableError)
    assert "max_message_bytes" in str(results[2])
    assert "write the result to a file" in str(results[2])
    assert isinstance(results[4], UnpicklableError)
    assert "lock" in str(results[4])
    assert isinstance(results[6], JobException)
    assert results[6].verdict.cause is Cause.UNPICKLABLE
    assert "this belongs to process" in str(results[6])
    assert isinstance(results[8], RemoteError)
    assert "salt and pepper" in str(results[8])
    assert isinstance(results[10], RemoteError)
    assert "Evil" in str(results[10])
    assert results[12].__class__.__name__ == "Passing"
    assert isinstance(results[14], UnpicklableError)
    struck.note("a result larger than max_message_bytes", 2)
    struck.note("a result that cannot be pickled", 4)
    struck.note("an exception that cannot be unpickled", 8)
