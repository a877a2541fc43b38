"""Checks of this machine's Grid Engine that explain themselves."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from gridmap import programs as running
from gridmap.backend import Check
from gridmap.desk import Desk
from gridmap.programs import Answer
from gridmap_sge import discovery, qstat, site
from gridmap_sge.drmaa_process import DrmaaProcess
from gridmap_sge.programs import Programs
from gridmap_sge.qstat import QstatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridmap.programs import Run
    from gridmap_sge.discovery import Installation

_NO_JOB = "999999999"
"""Beyond the highest job number there is, 9999999; 0 would be all jobs."""


def examine(
    environ: Mapping[str, str] = os.environ, run: Run = running.run
) -> Sequence[Check]:
    """Look at the installation, and ask the master; takes a second."""
    found = discovery.find(environ)
    checks = [_cell(found)]
    if found.root is None:
        return checks
    programs = Programs(found, environ, Desk(run=run), timeout_s=20.0)
    master = _master(programs)
    return [
        *checks,
        _programs(found),
        master,
        _submit_host(programs),
        *(_site(programs) if master.passed else ()),
        _drmaa(found, environ),
        _accounting(programs),
    ]


def _cell(found: Installation) -> Check:
    if found.root is None:
        return Check(
            name="cell",
            passed=False,
            found="none",
            advice=discovery.judge(found).reason,
        )
    text = f"{found.cell!r} of {found.root}, master {found.master}"
    return Check(name="cell", passed=True, found=text)


def _programs(found: Installation) -> Check:
    lacking = [name for name in discovery.PROGRAMS if name not in found.programs]
    folders = sorted({os.path.dirname(path) for path in found.programs.values()})  # noqa: PTH120
    return Check(
        name="programs",
        passed=not lacking,
        found=f"in {', '.join(folders) or 'no folder'}"
        + (f", without {', '.join(lacking)}" if lacking else ""),
        advice=f"put {', '.join(lacking)} on PATH" if lacking else "",
    )


def _master(programs: Programs) -> Check:
    answer = programs.ask("qconf", "-sh")
    passed = isinstance(answer, Answer) and answer.status == 0
    return Check(
        name="master",
        passed=passed,
        found="it answers" if passed else answer.words,
        advice="" if passed else "ask the administrator whether sge_qmaster runs",
    )


def _submit_host(programs: Programs) -> Check:
    answer = programs.ask("qsub", "-w", "v", "-b", "y", "/bin/true")
    passed = isinstance(answer, Answer) and answer.status == 0
    advice = (
        "the administrator makes this machine a submit host with qconf -as, or lets "
    )
    advice += "you use a queue"
    return Check(
        name="submission",
        passed=passed,
        found="a job would be taken" if passed else answer.words,
        advice="" if passed else advice,
    )


def _site(programs: Programs) -> Sequence[Check]:
    """Look at what jobs can ask for, and at what is shut; what cannot be asked is left."""
    checks = []
    if complexes := site.parse_complexes(_told(programs, "qconf", "-sc")):
        checks.append(site.judge_memory(complexes))
    if queues := _told(programs, "qconf", "-sq", "*"):
        there = _told(programs, "qconf", "-spl").split()
        used = site.parse_environments(queues)
        checks.append(site.judge_environments(there, used))
    with contextlib.suppress(QstatError):
        states = qstat.parse_states(_told(programs, "qstat", "-f", "-xml"))
        checks.append(site.judge_queues(states))
    return checks


def _told(programs: Programs, *words: str) -> str:
    answer = programs.ask(*words)
    well = isinstance(answer, Answer) and answer.status == 0
    return answer.output if well and isinstance(answer, Answer) else ""


def _drmaa(found: Installation, environ: Mapping[str, str]) -> Check:
    if not found.drmaa:
        return Check(
            name="DRMAA",
            passed=False,
            found="not usable; qsub is used, which tells less about deaths",
            advice="; ".join(found.obstacles),
        )
    process = DrmaaProcess(found.drmaa_environment(environ), timeout_s=20.0)
    try:
        outcome = process.open()
    finally:
        process.close()
    preload = ", ".join(str(path) for path in found.preload)
    where = f"{found.library}" + (f" with {preload}" if preload else "")
    return Check(
        name="DRMAA",
        passed=not outcome.error,
        found=f"{where}: {outcome.error or outcome.system}",
        advice="set DRMAA_LIBRARY_PATH to a libdrmaa that loads"
        if outcome.error
        else "",
    )


def _accounting(programs: Programs) -> Check:
    answer = programs.ask("qacct", "-j", _NO_JOB)
    words = answer.words
    if "accounting: No such file" in words:
        return Check(
            name="accounting",
            passed=True,
            found="there is none yet",
            advice="that is so until the cell's first job has ended; if some have, this "
            "machine does not see the cell's common/accounting, and limits and failed "
            "starts are told apart by DRMAA alone",
        )
    passed = isinstance(answer, Answer) and "not found" in words
    return Check(
        name="accounting",
        passed=passed,
        found="qacct can be asked" if passed else words,
        advice=""
        if passed
        else "without it, limits and failed starts are told apart by DRMAA alone: let "
        "this machine read the cell's common/accounting",
    )
