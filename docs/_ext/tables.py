"""Pages' tables and diagrams, made of the code's own tables.

Each is written into a file that a page includes. None is kept in the repository, so none
can be out of date.
"""

# ruff: noqa: SLF001 - what a page shows need not be public

import ast
import importlib.util
import re
import sys
from pathlib import Path

import curves
import diagrams
import mails
import msgspec
import notebooks
import real_runs
import reports
import terminals
import transcripts

from gridmap import lifecycle, retry, verdict
from gridmap.protocol import sessions
from gridmap.settings import values
from gridmap.testing import Rule
from gridmap_sge import native
from gridmap_slurm import sbatch

NONE = "\N{EN DASH}"
"""In an empty cell."""

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "tests" / "faults" / "measured"
"""Records of runs of the fault matrix, the only table that is kept and not made anew."""


def write_all(folder):
    """Write every generated file into *folder*; leave alone what has not changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        path, made = folder / name, make()
        data = made if isinstance(made, bytes) else made.encode()
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def _word(member):
    return member.value


def jobs_diagram():
    final = [s for s, row in lifecycle.JOB_TRANSITIONS.items() if not row]
    places = {
        "QUEUED": (0, 0), "GRANTED": (1, 0), "DONE": (2, 0),
        "DELAYED": (0.5, 1), "FAILED": (1.4, 1), "CANCELLED": (2.3, 1),
    }  # fmt: skip
    return diagrams.draw("job", lifecycle.JOB_TRANSITIONS, places, _word, final)


def runners_diagram():
    final = [s for s, row in lifecycle.RUNNER_TRANSITIONS.items() if not row]
    places = {
        "REQUESTED": (0, 0), "QUEUED": (1, 0), "UP": (2.5, 0),
        "GONE": (0, 1.15), "STOPPING": (1, 1.15), "SUSPECT": (2.5, 1.15),
    }  # fmt: skip
    table = lifecycle.RUNNER_TRANSITIONS
    return diagrams.draw("runner", table, places, _word, final)


def sessions_diagram():
    places = {"GREETING": (0, 0), "OPEN": (1, 0), "CLOSED": (2.1, 0), "ERROR": (3, 0)}
    return diagrams.draw(
        "session",
        sessions.TRANSITIONS,
        places,
        lambda message: message.__name__,
        [sessions.SessionState.ERROR],
        extra=[("anything else", sessions.SessionState.ERROR)],
    )


def transitions(table, step_name):
    """Return a transition table as Markdown: states down, steps across."""
    steps = list(dict.fromkeys(step for row in table.values() for step in row))
    lines = [
        "| | " + " | ".join(step_name(step) for step in steps) + " |",
        "| --- |" + " --- |" * len(steps),
    ]
    for state, row in table.items():
        cells = [row[step].name if step in row else NONE for step in steps]
        lines.append(f"| **{state.name}** | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def causes():
    """Return the causes: what each means, whether it is run again, what to do."""
    lines = [
        "| cause | means | again by itself | blames the node | next step |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{cause.name}`<br>“{cause.value}” | {_comment(verdict, cause)} | "
        f"{_yes(cause in verdict.INFRASTRUCTURE)} | "
        f"{_yes(cause in retry.GUILTY_NODE)} | "
        f"{_sentence(verdict._ADVICE.get(cause, ''))} |"
        for cause in verdict.Cause
    ]
    return "\n".join(lines) + "\n"


def weights():
    """Return the order in which causes outweigh each other."""
    order = sorted(verdict.Cause, key=lambda cause: -verdict._WEIGHT[cause])
    return "\n".join(f"1. {cause.value}" for cause in order) + "\n"


def _yes(truth):
    return "yes" if truth else NONE


def _sentence(text):
    text = text.replace("__reduce__", "`__reduce__`")
    return f"{text[:1].upper()}{text[1:]}." if text else NONE


def _comment(module, member):
    """Return the docstring under an enum member, which Python itself throws away."""
    tree = ast.parse(Path(module.__file__).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == type(member).__name__:
            for line, after in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(line, ast.Assign) and line.targets[0].id == member.name:
                    return " ".join(after.value.value.split())
    raise LookupError(member)


def settings():
    """Return the table of settings: names, defaults, what each means."""
    means, used = _attributes(values.Settings.__doc__), _used_settings()
    lines = [
        "| setting | environment variable | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for field in msgspec.structs.fields(values.Settings):
        if field.name == "backends":
            continue
        names = "<br>".join(f"`{name}`" for name in values.variables(field.name))
        text = re.sub(r" ?\[[A-Z_]+\]", "", means[field.name]).replace("``", "`")
        if field.name not in used:
            text += " *Read and checked, but without effect in this version.*"
        default = NONE if field.default is None else f"`{_toml(field.default)}`"
        lines.append(f"| `{field.name}` | {names} | {default} | {text} |")
    return "\n".join(lines) + "\n"


def _toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return str(value) if isinstance(value, int) else f"{value:g}"


def _attributes(docstring):
    """Return a Google docstring's attributes: name to text."""
    found = {}
    body = docstring.partition("Attributes:")[2]
    for match in re.finditer(r"^        (\w+): (.*(?:\n {12}.*)*)", body, re.MULTILINE):
        found[match[1]] = " ".join(match[2].split())
    return found


