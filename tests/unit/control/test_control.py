"""A live run can be seen, followed and ordered about by its user's other processes."""

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.others import OtherUser

from gridmap import events as ev
from gridmap.control import door, messages
from gridmap.control.client import Control
from gridmap.control.recorder import Recorder
from gridmap.control.register import Register
from gridmap.errors import RemoteProtocolError, RunError
from gridmap.lifecycle import JobState

RUN = "0123456789abcdef"
LONG = "a directory with a name that is too long for the path of a socket" * 2


class Orders:
    """Notes what was ordered."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def kill_run(self, by: str) -> None:
        self.given.append(by)

    def watch(self, *, output: bool) -> Callable[[], None]:
        self.given.append(("watch", output))
        return lambda: self.given.append("look no more")

    def kill_jobs(self, first: int, stop: int, by: str) -> None:
        if first == 666:
            msg = "no such job"
            raise ValueError(msg)
        self.given.append((first, stop, by))


@pytest.fixture
def orders() -> Orders:
    return Orders()


@pytest.fixture
def run(
    tmp_path: Path, orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Recorder]:
    """Start a run of three jobs, with its sockets below a very long path."""
    runtime = tmp_path / LONG
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    recorder = Recorder(Register(tmp_path / "records"), 10, kept=False)
    recorder.obey(orders)
    recorder(
        ev.RunStarted(
            run=RUN, at=1e9, name="sweep", backend="local", directory="/d",
            settings={"password": "secret"},
        )
    )  # fmt: skip
    recorder(ev.JobsQueued(run=RUN, at=1e9, first=0, stop=3))
    yield recorder
    recorder.close()


def done(job: int) -> ev.JobsDone:
    return ev.JobsDone(
        run=RUN, at=1e9 + job, first=job, stop=job + 1, runner=1, seconds=0.5
    )


def test_whoever_looks_sees_the_present(run: Recorder) -> None:
    """Each look shows what has happened by then."""
    with Control(RUN) as control:
        assert control.look().overview().count(JobState.QUEUED) == 3
        run(done(0))
        assert control.look().overview().count(JobState.DONE) == 1
        assert control.look().driver.pid == os.getpid()


def test_whoever_follows_is_told_all_but_settings(run: Recorder) -> None:
    """Events come in order, the last one too, and then the run hangs up."""
    events: list[ev.Event] = []
    with Control(RUN) as control:
        following = control.follow()
        reader = threading.Thread(target=lambda: events.extend(following))
        reader.start()
        with Control(RUN) as other:  # until it is followed
            while not run._server._followed:  # type: ignore[union-attr]
                other.look()
        run(done(0))
        run(ev.RunEnded(run=RUN, at=1e9 + 9, error=None, queries={"submit": 1}))
        reader.join(10.0)
    assert events == [
        done(0),
        ev.RunEnded(run=RUN, at=1e9 + 9, error=None, queries={"submit": 1}),
    ]
    started = messages.happened(
        ev.RunStarted(
            run="r", at=0.0, name="", backend="", directory="", settings={"a": "secret"}
        )
    )
    assert b"secret" not in bytes(started.fields)


def test_what_jobs_print_is_told_to_who_asked_for_it(
    run: Recorder, orders: Orders
) -> None:
    """And jobs are asked for it as long as somebody does."""
    printed = ev.JobOutput(run=RUN, at=1e9, job=1, runner=1, text="hello\n")
    with Control(RUN) as deaf, Control(RUN) as listener:
        silent, heard = deaf.follow(), listener.follow(output=True)
        run(printed)
        run(done(0))
        assert [next(silent), next(heard), next(heard)] == [done(0), printed, done(0)]
    with Control(RUN) as other:
        while orders.given.count("look no more") < 2:
            other.look()
    assert ("watch", True) in orders.given
    assert ("watch", False) in orders.given


@pytest.mark.usefixtures("run")
def test_orders_are_carried_out_and_refusals_told(orders: Orders) -> None:
    """Who gave one is told along; what fails there is said here, and nothing breaks."""
    with Control(RUN) as control:
        control.kill_jobs([(0, 1), (2, 3)])
        with pytest.raises(RunError, match="no such job"):
            control.kill_jobs([(666, 667)])
        control.kill_run()
    who = f"process {os.getpid()} on {socket.gethostname()}"
    assert orders.given == [(0, 1, who), (2, 3, who), who]


@pytest.mark.parametrize(
    "noise",
    [b"\xff\xff\xff\x7f", b"\3\0\0\0abc", b"\1\0\0\0\xc1", b"GET / HTTP/1.0\r\n\r\n"],
    ids=["huge", "text", "never used", "http"],
)
@pytest.mark.usefixtures("run")
def test_noise_costs_the_connection_and_nothing_else(noise: bytes) -> None:
    """Whoever speaks another language is hung up on."""
    with door.connect(door.directory(), RUN, 5.0) as peer:
        peer.sendall(noise)
        assert peer.recv(100) == b""
    with Control(RUN) as control:
        assert control.look().token == RUN


@pytest.mark.usefixtures("run")
def test_a_crowd_is_kept_out() -> None:
    """Connections that never speak do not use up the run's descriptors."""
    crowd: list[socket.socket] = []
    for _ in range(100):
        peer = door.connect(door.directory(), RUN, 5.0)
        if len(crowd) < 64:
            crowd.append(peer)
            continue
        assert peer.recv(1) == b""
        peer.close()
    crowd.pop().close()
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:  # until the server has seen that one leave
        try:
            with Control(RUN) as control:
                assert control.look().token == RUN
                break
        except RunError:
            continue
    for peer in crowd:
        peer.close()


