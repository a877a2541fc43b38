"""The conformance suite: what every backend must do, as tests its author subclasses.

Install ``gridmap-core[testing]``, then::

    from gridmap.testing import BackendConformance


    class TestMine(BackendConformance):
        backend = "mine"

Only this package imports pytest. `Rule` lists what is tested, in words.
"""

from gridmap.testing.conformance import BackendConformance
from gridmap.testing.rules import BrokenRuleError, Rule
from gridmap.testing.trial import Bounds, Trial
from gridmap.testing.waiting import eventually

__all__ = [
    "BackendConformance",
    "Bounds",
    "BrokenRuleError",
    "Rule",
    "Trial",
    "eventually",
]
