"""The class that a plugin's author subclasses."""

from __future__ import annotations

from gridmap.testing.end_to_end import EndToEndCases
from gridmap.testing.ending import EndingCases
from gridmap.testing.observation import ObservationCases
from gridmap.testing.recovery import RecoveryCases
from gridmap.testing.registration import RegistrationCases
from gridmap.testing.submission import SubmissionCases


class BackendConformance(
    RegistrationCases,
    SubmissionCases,
    ObservationCases,
    EndingCases,
    RecoveryCases,
    EndToEndCases,
):
    """Everything a backend must do, tried on the scheduler that is really there.

    ::

        class TestMine(BackendConformance):
            backend = "mine"

    Time bounds are attributes, what fits the site comes from fixtures: see
    `gridmap.testing.site.Site` for all that can be overridden. A failure names the
    rule that was broken; `gridmap.testing.Rule` lists them.
    """
