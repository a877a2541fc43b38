"""A node that cannot run jobs is explained: which, what is wrong, what to do."""

import re
import shutil
import sys
import textwrap
from pathlib import Path

import pytest
from tests import jobs
from tests.driver import driving

from gridmap import grid_map
from gridmap.errors import JobException
from gridmap.verdict import Cause


def program(place: Path, text: str) -> str:
    """Write an executable file and return its path."""
    path = place / "python"
    path.write_text(textwrap.dedent(text).lstrip())
    path.chmod(0o755)
    return str(path)


STRANGER = """
    #!{python}
    # A runner with another Python: it greets as one would, and notes the answer.
    import os, sys
    from pathlib import Path
    from gridmap import plugins
    from gridmap.connection import ConnectionFile
    from gridmap.protocol import codec
    from gridmap.protocol import messages as m
    from gridmap.transport import runner_socket

    file = ConnectionFile.read(Path(os.environ["GRIDMAP_CONNECTION"]))
    backend = plugins.load_backend(file.backend_factory)
    handle = plugins.identify(backend, os.environ).handle
    socket = runner_socket(file, os.urandom(8))
    socket.connect(20)
    hello = m.Hello(version={version}, nonce="0123456789abcdef", job=handle.job,
                    task=handle.task, node=os.uname().nodename, pid=os.getpid(),
                    python={theirs}, gridmap="0.0.9", remaining=None, slots=1)
    socket.send([codec.encode(hello)])
    answers = []
    while not answers:
        socket.wait(20.0, set())
        answers += [codec.decode_from_monitor(f[0]) for f in socket.receive()]
    Path({note!r}).write_text(answers[0].text)
    socket.close(1.0)
"""


@pytest.mark.slow
def test_another_python_is_refused_and_named(tmp_path: Path) -> None:
    """A runner whose Python has another minor version gets no jobs; both are named."""
    note = tmp_path / "note"
    python = program(
        tmp_path,
        STRANGER.format(
            python=sys.executable,
            version="m.VERSION",
            theirs="(3, 9, 1)",
            note=str(note),
        ),
    )
    with pytest.raises(JobException) as caught:
        grid_map(
            jobs.square,
            [1, 2],
            backend="local",
            settings={"python": python, "num_resubmits": 0},
        )
    verdict = caught.value.verdict
    assert verdict.cause is Cause.ENVIRONMENT_BROKEN
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    for text in (str(caught.value), note.read_text()):
        assert "Python 3.9.1" in text
        assert ours in text
        assert "setting python" in text
    assert verdict.attempt == 1


@pytest.mark.slow
def test_another_protocol_is_refused_and_named(tmp_path: Path) -> None:
    """A runner of another gridmap is refused, with both versions."""
    note = tmp_path / "note"
    python = program(
        tmp_path,
        STRANGER.format(
            python=sys.executable,
            version="m.VERSION + 1",
            theirs="sys.version_info[:3]",
            note=str(note),
        ),
    )
    with pytest.raises(JobException, match=r"gridmap 0\.0\.9 with protocol"):
        grid_map(
            jobs.square,
            [1],
            backend="local",
            settings={"python": python, "num_resubmits": 0},
        )


@pytest.mark.slow
def test_a_node_without_the_package_is_explained(tmp_path: Path) -> None:
    """An interpreter that has no gridmap: what it said is in the error."""
    python = program(tmp_path, f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    with pytest.raises(JobException) as caught:
        grid_map(
            jobs.square,
            [1],
            backend="local",
            settings={"python": python, "num_resubmits": 1, "keep_logs": "failed"},
        )
    assert caught.value.verdict.cause is Cause.ENVIRONMENT_BROKEN
    assert str(caught.value).count("No module named") == 1
    assert "install the same Python and packages" in str(caught.value)
    (log,) = re.findall("its log is (.+)", str(caught.value))
    assert "No module named" in Path(log).read_text()
    shutil.rmtree(Path(log).parents[1])


@pytest.mark.slow
def test_a_node_without_the_interpreter_is_explained() -> None:
    """A setting `python` that names no program is told with its path."""
    with pytest.raises(JobException, match="/no/such/python") as caught:
        grid_map(
            jobs.square, [1], backend="local", settings={"python": "/no/such/python"}
        )
    assert caught.value.verdict.cause in (Cause.REJECTED, Cause.ENVIRONMENT_BROKEN)


@pytest.mark.slow
def test_a_module_missing_on_the_node_is_named(tmp_path: Path) -> None:
    """The ImportError says which node, where it looked, and what to do."""
    (tmp_path / "elusive.py").write_text("def f(x):\n    return x\n")
    text = """
        from pathlib import Path
        import elusive
        from gridmap import grid_map
        Path("elusive.py").unlink()
        for path in Path("__pycache__").glob("elusive*"):
            path.unlink()
        grid_map(elusive.f, [1], backend="local")
    """
    with driving(tmp_path, text) as driver:
        assert driver.wait() == 1
        said = driver.stderr
    assert "ModuleNotFoundError: No module named 'elusive'" in said
    assert "Install what is missing there" in said
    assert str(tmp_path) in said


@pytest.mark.slow
def test_a_module_missing_for_one_input_fails_that_job(tmp_path: Path) -> None:
    """An input whose class a node does not know is that job's error alone."""
    (tmp_path / "elusive.py").write_text("class Thing:\n    pass\n")
    text = """
        from pathlib import Path
        import elusive
        from gridmap import grid_map
        thing = elusive.Thing()
        Path("elusive.py").unlink()
        for path in Path("__pycache__").glob("elusive*"):
            path.unlink()
        results = grid_map(str, [1, thing, 3], backend="local", return_exceptions=True)
        print(results[0], type(results[1]).__name__, results[2])
    """
    with driving(tmp_path, text) as driver:
        assert driver.output() == "1 ModuleNotFoundError 3\n"
