"""Runs of other processes, as far as they can be seen from here."""

from pathlib import Path

import msgspec

from gridmap import events as ev
from gridmap.control import record
from gridmap.control.register import Register, name_of
from gridmap.driver import Driver
from gridmap.testing import eventually
from gridmap_dashboard import views
from gridmap_dashboard.library import Library

from .conftest import BEGAN, Story

ELSEWHERE = msgspec.structs.replace(Driver.here(), host="login2", machine="another")


def keep(story: Story, register: Register, driver: Driver) -> None:
    """Write down how a run stands, as its process does."""
    overview = story.state.overview
    data = record.encode(record.make(overview, driver, "0", kept=False))
    register.write(name_of(overview.name, overview.token, BEGAN), data)


def test_a_run_that_is_not_heard_is_not_said_to_be_over(
    tmp_path: Path, story: Story
) -> None:
    """It goes on at another host; what is written down there later is found."""
    register = Register(tmp_path)
    keep(story, register, ELSEWHERE)
    shelf = Library(register=register)
    (line,) = shelf.runs()
    state = shelf.run("r1")
    assert state is not None
    stands = views.summary(state, BEGAN + 60.0)
    assert (line["state"], stands["error"]) == ("running", None)
    assert "on login2, cannot be heard from here" in stands["lost"]
    assert not shelf.can_kill(state)
    assert shelf.run("r1") is state, "nothing has been written down since"
    story.tell(ev.JobsQueued, 3.0, first=0, stop=7)
    keep(story, register, ELSEWHERE)

    def seen() -> int:
        found = shelf.run("r1")
        return 0 if found is None else found.overview.total

    eventually(lambda: seen() == 7, within_s=20, what="what was written down later")
