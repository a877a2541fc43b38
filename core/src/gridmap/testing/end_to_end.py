"""Cases that go through `gridmap.grid_map`: whole maps, on the backend under test.

`BackendConformance` inherits them. The cases of the other modules call the hooks one
by one; here belongs what only core and backend together can show: results in order,
exceptions, a killed runner whose job runs again, Ctrl-C that leaves nobody behind.
"""

from __future__ import annotations

from gridmap.testing.site import Site


class EndToEndCases(Site):
    """Whole maps on this backend."""
