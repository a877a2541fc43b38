"""How a run stands: what its events come to. Pure.

::

    failures  bad ends
    fold      `Overview`, which takes in events
    readings  heartbeats over time
    standing  how a run stands, which it changes
    views     what it shows
"""

from gridmap.overview.failures import MOST_FAILURES, MOST_TRACEBACKS, Failures
from gridmap.overview.fold import MOST_GONE, MOST_SAMPLES, Overview
from gridmap.overview.readings import (
    MOST_READINGS,
    Heartbeats,
    Point,
    Readings,
    cores_between,
)
from gridmap.overview.standing import MOST_NOTICES
from gridmap.overview.views import Failure, JobView, Notice, Request, RunnerView, Sample

__all__ = [
    "MOST_FAILURES",
    "MOST_GONE",
    "MOST_NOTICES",
    "MOST_READINGS",
    "MOST_SAMPLES",
    "MOST_TRACEBACKS",
    "Failure",
    "Failures",
    "Heartbeats",
    "JobView",
    "Notice",
    "Overview",
    "Point",
    "Readings",
    "Request",
    "RunnerView",
    "Sample",
    "cores_between",
]
