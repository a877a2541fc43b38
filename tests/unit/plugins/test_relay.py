"""A run's verbs: types are checked, culprits named, and nobody answers for another."""

from collections.abc import Callable

import pytest
from tests.unit.plugins.sound import (
    BATCH,
    BOTH,
    CONTEXT,
    ONE,
    RUNNING,
    TWO,
    Good,
    answering,
    relay,
)

from gridmap.backend import (
    Autopsy,
    Handle,
    Identity,
    Killed,
    NotAsked,
    Observed,
    Rejected,
    Resubmitted,
    RunContext,
)
from gridmap.errors import PluginError
from gridmap.explanation import Explanation
from gridmap.hookspecs import REQUIRED, hookimpl
from gridmap.plugins import RunPlugins, identify
from gridmap.resources import Resources
from gridmap.verdict import Cause


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
