"""The process that holds DRMAA, with a library of our own in DRMAA's place."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from gridmap_sge import drmaa_server, frames
from gridmap_sge.drmaa_process import DrmaaProcess
from gridmap_sge.drmaa_server import Session

DRMAA = '''
"""Behaves as drmaa-python 0.7.9 does, as far as the server needs it."""
import os
from types import SimpleNamespace

class DrmaaException(Exception): pass
class ExitTimeoutException(DrmaaException): pass
class InvalidJobException(DrmaaException): pass
class DeniedByDrmException(DrmaaException): pass
errors = SimpleNamespace(
    DrmaaException=DrmaaException, ExitTimeoutException=ExitTimeoutException,
    InvalidJobException=InvalidJobException)

class Session:
    TIMEOUT_NO_WAIT = 0
    drmsInfo = "Fake 1.0"
    contact = "session=1"
    log = []

    @classmethod
    def initialize(cls): cls.log.append("initialize")
    @classmethod
    def exit(cls): cls.log.append("exit")
    @classmethod
    def createJobTemplate(cls): return SimpleNamespace()
    @classmethod
    def deleteJobTemplate(cls, template): cls.log.append("delete")
    @classmethod
    def runBulkJobs(cls, template, first, last, step):
        cls.log.append(template)
        if template.jobName == b"denied":
            raise DeniedByDrmException("code 17: no")
        print("libraries print")
        return [f"7.{n}" for n in range(first, last + 1, step)]
    @classmethod
    def wait(cls, job, timeout):
        if job == "7.1":
            return SimpleNamespace(
                jobId=job, hasExited=True, exitStatus=3, hasSignal=False,
                terminatedSignal="", wasAborted=False, resourceUsage={"cpu": "1.0"})
        if job == "7.2":
            raise Exception("code 24: no usage information was returned")
        if job == "7.3":
            raise ExitTimeoutException("code 23: still running")
        if job == "7.4":
            raise DrmaaException("code 1: internal")
        if job == "7.5":
            raise Exception("code 99: what?")
        raise InvalidJobException("code 18: not of this session")
'''


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Make a session that imports the stand-in."""
    (tmp_path / "drmaa.py").write_text(DRMAA)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "drmaa", raising=False)
    return Session()


@pytest.fixture
def log(session: Session) -> list[object]:
    """Open the session and return what the stand-in remembers."""
    session.answer({"verb": "open"})
    log: list[object] = sys.modules["drmaa"].Session.log
    return log


def submit(name: str = "x", count: int = 2) -> frames.Message:
    """Return a request for a submission."""
    template = {"jobName": name, "args": ["a", "\udcff"], "joinFiles": True}
    return {"verb": "submit", "template": template, "count": count}


def test_the_session_is_opened_once(session: Session, log: list[object]) -> None:
    """By whatever comes first."""
    assert session.answer({"verb": "open"})["ok"]["system"] == "Fake 1.0"
    assert session.answer(submit()) == {"ok": {"ids": ["7.1", "7.2"]}}
    session.close()
    assert log.count("initialize") == 1
    assert log[-1] == "exit"


def test_templates_are_filled_with_bytes(session: Session, log: list[object]) -> None:
    """Whatever the locale, and whatever bytes a path is made of."""
    session.answer(submit())
    assert SimpleNamespace(
        jobName=b"x", args=[b"a", b"\xff"], joinFiles=True
    ) in log  # fmt: skip
    assert log[-1] == "delete"


def test_refusals_are_replies(session: Session, log: list[object]) -> None:
    """With the exception's name and text; the template is let go of all the same."""
    assert session.answer(submit("denied")) == {
        "error": "DeniedByDrmException",
        "text": "code 17: no",
    }
    assert log[-1] == "delete"
    assert session.answer({"verb": "dance"})["error"] == "KeyError"


