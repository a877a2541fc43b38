"""What `gridmap doctor` looks at: does Slurm answer, and what can it do here?"""

from __future__ import annotations

import os
import shutil
from typing import Final

from gridmap import programs
from gridmap.backend import Check
from gridmap.programs import Answer, Reply, Run
from gridmap_slurm import discovery, environment, sacct, scontrol, sinfo

_TIMEOUT_S: Final = 10.0
_MOST_NAMED: Final = 5


def checks(run: Run = programs.run) -> tuple[Check, ...]:
    """Return what was found; asks the controller three short questions.

    Args:
        run: Starts a command.
    """
    found = discovery.available()
    if not found.usable:
        check = Check(
            name="Slurm's commands",
            passed=False,
            found=found.reason,
            advice="work on a host from which you can submit with sbatch by hand",
        )
        return (check,)
    commands = Check(name="Slurm's commands", passed=True, found=found.reason)
    config = _ask(run, scontrol.config_command())
    site = scontrol.parse_config(_output(config))
    if site is None:
        check = Check(
            name="Slurm's controller",
            passed=False,
            found=_words(config),
            advice="ask the administrators whether slurmctld runs, or look at `scontrol "
            "ping`",
        )
        return (commands, check)
    controller = Check(
        name="Slurm's controller",
        passed=True,
        found=f"answers; arrays of up to {site.largest_array} runners",
    )
    return (commands, controller, _nodes(run), _accounting(site))


def _nodes(run: Run) -> Check:
    name = "Slurm's nodes"
    answer = _ask(run, sinfo.shut_command())
    shut, count = sinfo.parse_shut(_output(answer))
    if not count:
        return Check(
            name=name,
            passed=False,
            found=_words(answer),
            advice="a white list of nodes cannot be used as long as sinfo does not answer",
        )
    if not shut:
        return Check(name=name, passed=True, found=f"{count} nodes")
    told = [f"{node} ({why})" for node, why in sorted(shut.items())[:_MOST_NAMED]]
    more = f", and {len(shut) - len(told)} more" if len(shut) > len(told) else ""
    advice = "ask the administrators, who open one with scontrol update State=RESUME"
    return Check(
        name=name,
        passed=len(shut) < count,
        found=f"{count - len(shut)} of {count} take jobs, not {', '.join(told)}{more}",
        advice=advice,
    )


def _accounting(site: scontrol.Site) -> Check:
    name = "Slurm's accounting"
    if site.accounting and shutil.which(sacct.PROGRAM):
        return Check(name=name, passed=True, found="sacct tells how runners ended")
    text = (
        f"none here: the controller tells how runners ended for {site.remembers_s} s, "
        "without their peak of memory"
    )
    return Check(name=name, passed=True, found=text)


def _ask(run: Run, argv: tuple[str, ...]) -> Reply:
    return run(argv, environment.for_queries(os.environ), "", _TIMEOUT_S)


def _output(outcome: Reply) -> str:
    return outcome.output if isinstance(outcome, Answer) else ""


def _words(outcome: Reply) -> str:
    return outcome.words if isinstance(outcome, Answer) else outcome.text
