"""Simulated runners: real sockets and the real protocol, without workers.

Usage: ``python _fleet.py CONNECTION_FILE JOB FIRST COUNT``, started by `_fleet_backend`.

One process plays COUNT runners, tasks FIRST and following of the array JOB. Each says
hello, beats, and holds the first work it is given as a job that runs. After a line on
standard input each piece of work is answered at once, without a function being called.
What was seen is printed as JSON, one line a state: ``up`` once all are let in,
``calm`` when the answering begins, with beats and echoes until then.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import sys
import time
from pathlib import Path

import zmq

from gridmap import payload
from gridmap.connection import ConnectionFile
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.transport.limits import raise_descriptor_limit

HERE = "bench"
NOTHING = b"\x80\x05N."
"""None, pickled."""


class SimulatedRunner:
    """One runner; it has a socket of its own, and nothing else of its own."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        file: ConnectionFile,
        job: str,
        task: int,
    ) -> None:
        self.job, self.task = job, task
        self.nonce = f"{job}-{task}-{os.getpid()}"
        self.grants: list[m.Work] = []
        self.beats = self.echoed = self.number = 0
        self.interval = 0.0
        self.beat_at = float("inf")
        self.sent_at = 0.0
        self.slowest_echo = 0.0
        self.over = False
        self.socket = sock = context.socket(zmq.DEALER)
        sock.setsockopt(zmq.ROUTING_ID, self.nonce.encode())
        sock.setsockopt(zmq.LINGER, 1000)
        sock.setsockopt(zmq.HANDSHAKE_IVL, 120_000)
        options = (zmq.CURVE_SERVERKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY)
        for option, key in zip(options, file.keys, strict=True):
            sock.setsockopt(option, (key or "").encode())
        sock.connect(file.addresses[0])
        self._say(
            m.Hello(
                version=m.VERSION,
                nonce=self.nonce,
                job=job,
                task=str(task),
                node=f"node{task // 16}",
                pid=task,
                python=sys.version_info[:3],
                gridmap=HERE,
            )
        )

    def _say(self, message: m.FromRunner, *frames: payload.Frame) -> None:
        self.socket.send_multipart([codec.encode(message), *frames])

    def hear(self, *, flowing: bool) -> None:
        """Take in everything that has arrived."""
        with contextlib.suppress(zmq.Again):
            while not self.over:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
                message = codec.decode_from_monitor(frames[0])
                match message:
                    case m.Welcome():
                        self.interval = message.interval
                        # Real ones do not start at the same moment either.
                        self.beat_at = time.monotonic() + random.random() * 10.0  # noqa: S311 - no secret
                    case m.Echo():
                        self.echoed += 1
                        waited = time.monotonic() - self.sent_at
                        self.slowest_echo = max(self.slowest_echo, waited)
                    case m.Work() if flowing:
                        self._report(message)
                    case m.Work():
                        self.grants.append(message)
                    case m.Recall():
                        self._hand_back(message.grant)
                    case m.Stop() | m.Refuse():
                        self._leave()

    def _report(self, work: m.Work) -> None:
        self.number += 1
        report = m.Report(
            number=self.number,
            grant=work.grant,
            first=work.first,
            count=work.count,
            seconds=1e-6 * work.count,
        )
        self._say(report, *payload.encode(payload.pack([NOTHING] * work.count), "none"))

    def _hand_back(self, grant: int) -> None:
        """All of a grant but the job that is being run."""
        for place, work in enumerate(self.grants):
            first = work.first + (place == 0)
            count = work.first + work.count - first
            if work.grant == grant and count:
                self.number += 1
                back = m.Returned(
                    number=self.number, grant=grant, first=first, count=count
                )
                self._say(back)

    def flow(self) -> None:
        """End what was held; what comes from now on is answered at once."""
        held, self.grants = self.grants, []
        for work in held:
            self._report(work)

    def beat(self, now: float) -> None:
        """Send the heartbeat that is due."""
        self.beats += 1
        self.beat_at, self.sent_at = now + self.interval, now
        holds = tuple(work.grant for work in self.grants)
        job = self.grants[0].first if self.grants else None
        self._say(m.Beat(number=self.beats, holds=holds, job=job, cpu=now, running=1.0))

    def _leave(self) -> None:
        self.number += 1
        self._say(m.Goodbye(number=self.number, reason="stopped"))
        self.over = True


class Fleet:
    """All runners of this process, and its loop."""

    def __init__(self, path: Path, job: str, first: int, count: int) -> None:
        raise_descriptor_limit(3 * count)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        context.set(zmq.MAX_SOCKETS, count + 16)
        file = ConnectionFile.read(path)
        self._poll = select.epoll()
        self._poll.register(0, select.EPOLLIN)
        self._of = {}
        self._runners = []
        for task in range(first, first + count):
            runner = SimulatedRunner(context, file, job, task)
            self._runners.append(runner)
            fd = runner.socket.getsockopt(zmq.FD)
            self._of[fd] = runner
            self._poll.register(fd, select.EPOLLIN | select.EPOLLET)
        self._flowing = self._told_up = False

    def run(self) -> None:
        """Play until standard input ends."""
        looked = 0.0
        while True:
            for fd, _ in self._poll.poll(0.1):
                if fd == 0:
                    if not sys.stdin.readline():
                        return
                    self._flow()
                else:
                    self._of[fd].hear(flowing=self._flowing)
            now = time.monotonic()
            if now - looked < 0.05:  # noqa: PLR2004 - a pause
                continue
            looked = now
            for runner in self._runners:
                if runner.beat_at <= now and not runner.over:
                    runner.beat(now)
                # Sending may take in what made the descriptor readable.
                runner.hear(flowing=self._flowing)
            if not self._told_up and all(runner.interval for runner in self._runners):
                self._told_up = True
                print(json.dumps({"state": "up"}), flush=True)

    def _flow(self) -> None:
        runners = self._runners
        told = {
            "state": "calm",
            "beats": sum(runner.beats for runner in runners),
            "echoed": sum(runner.echoed for runner in runners),
            "slowest": max(runner.slowest_echo for runner in runners),
        }
        print(json.dumps(told), flush=True)
        self._flowing = True
        for runner in runners:
            runner.flow()
            runner.hear(flowing=True)


if __name__ == "__main__":
    place, array, begin, many = sys.argv[1:]
    Fleet(Path(place), array, int(begin), int(many)).run()
    os._exit(0)
