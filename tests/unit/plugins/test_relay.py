"""A run's verbs: types are checked, culprits named, and nobody answers for another."""

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gridmap.backend import (
    Autopsy,
    Batch,
    Capabilities,
    Handle,
    Identity,
    Killed,
    NotAsked,
    Observed,
    Rejected,
    Rendered,
    Resubmitted,
    RunContext,
    Seen,
    SeenState,
)
from gridmap.errors import InvalidRequestError, PluginError
from gridmap.explanation import Explanation
from gridmap.hookspecs import REQUIRED, hookimpl
from gridmap.plugins import RunPlugins, identify
from gridmap.resources import Resources
from gridmap.retry import Decision, GiveUp
from gridmap.verdict import Cause, Verdict

CONTEXT = RunContext(
    token="0" * 16, name="run", directory=Path("/x"), logs=Path("/x/logs")
)
BATCH = Batch(
    runners=(1, 2),
    command=("true",),
    environment={},
    directory="/",
    name="run",
    resources=Resources(),
)
ONE, TWO = Handle("7", "1"), Handle("7", "2")
BOTH = frozenset({ONE, TWO})
RUNNING = Seen(state=SeenState.RUNNING)


class Good:
    """A backend that keeps to its contract, with as few verbs as may be."""

    @hookimpl
    def gridmap_capabilities(self) -> Capabilities:
        return Capabilities(largest_array=9)

    @hookimpl
    def gridmap_render(self, batch: Batch) -> Rendered:
        return Rendered(command=batch.command)

    @hookimpl
    def gridmap_submit(
        self, batch: Batch, context: RunContext
    ) -> Mapping[int, Handle | Rejected]:
        assert context is CONTEXT
        return dict(zip(batch.runners, (ONE, TWO), strict=True))

    @hookimpl
    def gridmap_observe(self, handles: frozenset[Handle]) -> Observed:
        return Observed(seen=dict.fromkeys(handles, RUNNING))

    @hookimpl
    def gridmap_kill(self, handles: frozenset[Handle]) -> Mapping[Handle, Killed]:
        return dict.fromkeys(handles, Killed.KILLED)

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity:
        return Identity(handle=Handle(environ["JOB"]))


def relay(backend: object, **wrappers: object) -> RunPlugins:
    """Return the plugins of a run on a backend called ``mine``."""
    return RunPlugins(backend, CONTEXT, name="mine", wrappers=wrappers.items())


def answering(verb: str, answer: object) -> Good:
    """Return a backend that answers one verb differently; an exception is raised."""

    class Odd(Good):
        pass

    def respond(self: Odd) -> object:  # noqa: ARG001 - a method
        if isinstance(answer, BaseException):
            raise answer
        return answer

    setattr(Odd, verb, hookimpl(respond))
    return Odd()


def test_a_sound_backend_is_relayed() -> None:
    """Answers come through as they are, and core knows what to do without."""
    run = relay(Good())
    assert run.capabilities().largest_array == 9
    assert run.render(BATCH).command == ("true",)
    assert run.submit(BATCH) == {1: ONE, 2: TWO}
    assert run.observe(BOTH) == Observed(seen={ONE: RUNNING, TWO: RUNNING})
    assert run.kill(BOTH) == {ONE: Killed.KILLED, TWO: Killed.KILLED}
    assert run.postmortem(BOTH) == {}
    assert run.attach() == {}
    assert run.resubmit(ONE, Cause.LOST, 2) is None
    assert run.launch(("true",), Resources()) == ("true",)
    run.close()


@pytest.mark.parametrize("verb", REQUIRED)
def test_a_required_verb_is_missed_before_the_run(verb: str) -> None:
    """The plugin and the verb are named."""

    class Lacking(Good):
        pass

    setattr(Lacking, verb, None)
    with pytest.raises(PluginError, match="does not implement") as caught:
        relay(Lacking())
    assert (caught.value.plugin, caught.value.hook) == ("mine", verb)


def test_a_verb_nobody_knows_is_refused() -> None:
    """A slip in a name would otherwise never be noticed."""

    class Slip(Good):
        @hookimpl
        def gridmap_postmorten(self) -> None: ...

    with pytest.raises(PluginError, match="postmorten") as caught:
        relay(Slip())
    assert caught.value.plugin == "mine"


def test_a_wrong_argument_is_refused() -> None:
    """So is an argument the hook does not have."""

    class Slip(Good):
        @hookimpl
        def gridmap_attach(self, kontext: RunContext) -> None: ...

    with pytest.raises(PluginError, match="kontext"):
        relay(Slip())


