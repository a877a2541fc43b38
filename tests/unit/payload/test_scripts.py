"""What scripts define travels, and what a program needs not is not imported."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MAIN = """
    import dataclasses, enum, sys
    from pathlib import Path
    from gridmap.payload import dump, load

    FACTOR = 10

    class Colour(enum.Enum):
        RED = 1

    @dataclasses.dataclass
    class Box:
        value: object
        def scaled(self):
            return Box(self.value * FACTOR)

    class Broken(Exception):
        pass

    def job(box, colour=Colour.RED):
        return [box.scaled(), colour, Broken("x"), [Box(i) for i in range(100)]]
"""
RUNNER = """
    import sys
    from pathlib import Path
    from gridmap.payload import dump, load

    function, arguments = load(Path(sys.argv[1]).read_bytes())
    result = dump(function(*arguments), what="result")
    Path(sys.argv[1]).write_bytes(result.head)
"""
SAME_PROCESS = """
    import subprocess
    parcel = dump((job, (Box(4),)), what="job")
    Path(sys.argv[1]).write_bytes(parcel.head)
    subprocess.run([sys.executable, *sys.argv[2:], sys.argv[1]], check=True)
    box, colour, broken, boxes = load(Path(sys.argv[1]).read_bytes())
    assert type(box) is Box and box == Box(40)
    assert colour is Colour.RED
    assert type(broken) is Broken
    assert isinstance(boxes[99], Box)
"""


@pytest.mark.parametrize("as_module", [False, True], ids=["script", "python -m"])
def test_what_a_script_defines_travels_both_ways(
    tmp_path: Path, as_module: bool
) -> None:
    """Functions, classes and enums of __main__ go by value and come back as theirs."""
    package = tmp_path / "pkg"
    package.mkdir()
    main = textwrap.dedent(MAIN) + textwrap.dedent(SAME_PROCESS)
    (package / "mod.py").write_text(main)
    runner = tmp_path / "elsewhere" / "runner.py"
    runner.parent.mkdir()
    runner.write_text(textwrap.dedent(RUNNER))
    start = ["-m", "pkg.mod"] if as_module else [str(package / "mod.py")]
    done = run(tmp_path, *start, str(tmp_path / "parcel"), str(runner))
    assert done.returncode == 0, done.stderr


STARTED_ANEW = """
    def there_and_back():
        SAME_PROCESS

    if __name__ == "__main__":
        import multiprocessing
        process = multiprocessing.get_context("spawn").Process(target=there_and_back)
        process.start()
        process.join()
        sys.exit(process.exitcode)
"""


def test_what_a_script_defines_travels_from_a_process_started_anew(
    tmp_path: Path,
) -> None:
    """The main module is ``__mp_main__`` there, which no other process can import."""
    body = textwrap.indent(textwrap.dedent(SAME_PROCESS), "    ").strip()
    anew = textwrap.dedent(STARTED_ANEW).replace("SAME_PROCESS", body)
    script, runner = tmp_path / "script.py", tmp_path / "elsewhere" / "runner.py"
    script.write_text(textwrap.dedent(MAIN) + anew)
    runner.parent.mkdir()
    runner.write_text(textwrap.dedent(RUNNER))
    done = run(tmp_path, str(script), str(tmp_path / "parcel"), str(runner))
    assert done.returncode == 0, done.stderr


def run(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python in *cwd*, so that only it sees the modules there."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


def test_importing_is_light_and_plain_work_stays_so(tmp_path: Path) -> None:
    """Neither cloudpickle nor zstandard is imported before something needs it."""
    script = """
        import math, sys
        from gridmap.payload import *
        from gridmap import data
        frames = encode(pack([dump_plain((5,)), dump(math.sqrt, what="f")]), "auto")
        sqrt = load(unpack(decode(frames, 1000))[1])
        dump_exception(ValueError("x"), "text")
        assert sqrt is math.sqrt
        assert not {"cloudpickle", "zstandard"} & sys.modules.keys()
    """
    done = run(tmp_path, "-c", textwrap.dedent(script))
    assert done.returncode == 0, done.stderr
