"""The query desk: through it a backend asks its scheduler, politely.

Every run has one, in ``context.desk``, and all desks of a user on a host work as one:
they share answers, a budget and the memory of what failed. The rules, which are pure,
stand in `gridmap.desk.rules`; where the runs meet, and why no other user can tamper
with it, in `gridmap.desk.place`.
"""

from gridmap.desk.desk import Desk, Visit
from gridmap.desk.rules import Purpose

__all__ = ["Desk", "Purpose", "Visit"]
