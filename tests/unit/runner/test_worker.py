"""What a worker does with the records it is handed, in their order."""

import io
import select
import socket
import sys
from collections.abc import Iterator

import pytest

from gridmap import payload
from gridmap.runner import records
from gridmap.runner.outbox import Outbox
from gridmap.runner.records import Record, RecordType
from gridmap.runner.worker import Worker

DIGEST = b"f" * 20
FUNCTION = payload.dump(abs, what="abs")
CONTENT = Record(RecordType.CONTENT, (DIGEST, FUNCTION.head, *FUNCTION.buffers))
DISCARD = Record(RecordType.DISCARD, (DIGEST,))


class Bench:
    """A worker in this process, and the runner's end of its line."""

    def __init__(self) -> None:
        self.runner, self._sock = socket.socketpair()
        self._outbox = Outbox()
        self._worker = Worker(self._sock, self._outbox)
        self._said = records.Inlet(self.runner)

    def hand(self, *handed: Record) -> None:
        """Hand records over at once, and let the worker do what they ask for."""
        for record in handed:
            records.send(self.runner, record)
        for _ in handed:
            received = self._worker.receive()
            assert received is not None
            self._worker.handle(received)
            self._worker.rest()

    def result(self) -> Record:
        """Return what the worker has said by now."""
        self.runner.settimeout(0.0)
        said = self._said.receive()
        assert said is not None
        return said

    @property
    def has_said(self) -> bool:
        """Whether the worker has said anything that was not read."""
        return bool(select.select([self.runner], [], [], 0)[0])

    def close(self) -> None:
        """Let go of all of it."""
        self._outbox.close()
        self.runner.close()
        self._sock.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def call(job: int) -> Record:
    """Return the record of one job."""
    plain = payload.dump_call((job,), None)
    assert plain is not None
    inputs = payload.pack([plain])
    return Record(RecordType.JOBS, (DIGEST, *inputs), job, grant=1)


@pytest.mark.parametrize("behind", [DISCARD, CONTENT])
def test_a_result_does_not_wait_for_the_next_job(bench: Bench, behind: Record) -> None:
    """Whatever else is there to be read when it is done."""
    bench.hand(CONTENT, call(7), behind)
    said = bench.result()
    assert (said.type, said.job, said.kind) == (RecordType.RESULT, 7, 0)


def test_a_function_that_was_discarded_can_come_again(bench: Bench) -> None:
    bench.hand(CONTENT, call(7), DISCARD, CONTENT, call(8))
    said = bench.result()
    assert (said.job, said.count, said.kind) == (7, 2, 0)


def test_what_was_printed_is_out_before_the_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line without an end too: with the last result a run may end its workers."""
    said: list[bool] = []

    class Stream(io.StringIO):
        def flush(self) -> None:
            said.append(bench.has_said)

    monkeypatch.setattr(sys, "stdout", Stream())
    bench.hand(CONTENT, call(7))
    assert bench.has_said
    assert said[:1] == [False]
