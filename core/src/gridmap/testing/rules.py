"""What every backend must do, one rule a line, in words for its author.

Each rule stands here because some plugin of some framework broke it, and jobs were
lost, doubled or declared dead that were not. A failing test names the rule.
"""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Rule(enum.Enum):
    """The rules; the order is that of the life of a runner."""

    # Registration
    FOUND_BY_NAME = (
        "The plugin is found by its entry point in the group `gridmap`, loads, and "
        "describes its backend with a name, a summary of one line, and the hook "
        "interface it was written for."
    )
    ALIASES_RESOLVE = (
        "Each alias leads to the backend, and neither it nor the name leads to "
        "another plugin's."
    )
    LIGHT_IMPORT = (
        "Importing the plugin costs at most 100 ms, and so does importing the "
        "backend's class and asking it who it is, as every runner does; neither "
        "starts a process."
    )
    CHEAP_AVAILABILITY = (
        "The availability check answers with an `Availability` and its reason within "
        "50 ms and starts no process."
    )
    HOOKS_WELL_FORMED = (
        "Every method named `gridmap_…` is marked with `hookimpl`, is a hook there "
        "is, asks only for arguments the hook has, and gives none of them a default "
        "(pluggy 1.6 would never fill it in); the required verbs are all there."
    )
    TYPES_KEPT = (
        "Every verb returns the types the hook promises and raises nothing: what the "
        "scheduler says goes into the answer."
    )
    CAPABILITIES_STEADY = (
        "Capabilities are the same each time they are asked for, and their numbers "
        "are at least 1."
    )

    # Rendering
    RENDER_IS_PURE = (
        "Rendering the same batch twice gives the same text, on another instance "
        "too; it touches no file and starts no process."
    )
    RENDER_IS_COMPLETE = (
        "The rendered submission shows the command that runs, so that a person can "
        "check it before anything is submitted."
    )
    NO_SECRETS = (
        "Nothing of the user's environment is in the rendered submission: everybody "
        "can read it in the queue."
    )

    # Submission
    ONE_HANDLE_EACH = (
        "A batch of n runners gets n distinct handles, made of texts that can be "
        "part of a file name, and each runner is started exactly once."
    )
    COMMAND_ARRIVES = (
        "The program gets exactly the arguments of the batch: spaces, quotes, "
        "newlines, `$`, `%`, `*` and empty ones included."
    )
    ENVIRONMENT_ARRIVES = (
        "The variables of the batch are set for the runner, unchanged whatever "
        "characters are in their values."
    )
    ODD_ENVIRONMENT_HARMLESS = (
        "What else is in the user's environment (exported shell functions such as "
        "`BASH_FUNC_x%%`, values with newlines) does not disturb a submission."
    )
    DIRECTORY_KEPT = "The runner starts in the batch's directory."
    ODD_PATHS_WORK = (
        "Directories with spaces, quotes, `%`, `$` and letters beyond ASCII in their "
        "names serve as working directory and for logs."
    )
    OUTPUT_IN_LOG = (
        "Both output streams of a runner are in the file `HANDLE.log` of the log "
        "directory, and nobody else's are."
    )
    REFUSAL_SPEAKS = (
        "What the scheduler will never take is `Rejected`, not as transient, with "
        "the scheduler's own words, and nothing of it stays behind."
    )
    ARRAYS_AS_DECLARED = "A batch of `largest_array` runners is accepted."

    # Identity
    KNOWS_ITSELF = (
        "On the node, `gridmap_identify` gives each runner the very handle that "
        "`gridmap_submit` returned for it."
    )
    IDENTITY_ELSEWHERE = (
        "In an environment that is not a runner's, `gridmap_identify` names no handle."
    )
    LIMITS_TOLD = (
        "A deadline that identity tells is a date on the epoch's clock and no later "
        "than the walltime allows; slots are at least the cores asked for."
    )

    # Observation
    VISIBLE_FROM_THE_START = (
        "From the moment it is accepted until it ends a runner is seen: never "
        "absent, never ended."
    )
    RUNNING_STAYS_RUNNING = (
        "A runner that runs is shown as running by every poll, until it ends."
    )
    END_IS_SEEN = (
        "A runner that is over is shown as ended or as absent soon, never as living "
        "for ever."
    )
    END_IS_FINAL = "What was ended or absent never comes back to life."
    UNKNOWN_IS_ABSENT = (
        "Handles the scheduler has never heard of, or has forgotten, are absent: no "
        "error, no state, and no harm to the others asked about."
    )
    ANSWERS_WHAT_WAS_ASKED = (
        "An observation speaks of the handles asked about and no others; each is "
        "seen or absent, never both."
    )

    TROUBLE_IS_NO_NEWS = (
        "Where the scheduler does not answer, fails, or says what makes no sense, "
        "nothing is raised and nobody who lives is called absent or ended: that is "
        "`NotAsked`."
    )
    EXPLANATIONS_ADD = (
        "What the scheduler says of a runner is explained in an `Explanation` that "
        "keeps the scheduler's own words in its reason, or it is not explained; "
        "words never heard before are no error."
    )

    # Endings
    KILL_ENDS = (
        "After a kill the runner and every process it started are gone within the "
        "bound, and the answer was `KILLED`."
    )
    KILL_SPARES_OTHERS = (
        "A kill ends what it names and nothing else: not the other runners of the "
        "array, not another run's."
    )
    KILL_TWICE = (
        "Killing what is over, or was killed already, fails nothing and harms "
        "nothing; what was never known is `GONE`."
    )
    KILL_REACHES_QUEUE = "A runner that still waits in the queue can be killed."
    AUTOPSY_TRUE = (
        "Accounting, where declared, soon tells how a runner ended: its exit status "
        "or its signal, and that it was killed if it was."
    )
    NO_AUTOPSY_OF_THE_LIVING = (
        "There is no autopsy of a runner that lives, or that was never known."
    )

    # Recovery
    REQUEUE_AS_DECLARED = (
        "Where requeue is declared, a running runner can be started again in place, "
        "under its handle; where it is not, nothing claims to have done so."
    )
    HANDLES_OUTLIVE_US = (
        "A fresh instance, as another process makes one, observes and kills by the "
        "handles of an earlier one."
    )
    ATTACH_FINDS_OURS = (
        "A fresh instance finds all living runners of the run by its token, under "
        "the same handles, and nothing that is over."
    )
    ATTACH_FINDS_ONLY_OURS = "Attaching finds no runner of another run."
    CLOSE_LEAVES_NOTHING = (
        "Closing lets go of everything: threads, child processes, open files, "
        "temporary files; and disturbs no other run."
    )

    # Whole maps
    MAPS_COME_BACK = (
        "A map on the backend gives values and exceptions as a loop would have: its "
        "runners start, find their way back and are known again."
    )
    DEATHS_ARE_TOLD = (
        "When a runner dies by itself, nobody is said to have killed it, so that its "
        "job runs again."
    )

    @property
    def number(self) -> int:
        """Its place in the list, from 1."""
        return list(Rule).index(self) + 1


