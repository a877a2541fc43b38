"""How a run stands: what its events come to. Pure.

::

    fold    `Overview`, which takes in events
    views   what it shows
"""

from gridmap.overview.fold import (
    MOST_FAILURES,
    MOST_GONE,
    MOST_NOTICES,
    MOST_SAMPLES,
    Overview,
)
from gridmap.overview.views import Failure, JobView, Notice, Request, RunnerView, Sample

__all__ = [
    "MOST_FAILURES",
    "MOST_GONE",
    "MOST_NOTICES",
    "MOST_SAMPLES",
    "Failure",
    "JobView",
    "Notice",
    "Overview",
    "Request",
    "RunnerView",
    "Sample",
]
