"""The draft for conda-forge asks for what the members ask for, and leaves out none."""

import re
import tomllib

import pytest
from tests.packaging.clean import MEMBERS, ROOT

RECIPE = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text()
OUTPUTS = {part.split()[0]: part for part in RECIPE.split("package:\n      name: ")[1:]}


def test_every_member_is_an_output() -> None:
    """Each distribution is a package of its own there too."""
    assert set(OUTPUTS) == {f"gridmap-{member}" for member in MEMBERS}


@pytest.mark.parametrize("member", MEMBERS)
def test_an_output_needs_what_its_member_needs(member: str) -> None:
    """No more and no less, in the same versions."""
    text = (MEMBERS[member] / "pyproject.toml").read_text()
    needs = tomllib.loads(text)["project"]["dependencies"]
    run = OUTPUTS[f"gridmap-{member}"].partition("run:\n")[2].partition("tests:")[0]
    told = [line.strip(" -").replace(" ", "") for line in run.splitlines()]
    assert {re.sub(r"\s", "", one) for one in needs} == {
        one for one in told if one and not one.startswith("python>=")
    }
