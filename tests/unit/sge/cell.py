"""Bad answers of a cell, and runners in it."""

from tests.unit.sge.doubles import (
    CONTEXT,
    Scene,
)

from gridmap.backend import (
    Handle,
)
from gridmap.plugins import RunPlugins
from gridmap.programs import Answer, NoAnswer
from gridmap_sge.backend import GridEngineBackend
from gridmap_sge.submission import SubmitError

DOWN = Answer(status=1, errors="error: commlib error: got select error\n")
HANGS = NoAnswer(text="qstat gave no answer within 60 s", started=True)
NO_QUEUE = SubmitError("error: no suitable queues", transient=False)
LOST = SubmitError("the DRMAA process failed", transient=True, uncertain=True)
ONE, TWO, THREE = (Handle("7", str(n)) for n in (1, 2, 3))


def marked(job: str, token: str = "5eed", first: int = 10) -> str:  # noqa: S107
    """Return what ``qstat -j`` says of a job of ours."""
    return f"=====\njob_number: {job}\ncontext: GRIDMAP_RUN={token},GRIDMAP_FIRST={first}\n"


def run(stage: Scene) -> RunPlugins:
    """Return a run whose backend is among stand-ins."""
    return RunPlugins(GridEngineBackend(stage.scheduler), CONTEXT, name="sge")
