"""The ordinary users who own the jobs."""

import pwd
import subprocess

from .layout import USERS, ClusterError

LEAST_UID = 1000
"""Grid Engine refuses jobs of smaller ones: ``min_uid`` in sge_conf(5)."""


def ensure() -> None:
    """Create the users that are missing; they outlive the clusters. Idempotent."""
    for user in USERS:
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            subprocess.run(
                ["useradd", "--create-home", "--shell", "/bin/bash", user], check=True
            )
        else:
            if account.pw_uid < LEAST_UID:
                msg = f"user {user} has uid {account.pw_uid}, not an ordinary user's"
                raise ClusterError(msg)