class BrokenRuleError(AssertionError):
    """A backend broke a rule of the conformance suite.

    Attributes:
        rule: Which.
        detail: What was seen.
    """

    def __init__(self, rule: Rule, detail: str) -> None:
        self.rule = rule
        self.detail = detail
        super().__init__(rule, detail)

    def __str__(self) -> str:
        """Tell the author the rule's name, the rule and what was seen."""
        rule = self.rule
        return (
            f"rule {rule.number}, {rule.name}, is broken.\n"
            f"  The rule: {rule.value}\n"
            f"  What was seen: {self.detail}"
        )


def require(condition: object, rule: Rule, detail: str) -> None:
    """Fail the test unless *condition* is true.

    Raises:
        BrokenRuleError: If it is not.
    """
    if not condition:
        broken(rule, detail)


def broken(rule: Rule, detail: str) -> NoReturn:
    """Fail the test.

    Raises:
        BrokenRuleError: Always.
    """
    raise BrokenRuleError(rule, detail)


@contextlib.contextmanager
def under(rule: Rule) -> Iterator[None]:
    """Make every assertion that fails inside a break of *rule*, if it names no other.

    Raises:
        BrokenRuleError: If one fails.
    """
    try:
        yield
    except BrokenRuleError:
        raise
    except AssertionError as error:
        raise BrokenRuleError(rule, str(error)) from None
