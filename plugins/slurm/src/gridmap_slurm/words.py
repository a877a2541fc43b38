"""What Slurm's commands complain of, sorted by what follows from it. Pure.

The texts are slurm_strerror's (slurm_errno.c) and were seen with 22.05.8 where marked.
"""

from __future__ import annotations

from typing import Final

_IN_DOUBT: Final = (
    # Seen: a controller that hung took the job after all when it woke up, half a
    # minute after sbatch had given up with the first of these.
    "Socket timed out on send/recv operation",
    "Zero Bytes were transmitted or received",
    "Unexpected message received",
    "Insane message length",
    "Message receive failure",
)

_TRANSIENT: Final = (
    *_IN_DOUBT,
    "Slurm backup controller in standby mode",
    "Unable to contact slurm controller",  # seen: slurmctld stopped
    "Resource temporarily unavailable",
    "Slurm temporarily unable to accept job",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Transport endpoint is not connected",
    "No route to host",
    "Protocol authentication error",
    "MUNGE",
    "Munge",
    "Rate limit exceeded",
    "SubmitJob",  # AssocMaxSubmitJobLimit, QOSMaxSubmitJobPerUserLimit: jobs will end
    "Controller is in shutdown",
    "Required partition not available (inactive or drain)",
    "I/O error writing script/environment to file",
    "Too many open files",
    "Cannot allocate memory",
    "No space left on device",
)


def in_doubt(text: str) -> bool:
    """Return whether a submission that ended with *text* may have been taken.

    So it is where it ended without a word: that is no refusal.
    """
    return not text.strip() or any(phrase in text for phrase in _IN_DOUBT)


def transient(text: str) -> bool:
    """Return whether the same may work later."""
    return any(phrase in text for phrase in _TRANSIENT)
