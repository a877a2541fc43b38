"""Every example in the documentation and in docstrings runs and shows what it says."""

import contextlib
import doctest
import importlib
import pkgutil
import unittest
from pathlib import Path
from types import ModuleType

import pytest
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

import gridmap
import gridmap_local
import gridmap_mail
import gridmap_sge
import gridmap_slurm

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


class PromptParser(PythonCodeBlockParser):
    """Finds blocks of the language ``pycon``: what a person sees at the prompt."""

    def __init__(self) -> None:
        super().__init__(doctest_optionflags=OPTIONS)
        self.codeblock_parser = CodeBlockParser("pycon", PythonEvaluator())


PARSER = Sybil(parsers=[PythonCodeBlockParser(), PromptParser(), SkipParser()])
PAGES = [
    ROOT / "README.md",
    *(p for p in sorted(DOCS.rglob("*.md")) if "_build" not in p.parts),
]


def with_examples() -> list[Path]:
    """Return the pages that have Python in them."""
    return [p for p in PAGES if "```py" in p.read_text()]


def modules() -> list[ModuleType]:
    """Return all modules whose docstrings have examples."""
    found = []
    for package in (gridmap, gridmap_local, gridmap_mail, gridmap_sge, gridmap_slurm):
        infos = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        names = [info.name for info in infos if not info.name.endswith("__main__")]
        found += [importlib.import_module(name) for name in (package.__name__, *names)]
    return [m for m in found if m.__file__ and ">>>" in Path(m.__file__).read_text()]


@pytest.fixture(autouse=True)
def quiet_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let examples see no settings but the defaults, and keep runs in a place of ours."""
    monkeypatch.setenv("GRIDMAP_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.timeout(120)  # a page may be a whole session with big libraries
@pytest.mark.parametrize(
    "page", with_examples(), ids=lambda page: str(page.relative_to(ROOT))
)
def test_pages_examples_run(page: Path) -> None:
    """The examples of a page run in order, as one session, like a user's script."""
    document = PARSER.parse(page)
    document.namespace["__name__"] = "__main__"
    count = 0
    for example in document.examples():
        with contextlib.suppress(unittest.SkipTest):  # this one, not the page
            example.evaluate()
        count += 1
    assert count


def test_a_wrong_example_is_noticed(tmp_path: Path) -> None:
    """What a page shows at the prompt is compared with what comes out."""
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```pycon\n>>> x + 1\n3\n```\n")
    first, second = PARSER.parse(page).examples()
    first.evaluate()
    with pytest.raises(AssertionError, match="Expected"):
        second.evaluate()


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_docstrings_examples_run(module: ModuleType) -> None:
    """The examples of a module's docstrings give what they say."""
    failed, tried = doctest.testmod(module, optionflags=OPTIONS, report=True)
    assert tried
    assert not failed
