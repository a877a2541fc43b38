"""Showing how far a map is: a bar, lines, a notebook's cell; and a summary. An observer.

::

    advice      what to ask for next time; pure
    tally       what a map came to, from its events; pure
    status      how it stands, as text for a width; pure
    summary     what it came to, as text; pure
    printed     what jobs print, line by line
    screen      a terminal's lower lines, shared by all maps of the process
    notebook    a notebook's cell
    observing   which of these, and when
"""

from gridmap.display.observing import make_progress

__all__ = ["make_progress"]
