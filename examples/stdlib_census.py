"""Take a census of the installed standard library, one job per module.

Every module is read and parsed where a job runs: on this machine or on the nodes of
a cluster. What comes back is a table: how large each module is, what it defines and
how tangled it is. Run it with `make demo`, or by hand::

    python examples/stdlib_census.py
    python examples/stdlib_census.py --backend slurm --limit 100
    python examples/stdlib_census.py --backend sge --json sge.json
"""

import argparse
import ast
import dataclasses
import json
import sys
import sysconfig
import time
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from gridmap import grid_map

NOT_STDLIB = {"__pycache__", "dist-packages", "site-packages"}

# What adds a way through a function; `and`, `or` and comprehensions are counted apart.
BRANCHES = (
    ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler,
    ast.match_case,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Report:
    """What one module is made of.

    Attributes:
        module: Path of its file within the standard library.
        size: Bytes of source.
        lines: Lines of source.
        functions: Functions and methods, nested ones too.
        classes: Classes, nested ones too.
        complexity: Cyclomatic complexity, summed over its functions.
        hardest: Name of its most complex function, empty if it has none.
        hardest_complexity: That function's complexity.
        error: Why it could not be parsed, empty if it could.
    """

    module: str
    size: int
    lines: int
    functions: int = 0
    classes: int = 0
    complexity: int = 0
    hardest: str = ""
    hardest_complexity: int = 0
    error: str = ""


def stdlib() -> Path:
    """Return where this interpreter's standard library lies."""
    return Path(sysconfig.get_path("stdlib"))


def modules(root: Path) -> list[str]:
    """Return every module of the standard library at *root*, in order."""
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(str(path) for path in found if not NOT_STDLIB & set(path.parts))


def survey(module: str) -> Report:
    """Read and parse one module: this is the job."""
    path = stdlib() / module
    source = path.read_bytes()
    size, lines = len(source), len(source.splitlines())
    try:
        with tokenize.open(path) as file:
            tree = ast.parse(file.read(), filename=module)
    except (SyntaxError, ValueError) as exc:  # the library's own tests hold such files
        return Report(module, size, lines, error=f"{type(exc).__name__}: {exc}")
    nodes = list(ast.walk(tree))
    functions = {
        node: complexity(node)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    hardest = max(functions, key=lambda node: functions[node], default=None)
    return Report(
        module,
        size,
        lines,
        functions=len(functions),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        complexity=sum(functions.values()),
        hardest=hardest.name if hardest else "",
        hardest_complexity=functions[hardest] if hardest else 0,
    )


def complexity(function: ast.AST) -> int:
    """Return McCabe's number for a function, without the functions inside it."""
    ways = 1
    for node in own_nodes(function):
        if isinstance(node, BRANCHES):
            ways += 1
        elif isinstance(node, ast.BoolOp):
            ways += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            ways += 1 + len(node.ifs)
    return ways


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands in a function, leaving out functions and classes in it."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, inner):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


def show(reports: Sequence[Report], top: int = 20) -> None:
    """Print the largest modules, the totals and what stands out."""
    table = Table(title=f"The {min(top, len(reports))} largest modules", box=box.SIMPLE)
    table.add_column("Module", overflow="fold")
    for heading in ("KiB", "Lines", "Functions", "Classes", "Complexity"):
        table.add_column(heading, justify="right", no_wrap=True)
    largest = sorted(reports, key=lambda report: (-report.lines, report.module))
    for report in largest[:top]:
        table.add_row(report.module, *numbers([report]))
    table.add_section()
    table.add_row(f"all {len(reports)} modules", *numbers(reports), style="bold")
    console = Console()
    console.print(table)
    if hardest := max(reports, key=lambda one: one.hardest_complexity, default=None):
        console.print(
            f"Most complex function: {hardest.hardest} in {hardest.module}, "
            f"with {hardest.hardest_complexity} ways through it"
        )
    if unparsed := [report.module for report in reports if report.error]:
        console.print(f"Not valid Python, mostly on purpose: {', '.join(unparsed)}")


def numbers(reports: Sequence[Report]) -> tuple[str, ...]:
    """Return the numeric columns, summed over *reports*."""
    return (
        f"{sum(report.size for report in reports) / 1024:,.0f}",
        f"{sum(report.lines for report in reports):,}",
        f"{sum(report.functions for report in reports):,}",
        f"{sum(report.classes for report in reports):,}",
        f"{sum(report.complexity for report in reports):,}",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Map the survey over the standard library and show what came back."""
    parser = argparse.ArgumentParser(description="A census of the standard library.")
    parser.add_argument("--backend", help="where to run: local, sge, slurm, …")
    parser.add_argument("--limit", type=int, help="only the first so many modules")
    parser.add_argument("--json", type=Path, help="also write the reports to this file")
    options = parser.parse_args(arguments)

    names = modules(stdlib())[: options.limit]
    print(f"{len(names)} modules of Python {sys.version.split()[0]} in {stdlib()}")
    begin = time.perf_counter()
    reports: list[Report] = grid_map(
        survey, names, name="census", backend=options.backend, progress=True
    )
    seconds = time.perf_counter() - begin

    show(reports)
    print(f"{len(reports)} jobs in {seconds:.1f} s")
    if options.json:
        rows = [dataclasses.asdict(report) for report in reports]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
