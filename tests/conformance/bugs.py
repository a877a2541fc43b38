"""The mutants' bugs: the rule each breaks, and the case that has to say so."""

from collections.abc import Mapping
from typing import Any

import attrs
from tests.conformance.mutants.ending import (
    BlamesSomebody,
    BuriesTheLiving,
    DeclaresRequeue,
    DoesNotOwnUp,
    FailsToKillTheDead,
    ForgetsWhatItWasAsked,
    KeepsTheWayHomeToItself,
    KillsEveryRun,
    KillsOnlyWhatRuns,
    KillsTheWholeArray,
    OnlySaysItKilled,
    PraisesTheDead,
    SparesTheChildren,
)
from tests.conformance.mutants.keeping import (
    AsksWhileIdentifying,
    ChangesItsMind,
    HasALongStory,
    HasDefaults,
    LeavesAFile,
    LeavesAProcess,
    LeavesAThread,
    LooksForLong,
    TakesAnothersName,
)
from tests.conformance.mutants.seeing import (
    AttachesToEverybody,
    AttachesToNobody,
    AttachesToTheDead,
    BelievesWhateverIsPrinted,
    FailsOnStrangers,
    FindsNobodyInTrouble,
    IsSlowToAppear,
    KeepsHandlesInMind,
    KnowsAllReasons,
    LosesSightOfTheLiving,
    MumblesOfWaiting,
    NeverSeesAnEnd,
    RaisesTheDead,
    TakesAbsenceForTheEnd,
    TakesSilenceForTheEnd,
    TellsOfEverybody,
    UsesItsOwnWords,
)
from tests.conformance.mutants.starting import (
    CutsValuesAtCommas,
    DeclaresTooMuch,
    DropsErrors,
    ExpandsPercentSigns,
    ForgetsTheMarker,
    GluesTheCommand,
    HidesTheCommand,
    HopesForTheBest,
    IsAlwaysSomebody,
    MistakesTheClock,
    MistakesTheTask,
    MixesOutput,
    NumbersForHandles,
    OneHandleForAll,
    RefusesInSilence,
    RendersAnew,
    RendersByDoing,
    ShowsTheEnvironment,
    StartsAtHome,
    StartsOnlyOne,
    StartsTwice,
    StumblesOverFunctions,
)

from gridmap.testing import Rule
from gridmap_local.backend import LocalBackend


@attrs.frozen
class Bug:
    """What is wrong with a mutant, and where that has to be found.

    Attributes:
        rule: The rule it breaks.
        case: Name of the case that has to say so.
        info: What is wrong with its description.
    """

    rule: Rule
    case: str
    info: Mapping[str, Any] = attrs.field(factory=dict)


