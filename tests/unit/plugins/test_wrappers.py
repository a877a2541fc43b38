"""What a site wraps round a backend's verbs, and what nobody may."""

from collections.abc import Generator, Mapping
from typing import Any

import msgspec
import pytest
from tests.unit.plugins.sound import (
    BATCH,
    BOTH,
    ONE,
    RUNNING,
    TWO,
    Good,
    answering,
    relay,
)

from gridmap.backend import (
    Batch,
    Capabilities,
    Handle,
    Killed,
    Observed,
    Rendered,
    Seen,
)
from gridmap.errors import InvalidRequestError, PluginError
from gridmap.hookspecs import hookimpl
from gridmap.resources import Resources
from gridmap.retry import Decision, GiveUp
from gridmap.verdict import Cause, Verdict


def hijacker(*, first: bool) -> object:
    """Return a plugin that answers every verb there is."""

    class Hijacker:
        @hookimpl(tryfirst=first)
        def gridmap_capabilities(self) -> Capabilities:
            return Capabilities(largest_array=1)

        @hookimpl(tryfirst=first)
        def gridmap_submit(self) -> Mapping[int, Handle]:
            return {1: Handle("stolen"), 2: Handle("stolen")}

        @hookimpl(tryfirst=first)
        def gridmap_observe(self, handles: frozenset[Handle]) -> Observed:
            return Observed(seen={}, absent=handles)

        @hookimpl(tryfirst=first)
        def gridmap_kill(self, handles: frozenset[Handle]) -> Mapping[Handle, Killed]:
            return dict.fromkeys(handles, Killed.GONE)

        @hookimpl(tryfirst=first)
        def gridmap_attach(self) -> Mapping[Handle, Seen]:
            return {TWO: RUNNING}

    return Hijacker()


@pytest.mark.parametrize("first", [False, True], ids=["plain", "first"])
def test_nobody_answers_for_the_backend(first: bool) -> None:
    """Another plugin's verbs are not called, also where the backend has none."""
    run = relay(Good(), other=hijacker(first=first))
    assert run.capabilities().largest_array == 9
    assert run.submit(BATCH) == {1: ONE, 2: TWO}
    assert run.observe(BOTH) == Observed(seen={ONE: RUNNING, TWO: RUNNING})
    assert run.kill(BOTH) == dict.fromkeys(BOTH, Killed.KILLED)
    assert run.attach() == {}


def test_nobody_stands_in_for_a_verb_the_backend_lacks() -> None:
    """A required verb has to be the backend's own."""

    class Lacking(Good):
        gridmap_submit = None  # type: ignore[assignment] # the fault

    with pytest.raises(PluginError, match="does not implement"):
        relay(Lacking(), other=hijacker(first=True))


class Audit:
    """A site's wrapper: writes down, and changes what it is told to."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    @hookimpl(wrapper=True)
    def gridmap_submit(self, batch: Batch) -> Generator[None, Any, Any]:
        self.seen.append(batch.runners)
        answer = yield
        self.seen.append(answer)
        return answer

    @hookimpl(wrapper=True)
    def gridmap_render(self) -> Generator[None, Rendered, Rendered]:
        rendered = yield
        return Rendered(command=("site", *rendered.command))


def test_wrappers_wrap_every_backend() -> None:
    """They see arguments and answers, and may change them."""
    audit = Audit()
    run = relay(Good(), audit=audit)
    answer = run.submit(BATCH)
    assert audit.seen == [(1, 2), answer]
    assert run.render(BATCH).command == ("site", "true")


class Charge:
    """A site's wrapper that changes what is asked for."""

    @hookimpl(wrapper=True)
    def gridmap_request(self) -> Generator[None, Resources, Resources]:
        asked = yield
        return msgspec.structs.replace(asked, account=f"{asked.account or ''}x")


def test_what_is_asked_for_goes_through_every_wrapper() -> None:
    """Each sees what the one inside of it made; without any nothing changes."""
    asked = Resources(account="a", cores=2)
    assert relay(Good()).request(asked) == asked
    twice = relay(Good(), one=Charge(), two=Charge()).request(asked)
    assert twice == Resources(account="axx", cores=2)


def test_a_site_refuses_a_request_in_its_own_words() -> None:
    """It is the user's mistake, not a plugin's."""

    class Forbid:
        @hookimpl(wrapper=True)
        def gridmap_request(self) -> Generator[None, Resources, Resources]:
            yield
            msg = "not this queue"
            raise InvalidRequestError(msg)

    with pytest.raises(InvalidRequestError, match=r"^not this queue$"):
        relay(Good(), site=Forbid()).request(Resources())


def test_a_wrapper_may_have_the_name_of_the_backend() -> None:
    """The entry point of a backend's distribution often has."""
    assert relay(Good(), mine=Audit()).render(BATCH).command == ("site", "true")


def test_a_wrapper_that_raises_is_named_itself() -> None:
    """The backend is not blamed for it."""

    class Grim:
        @hookimpl(wrapper=True)
        def gridmap_submit(self) -> Generator[None, Any, Any]:
            yield
            msg = "not today"
            raise RuntimeError(msg)

    with pytest.raises(PluginError, match="not today") as caught:
        relay(Good(), grim=Grim()).submit(BATCH)
    assert caught.value.plugin == "grim (wrapper)"


def test_a_backend_that_raises_inside_a_wrapper_is_named() -> None:
    """Nor is the wrapper blamed for the backend."""
    run = relay(answering("gridmap_submit", ValueError("no")), audit=Audit())
    with pytest.raises(PluginError) as caught:
        run.submit(BATCH)
    assert caught.value.plugin == "mine"


def test_a_wrong_answer_names_all_who_had_a_hand_in_it() -> None:
    """Whether backend or wrapper made it cannot be known."""
    run = relay(answering("gridmap_submit", 5), audit=Audit())
    with pytest.raises(PluginError) as caught:
        run.submit(BATCH)
    assert caught.value.plugin == "mine, inside audit (wrapper),"


def test_policies_need_be_nobodys_wrapper() -> None:
    """A site may decide on retries and commands whatever the backend is."""

    class Policy:
        closed = 0

        @hookimpl
        def gridmap_launch(self, command: tuple[str, ...]) -> tuple[str, ...]:
            return ("nice", *command)

        @hookimpl
        def gridmap_retry(self, failure: Verdict) -> Decision:
            assert failure.cause is Cause.LOST
            return GiveUp()

        @hookimpl
        def gridmap_close(self) -> None:
            self.closed += 1

    policy = Policy()
    run = relay(Good(), policy=policy)
    assert run.launch(("true",), Resources()) == ("nice", "true")
    failure = Verdict(cause=Cause.LOST, job="0", attempt=1)
    assert run.retry(failure, (), Resources()) == GiveUp()
    run.close()
    assert policy.closed == 1


@pytest.mark.parametrize("answer", [RuntimeError("no"), SystemExit(), "again", None])
def test_a_retry_policy_that_fails_leaves_it_to_core(answer: object) -> None:
    """A run does not end because a policy is broken."""
    failure = Verdict(cause=Cause.LOST, job="0", attempt=1)
    run = relay(answering("gridmap_retry", answer))
    assert run.retry(failure, (), Resources()) is None
