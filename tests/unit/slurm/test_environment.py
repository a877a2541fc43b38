"""What Slurm's commands see of the user's environment."""

from gridmap_slurm.environment import for_queries, for_submission

USER = {
    "HOME": "/home/jane",
    "LD_LIBRARY_PATH": "/opt/python/lib",
    "LANG": "de_DE.UTF-8",
    "LC_ALL": "de_DE.UTF-8",
    "PATH": "/usr/bin",
    "SECRET": "hush",
    "SBATCH_ACCOUNT": "astro",
    "SBATCH_WAIT": "1",
    "SBATCH_EXPORT": "NONE",
    "SCANCEL_USER": "root",
    "SQUEUE_STATES": "RUNNING",
    "SLURM_CONF": "/etc/slurm/slurm.conf",
    "SLURM_JOB_ID": "12",
    "SLURM_TIME_FORMAT": "relative",
}


def test_a_query_is_not_bent_by_the_users_habits() -> None:
    """Filters and the variables of an outer job are taken away, the rest stays."""
    seen = for_queries(USER)
    assert seen["LC_ALL"] == "C"
    assert seen["SLURM_CONF"] == "/etc/slurm/slurm.conf"
    assert seen["SECRET"] == "hush"  # noqa: S105 - it is the user's own process
    gone = {"SCANCEL_USER", "SQUEUE_STATES", "SLURM_JOB_ID", "SLURM_TIME_FORMAT"}
    assert not gone & set(seen)


def test_a_runner_gets_no_more_than_a_login() -> None:
    """Secrets stay here; the site's defaults for sbatch count, those that block do not."""
    assert for_submission(USER) == {
        "HOME": "/home/jane",
        "LD_LIBRARY_PATH": "/opt/python/lib",
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "de_DE.UTF-8",
        "PATH": "/usr/bin",
        "SBATCH_ACCOUNT": "astro",
        "SLURM_CONF": "/etc/slurm/slurm.conf",
    }