Call = Callable[[RunPlugins], object]
CALLS: dict[str, Call] = {
    "gridmap_capabilities": RunPlugins.capabilities,
    "gridmap_render": lambda run: run.render(BATCH),
    "gridmap_submit": lambda run: run.submit(BATCH),
    "gridmap_observe": lambda run: run.observe(BOTH),
    "gridmap_postmortem": lambda run: run.postmortem(BOTH),
    "gridmap_kill": lambda run: run.kill(BOTH),
    "gridmap_resubmit": lambda run: run.resubmit(ONE, Cause.LOST, 2),
    "gridmap_attach": RunPlugins.attach,
    "gridmap_launch": lambda run: run.launch(("true",), Resources()),
}


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("answer", [ValueError("no"), 5], ids=["raises", "number"])
def test_any_verb_at_fault_is_named(verb: str, answer: object) -> None:
    """Whatever a plugin does wrong, the error names it and the verb."""
    run = relay(answering(verb, answer))
    with pytest.raises(PluginError) as caught:
        CALLS[verb](run)
    assert (caught.value.plugin, caught.value.hook) == ("mine", verb)
    assert ("ValueError: no" if verb and answer != 5 else "returned 5") in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("verb", "answer", "text"),
    [
        ("gridmap_capabilities", None, "expected Capabilities"),
        ("gridmap_submit", {1: ONE}, "left out ['2']"),
        ("gridmap_submit", {1: ONE, 2: ONE}, "the same handle: ['7.1']"),
        ("gridmap_submit", {1: ONE, 2: "7.2"}, "'7.2' is not Handle or Rejected"),
        ("gridmap_observe", Observed(seen={ONE: RUNNING}), "neither seen nor absent"),
        (
            "gridmap_observe",
            Observed(seen={ONE: RUNNING, TWO: RUNNING}, absent=BOTH),
            "both seen and absent: ['7.1', '7.2']",
        ),
        (
            "gridmap_observe",
            Observed(seen={ONE: "r"}, absent=frozenset({TWO})),  # type: ignore[dict-item] # the fault
            "'r' is not Seen",
        ),
        ("gridmap_kill", {ONE: Killed.GONE}, "left out ['7.2']"),
        ("gridmap_kill", dict.fromkeys(BOTH, True), "True is not Killed"),
        ("gridmap_postmortem", {ONE: None}, "None is not Autopsy"),
        ("gridmap_attach", [ONE], "expected Mapping"),
        ("gridmap_attach", {ONE: "running"}, "'running' is not Seen"),
        ("gridmap_resubmit", ONE, "expected Resubmitted or None"),
        ("gridmap_launch", ["sh"], "expected tuple or None"),
    ],
)
def test_each_kind_of_breach_is_told(verb: str, answer: object, text: str) -> None:
    """What was got and what was expected stands in the message."""
    with pytest.raises(PluginError) as caught:
        CALLS[verb](relay(answering(verb, answer)))
    assert text in str(caught.value)
    assert f"plugin mine broke the contract of {verb}" in str(caught.value)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("gridmap_submit", {1: ONE, 2: Rejected(transient=True, text="busy")}),
        ("gridmap_observe", NotAsked(text="timeout")),
        ("gridmap_observe", Observed(seen={ONE: RUNNING}, absent=frozenset({TWO}))),
        ("gridmap_postmortem", {ONE: Autopsy(exit_status=1)}),
        ("gridmap_resubmit", Resubmitted(handle=ONE, in_place=True)),
        ("gridmap_attach", {ONE: RUNNING}),
        ("gridmap_launch", ("env", "true")),
    ],
)
def test_every_lawful_answer_comes_through(verb: str, answer: object) -> None:
    """Nothing a plugin may say is refused."""
    assert CALLS[verb](relay(answering(verb, answer))) == answer


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


def test_closing_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """The run is over; the failure is logged with the backend's name."""
    relay(answering("gridmap_close", SystemExit("no"))).close()
    assert "mine failed to close" in caplog.text


def test_opening_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Every verb does without; the failure is logged with the backend's name."""
    relay(answering("gridmap_open", SystemExit("no"))).open()
    assert "mine failed to open" in caplog.text


def test_a_node_asks_its_backend_who_it_is() -> None:
    """On a node there is no run, only the environment."""
    assert identify(Good(), {"JOB": "7"}).handle == Handle("7")
    assert identify(answering("gridmap_identify", None), {}) == Identity()


@pytest.mark.parametrize("answer", [KeyError("JOB"), "7"])
def test_a_backend_that_cannot_say_who_a_runner_is(answer: object) -> None:
    """It is named by its class, for that is all a node knows of it."""
    with pytest.raises(PluginError) as caught:
        identify(answering("gridmap_identify", answer), {})
    assert (caught.value.plugin, caught.value.hook) == ("Odd", "gridmap_identify")


def test_the_schedulers_words_are_the_explanation_of_last_resort() -> None:
    """A backend that does not explain loses nothing of what the scheduler said."""
    told = RunPlugins(Good(), CONTEXT, name="good").explain("odd", Resources())
    assert told == Explanation(reason="odd")

    class Explaining(Good):
        @hookimpl
        def gridmap_explain(self, words: str, resources: Resources) -> Explanation:
            return Explanation(reason=words, meaning=f"{resources.cores} are many")

    run = RunPlugins(Explaining(), CONTEXT, name="explaining")
    assert run.explain("odd", Resources(cores=9)).meaning == "9 are many"

    class Babbling(Good):
        @hookimpl
        def gridmap_explain(self) -> str:
            return "because"

    with pytest.raises(PluginError, match="babbling"):
        RunPlugins(Babbling(), CONTEXT, name="babbling").explain("odd", Resources())
