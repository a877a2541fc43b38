"""What a shell makes of the script that is submitted."""

import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.slurm.batches import BATCH, CONTEXT, render

from gridmap.errors import InvalidResourceError
from gridmap_slurm import sbatch

AWKWARD = [
    "plain",
    "two words",
    "it's",
    'say "no"',
    "$HOME `id` $(id) ; & | > <",
    "line\nline",
    "dos\r\nline\r",
    "\r\n\r\n",
    "tab\tand \\ and %d %% !",
    "#SBATCH --wrap=x",
    "",
    "ümläut 漢字",
    "not utf-8: \udcff",
    "() { :; }; echo shellshock",
]


def run_script(script: str, cwd: Path) -> list[str]:
    """Run a batch script as a node would, and return what it printed, split at zeros."""
    path = cwd / "script"
    path.write_bytes(os.fsencode(script))
    done = subprocess.run(
        ["/bin/sh", str(path)],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    return os.fsdecode(done.stdout).split("\0")


PRINTF = ("printf", r"%s\0")


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_arguments_reach_the_runner_as_they_are(text: str, tmp_path: Path) -> None:
    """Whatever stands in them, a real shell hands it on unchanged."""
    batch = msgspec.structs.replace(BATCH, command=(*PRINTF, text, "end"))
    script = sbatch.build(batch, CONTEXT).script
    assert script is not None
    assert "\r\n" not in script
    assert run_script(script, tmp_path) == [text, "end", ""]


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
@pytest.mark.parametrize("name", ["PLAIN", "BASH_FUNC_f%%", "with.dot", "1"])
def test_variables_reach_the_runner_as_they_are(
    name: str, text: str, tmp_path: Path
) -> None:
    """Even under names a shell could not export."""
    code = f"import os, sys; sys.stdout.buffer.write(os.fsencode(os.environ[{name!r}]))"
    batch = msgspec.structs.replace(
        BATCH, command=("python3", "-c", code), environment={name: text}
    )
    script = sbatch.build(batch, CONTEXT).script
    assert script is not None
    assert "\r\n" not in script
    assert run_script(script, tmp_path) == [text]


@given(
    value=st.text(max_size=50).filter(lambda text: "\0" not in text),
    name=st.text(max_size=10),
)
def test_options_never_add_a_word(value: str, name: str) -> None:
    """A value stays within its own option, or is refused."""
    try:
        command = render(queue="q", options={"qos": value, name: value})
    except InvalidResourceError:
        return
    options = [part for part in command[1:] if not part.startswith("--")]
    assert options == []