BUGS: Mapping[type[LocalBackend], Bug] = {
    TakesAbsenceForTheEnd: Bug(
        Rule.UNKNOWN_IS_ABSENT, "test_unknown_handles_are_absent"
    ),
    TakesSilenceForTheEnd: Bug(Rule.TROUBLE_IS_NO_NEWS, "test_trouble_is_no_news"),
    BelievesWhateverIsPrinted: Bug(Rule.TROUBLE_IS_NO_NEWS, "test_trouble_is_no_news"),
    FindsNobodyInTrouble: Bug(Rule.TROUBLE_IS_NO_NEWS, "test_trouble_is_no_news"),
    LosesSightOfTheLiving: Bug(
        Rule.RUNNING_STAYS_RUNNING, "test_running_stays_running"
    ),
    NeverSeesAnEnd: Bug(Rule.END_IS_SEEN, "test_end_is_seen_and_final"),
    RaisesTheDead: Bug(Rule.END_IS_FINAL, "test_end_is_seen_and_final"),
    TellsOfEverybody: Bug(Rule.ANSWERS_WHAT_WAS_ASKED, "test_asking_about_nobody"),
    FailsOnStrangers: Bug(Rule.TYPES_KEPT, "test_unknown_handles_are_absent"),
    NumbersForHandles: Bug(Rule.TYPES_KEPT, "test_each_runner_gets_a_handle"),
    OneHandleForAll: Bug(Rule.TYPES_KEPT, "test_each_runner_gets_a_handle"),
    StartsOnlyOne: Bug(Rule.ONE_HANDLE_EACH, "test_each_runner_gets_a_handle"),
    StartsTwice: Bug(Rule.ONE_HANDLE_EACH, "test_each_runner_gets_a_handle"),
    GluesTheCommand: Bug(Rule.COMMAND_ARRIVES, "test_arguments_arrive"),
    CutsValuesAtCommas: Bug(Rule.ENVIRONMENT_ARRIVES, "test_environment_arrives"),
    StumblesOverFunctions: Bug(
        Rule.ODD_ENVIRONMENT_HARMLESS, "test_odd_environment_is_harmless"
    ),
    StartsAtHome: Bug(Rule.DIRECTORY_KEPT, "test_working_directory"),
    ExpandsPercentSigns: Bug(Rule.ODD_PATHS_WORK, "test_odd_paths"),
    MixesOutput: Bug(Rule.OUTPUT_IN_LOG, "test_output_is_in_the_log"),
    DropsErrors: Bug(Rule.OUTPUT_IN_LOG, "test_output_is_in_the_log"),
    RefusesInSilence: Bug(Rule.REFUSAL_SPEAKS, "test_refusal_speaks"),
    HopesForTheBest: Bug(Rule.REFUSAL_SPEAKS, "test_refusal_speaks"),
    DeclaresTooMuch: Bug(Rule.ARRAYS_AS_DECLARED, "test_largest_array"),
    MistakesTheTask: Bug(Rule.KNOWS_ITSELF, "test_runner_knows_itself"),
    IsAlwaysSomebody: Bug(Rule.IDENTITY_ELSEWHERE, "test_identity_elsewhere"),
    MistakesTheClock: Bug(Rule.LIMITS_TOLD, "test_limits_are_told"),
    KnowsAllReasons: Bug(Rule.EXPLANATIONS_ADD, "test_new_words_are_passed_on"),
    UsesItsOwnWords: Bug(Rule.EXPLANATIONS_ADD, "test_refusals_are_explained"),
    MumblesOfWaiting: Bug(Rule.EXPLANATIONS_ADD, "test_waiting_is_explained"),
    KillsTheWholeArray: Bug(Rule.KILL_SPARES_OTHERS, "test_kill_spares_the_others"),
    KillsEveryRun: Bug(Rule.KILL_SPARES_OTHERS, "test_kill_spares_the_others"),
    OnlySaysItKilled: Bug(Rule.KILL_ENDS, "test_kill_ends_everything"),
    SparesTheChildren: Bug(Rule.KILL_ENDS, "test_kill_ends_everything"),
    FailsToKillTheDead: Bug(Rule.KILL_TWICE, "test_kill_is_idempotent"),
    ForgetsWhatItWasAsked: Bug(Rule.TYPES_KEPT, "test_kill_of_the_unknown"),
    PraisesTheDead: Bug(Rule.AUTOPSY_TRUE, "test_autopsy_tells_the_status"),
    DoesNotOwnUp: Bug(Rule.AUTOPSY_TRUE, "test_autopsy_tells_of_the_kill"),
    BlamesSomebody: Bug(Rule.DEATHS_ARE_TOLD, "test_job_of_a_dead_runner_runs_again"),
    KeepsTheWayHomeToItself: Bug(Rule.MAPS_COME_BACK, "test_map_comes_back"),
    BuriesTheLiving: Bug(
        Rule.NO_AUTOPSY_OF_THE_LIVING, "test_no_autopsy_of_the_living"
    ),
    DeclaresRequeue: Bug(Rule.REQUEUE_AS_DECLARED, "test_requeue_in_place"),
    KeepsHandlesInMind: Bug(
        Rule.HANDLES_OUTLIVE_US, "test_handles_outlive_the_instance"
    ),
    AttachesToNobody: Bug(
        Rule.ATTACH_FINDS_OURS, "test_attach_finds_all_and_only_ours"
    ),
    AttachesToEverybody: Bug(
        Rule.ATTACH_FINDS_ONLY_OURS, "test_attach_finds_all_and_only_ours"
    ),
    AttachesToTheDead: Bug(
        Rule.ATTACH_FINDS_OURS, "test_attach_finds_all_and_only_ours"
    ),
    LeavesAThread: Bug(Rule.CLOSE_LEAVES_NOTHING, "test_close_leaves_nothing"),
    LeavesAFile: Bug(Rule.CLOSE_LEAVES_NOTHING, "test_close_leaves_nothing"),
    RendersAnew: Bug(Rule.RENDER_IS_PURE, "test_render_is_pure"),
    RendersByDoing: Bug(Rule.RENDER_IS_PURE, "test_render_is_pure"),
    ShowsTheEnvironment: Bug(Rule.NO_SECRETS, "test_render_shows_no_secret"),
    HidesTheCommand: Bug(Rule.RENDER_IS_COMPLETE, "test_render_shows_the_command"),
    HasDefaults: Bug(Rule.HOOKS_WELL_FORMED, "test_hooks_are_well_formed"),
    ForgetsTheMarker: Bug(Rule.HOOKS_WELL_FORMED, "test_hooks_are_well_formed"),
    ChangesItsMind: Bug(Rule.CAPABILITIES_STEADY, "test_capabilities_are_steady"),
    AsksWhileIdentifying: Bug(Rule.LIGHT_IMPORT, "test_imports_are_light"),
    LeavesAProcess: Bug(Rule.CLOSE_LEAVES_NOTHING, "test_close_leaves_nothing"),
    IsSlowToAppear: Bug(Rule.VISIBLE_FROM_THE_START, "test_running_stays_running"),
    KillsOnlyWhatRuns: Bug(Rule.KILL_REACHES_QUEUE, "test_kill_in_the_queue"),
    HasALongStory: Bug(
        Rule.FOUND_BY_NAME,
        "test_plugin_is_found_by_name",
        {"summary": "My scheduler.\nIt is the best there is."},
    ),
    TakesAnothersName: Bug(
        Rule.ALIASES_RESOLVE,
        "test_aliases_lead_to_the_backend",
        {"name": "usurper", "aliases": ("local",)},
    ),
    LooksForLong: Bug(
        Rule.CHEAP_AVAILABILITY,
        "test_availability_is_cheap",
        {"availability": "tests.conformance.mutants.keeping:asks_the_scheduler"},
    ),
}
"""The mutants and their bugs."""