def test_a_run_that_is_over_leaves_a_record_and_no_socket(
    run: Recorder, tmp_path: Path
) -> None:
    """Its end is written down before anybody could miss it."""
    run(done(0))
    run(ev.RunEnded(run=RUN, at=1e9 + 9, error="KeyError: 1"))
    (entry,) = Register(tmp_path / "records").entries()
    assert (entry.over, entry.record.error) == (True, "KeyError: 1")
    assert entry.record.overview().count(JobState.DONE) == 1
    assert list(door.directory().iterdir()) == []
    with pytest.raises(RunError, match="nobody answers"):
        Control(RUN)


@pytest.mark.usefixtures("run")
def test_sockets_of_drivers_that_were_killed_are_taken_away() -> None:
    """Not those that answer, however old they are, nor one that is just being made."""
    folder = door.directory()
    for token, age_s in (("left", door.LEFT_S + 60), ("new", 60.0)):
        door.listen(folder, token).close()  # as the kernel does for one that is killed
        _age(folder / door.file_name(token), age_s)
    _age(folder / door.file_name(RUN), door.LEFT_S + 60)
    door.listen(folder, "another").close()
    names = {path.name for path in folder.iterdir()}
    assert names == {door.file_name(token) for token in (RUN, "new", "another")}
    with Control(RUN) as control:
        assert control.look().token == RUN


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_no_socket_is_had_where_others_could_put_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on without, and a client does not look there either."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    door.directory().mkdir(mode=0o700)
    door.directory().chmod(0o755)
    with pytest.raises(RunError, match="mode 0755"):
        door.listen(door.directory(), RUN)
    with pytest.raises(RunError, match="mode 0755"):
        Control(RUN)


KNOCK = """
import os, socket, sys
os.chdir(sys.argv[1])
with socket.socket(socket.AF_UNIX) as peer:
    peer.settimeout(30.0)
    peer.connect(sys.argv[2])
    print("heard", peer.recv(1))
"""


@pytest.mark.usefixtures("run")
def test_another_user_is_hung_up_on(other_user: OtherUser) -> None:
    """Even one who got into the directory: the kernel tells who he is."""
    folder, name = door.directory(), door.file_name(RUN)
    for parent in list(folder.parents)[:-2]:
        parent.chmod(0o755)
    folder.chmod(0o777)
    (folder / name).chmod(0o777)
    command = ["/usr/bin/python3", "-c", KNOCK, str(folder), name]
    done = other_user.run(command)
    folder.chmod(0o700)
    assert done.stdout == "heard b''\n", done.stderr


def test_without_a_descriptor_it_waits_without_spinning(run: Recorder) -> None:
    """Whoever comes meanwhile is answered once there is one again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Control(RUN) as control, socket.socket(socket.AF_UNIX) as peer:
        control.look()
        place = os.open(door.directory(), os.O_RDONLY)
        spare = os.dup(place)
        os.close(spare)  # the lowest number that is free
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
        try:
            peer.connect(f"/proc/self/fd/{place}/{door.file_name(RUN)}")
            peer.settimeout(0.5)
            used = time.process_time()
            with pytest.raises(TimeoutError):
                peer.recv(1)
            used = time.process_time() - used
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.close(place)
        assert used < 0.25  # of this process alone: nothing to do with how busy it is
        peer.settimeout(30.0)
        peer.sendall(messages.encode(messages.Look()))
        assert len(peer.recv(messages.LENGTH.size)) == messages.LENGTH.size
        assert control.look().overview().count(JobState.QUEUED) == 3
    run(done(0))


def test_an_unknown_event_is_passed_over_and_a_wrong_one_refused() -> None:
    """Another gridmap may tell more."""
    told = messages.happened(done(1))
    assert messages.event(told) == done(1)
    strange = messages.Happened(kind="Never", fields=told.fields)
    assert messages.event(strange) is None
    wrong = messages.Happened(kind="RunnerUp", fields=told.fields)
    with pytest.raises(RemoteProtocolError):
        messages.event(wrong)