def test_ends_are_told(session: Session, log: list[object]) -> None:
    """Exits, and deletions of what never ran; nothing of the living or of strangers."""
    del log
    reply = session.answer({"verb": "reap", "ids": ["7.1", "7.2", "7.3", "8.1"]})
    ended = reply["ok"]["ended"]
    assert set(ended) == {"7.1", "7.2"}
    assert (ended["7.1"]["exited"], ended["7.1"]["status"]) == (True, 3)
    assert ended["7.1"]["usage"] == {"cpu": "1.0"}
    assert ended["7.2"] == {"ran": False}


@pytest.mark.parametrize("job", ["7.4", "7.5"])
def test_failures_of_the_library_are_no_ends(
    session: Session, log: list[object], job: str
) -> None:
    """They are replies that say so."""
    del log
    assert "error" in session.answer({"verb": "reap", "ids": [job]})


def test_without_a_session_nothing_has_ended(session: Session) -> None:
    """And none is opened for the question."""
    assert session.answer({"verb": "reap", "ids": ["7.1"]}) == {"ok": {"ended": {}}}
    session.close()


def test_a_missing_library_is_a_reply(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """drmaa-python raises when it is imported."""
    monkeypatch.setitem(sys.modules, "drmaa", None)
    assert session.answer({"verb": "open"})["error"] == "ModuleNotFoundError"


def test_requests_are_answered_in_order(session: Session) -> None:
    """With their ids, until the input ends."""
    requests, replies = io.BytesIO(), io.BytesIO()
    for number in (1, 2):
        frames.write(requests, {"verb": "open", "id": number})
    requests.seek(0)
    drmaa_server.serve(requests, replies, session, lambda: None)
    replies.seek(0)
    assert [(frames.read(replies) or {}).get("id") for _ in (1, 2)] == [1, 2]


def test_rubbish_ends_the_service(session: Session) -> None:
    """The client is of our own version, so what wrote it is somebody else."""
    drmaa_server.serve(
        io.BytesIO(b"\xff\xff\xff\xff"), io.BytesIO(), session, lambda: None
    )


def test_a_client_that_reads_no_more_ends_the_service(session: Session) -> None:
    """Its pipe is broken."""
    requests = io.BytesIO()
    frames.write(requests, {"verb": "open"})
    requests.seek(0)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as replies:  # noqa: PTH123 - a pipe
        drmaa_server.serve(requests, replies, session, lambda: None)


def test_a_hanging_call_ends_with_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process does not outlive its user because a master does not answer."""
    monkeypatch.setattr(drmaa_server, "GOODBYE_S", 0.01)
    ended = threading.Event()

    class Hanging(Session):
        def answer(self, request: frames.Message) -> frames.Message:
            assert ended.wait(20)
            return request

    requests = io.BytesIO()
    frames.write(requests, {"verb": "open"})
    requests.seek(0)
    drmaa_server.serve(requests, io.BytesIO(), Hanging(), ended.set)
    assert ended.is_set()


def test_the_real_process_serves(tmp_path: Path) -> None:
    """What libraries print does not get among the replies."""
    (tmp_path / "drmaa.py").write_text(DRMAA)
    client = DrmaaProcess({**os.environ, "PYTHONPATH": str(tmp_path)}, timeout_s=20)
    try:
        assert client.open().system == "Fake 1.0"
    finally:
        client.close()


def test_the_process_dies_with_its_user(tmp_path: Path) -> None:
    """Also when the user is killed -9."""
    (tmp_path / "drmaa.py").write_text(DRMAA)
    program = (
        "import os; from gridmap_sge.drmaa_process import DrmaaProcess\n"
        "client = DrmaaProcess(os.environ); client.open()\n"
        "print(client._child._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        check=False,
    )
    server = int(done.stdout)
    deadline = threading.Event()
    for _ in range(200):
        if not Path(f"/proc/{server}").exists() or _is_zombie(server):
            return
        deadline.wait(0.05)
    pytest.fail(f"process {server} lives on")


def _is_zombie(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