def _used_settings():
    """Return the settings that any code outside of the settings' own looks at."""
    used = set()
    for path in [*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        if "settings" in path.parts or path.name == "conf.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value
                name = getattr(owner, "id", getattr(owner, "attr", ""))
                if name in {"settings", "_settings"}:
                    used.add(node.attr)
    return used


def rules():
    """Return the conformance suite's rules."""
    lines = ["| | rule | in words |", "| --- | --- | --- |"]
    lines += [f"| {r.number} | `{r.name}` | {_escape(r.value)} |" for r in Rule]
    return "\n".join(lines) + "\n"


def _escape(text):
    return re.sub(r"(?<!`)([*|])(?!`)", r"\\\1", text)


def options(names):
    """Return a plugin's table of options."""
    lines = ["| option | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {text} |" for name, text in names.items()]
    return "\n".join(lines) + "\n"


def grid_engine_options():
    return options(native.OPTIONS)


def slurm_options():
    handed_on = ", ".join(f"`{name}`" for name in sorted(sbatch._VALUES))
    return f"{handed_on}\n"


def command_line():
    """Return the reference of the command line, if there is one."""
    if importlib.util.find_spec("gridmap.cli") is None:
        return "The command `gridmap` is not part of this version.\n"
    return (
        "```{eval-rst}\n.. click:: gridmap.cli:program\n   :prog: gridmap\n"
        "   :nested: full\n```\n"
    )


def measured():
    """Return what came of faults, as it was measured when records were last kept."""
    sys.path.insert(0, str(ROOT))
    from tests.faults import records, table  # noqa: PLC0415 - found by the line above

    paths = sorted(MEASURED.glob("*.jsonl"))
    return table.table(record for path in paths for record in records.read(path))


FILES = {
    "job-states.svg": jobs_diagram,
    "runner-states.svg": runners_diagram,
    "session-states.svg": sessions_diagram,
    "job-transitions.md": lambda: transitions(lifecycle.JOB_TRANSITIONS, _word),
    "runner-transitions.md": lambda: transitions(lifecycle.RUNNER_TRANSITIONS, _word),
    "session-transitions.md": lambda: transitions(
        sessions.TRANSITIONS, lambda message: message.__name__
    ),
    "causes.md": causes,
    "growth-jobs.svg": curves.jobs,
    "growth-runners.svg": curves.runners,
    "growth-payload.svg": curves.payload,
    "growth.md": curves.conditions,
    "mail.md": mails.error_mail,
    "mail-plots.png": mails.plots_picture,
    "measured.md": measured,
    "weights.md": weights,
    "settings.md": settings,
    "rules.md": rules,
    "grid-engine-options.md": grid_engine_options,
    "slurm-options.md": slurm_options,
    "command-line.md": command_line,
    **real_runs.FILES,
    **notebooks.FILES,
    **reports.FILES,
    **terminals.FILES,
    **transcripts.FILES,
}
