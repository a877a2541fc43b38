"""A notebook, run by a real Jupyter kernel: what its reader sees, and what stays behind.

Cells are run as Jupyter runs them; what is looked at is the notebook that results.
"""

import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tests import traces

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


class Notebook:
    """A notebook that is open, with its kernel.

    Args:
        path: Where it is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._book: Any = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
        self._client = NotebookClient(self._book, timeout=60)

    def running(self) -> Any:
        """Return a context within which there is a kernel."""
        return self._client.setup_kernel()

    def run(self, source: str) -> Any:
        """Add a cell, run it, save the notebook, and return the cell as saved.

        Raises:
            CellExecutionError: If it raised; it is saved all the same.
        """
        cell: Any = nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]
        self._book.cells.append(cell)
        try:
            self._client.execute_cell(cell, len(self._book.cells) - 1)
        finally:
            nbformat.write(self._book, self.path)  # type: ignore[no-untyped-call]
        return self.last()

    def last(self) -> Any:
        """Return the last cell as somebody who opens the file finds it."""
        return nbformat.read(self.path, as_version=4).cells[-1]  # type: ignore[no-untyped-call]


def printed(cell: Any) -> dict[str, str]:
    """Return what a cell printed, by stream."""
    outputs = [one for one in cell.outputs if one.output_type == "stream"]
    return {output.name: output.text for output in outputs}


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    """Return an open notebook in which a function is defined."""
    book = Notebook(tmp_path / "study.ipynb")
    with book.running():
        book.run(
            "import time\n"
            "from gridmap import GridExecutor, grid_map\n"
            "factor = 2\n"
            "def scaled(number):\n"
            "    time.sleep(0.1)\n"
            "    return factor * number\n"
        )
        yield book


def test_a_cell_shows_its_map_in_one_output(notebook: Notebook) -> None:
    """Its progress is one piece of HTML, in place; nothing goes to standard error."""
    cell = notebook.run("grid_map(scaled, range(25), backend='local', max_workers=1)")
    kinds = [output.output_type for output in cell.outputs]
    assert kinds == ["display_data", "execute_result"], cell.outputs
    shown, result = cell.outputs
    assert "25 of 25 jobs" in shown.data["text/html"]
    assert "25 of 25 jobs" in shown.data["text/plain"]  # for viewers without HTML
    assert set(shown.data) == {"text/html", "text/plain"}  # no widgets
    assert result.data["text/plain"] == str([2 * n for n in range(25)]).replace(
        ", ", ",\n "
    )


def test_what_a_cell_changes_holds_for_the_next_map(notebook: Notebook) -> None:
    """Functions and globals of other cells go along as they are then."""
    notebook.run("factor = 10")
    cell = notebook.run("print(grid_map(scaled, range(3), backend='local'))")
    assert printed(cell) == {"stdout": "[0, 10, 20]\n"}


def test_an_exception_in_a_job_is_the_cells(notebook: Notebook) -> None:
    """With the job's own traceback; and the notebook goes on."""
    notebook.run("def bad(number):\n    raise ValueError(f'no {number}')")
    with pytest.raises(CellExecutionError):
        notebook.run("grid_map(bad, [7], backend='local')")
    error = notebook.last().outputs[-1]
    assert (error.ename, error.evalue) == ("ValueError", "no 7")
    assert re.search(
        r"RemoteTraceback.*line 2, in bad", "".join(error.traceback), re.DOTALL
    )
    cell = notebook.run("print(grid_map(abs, [-1], backend='local'))")
    assert printed(cell) == {"stdout": "[1]\n"}


def test_an_executor_lives_from_cell_to_cell(notebook: Notebook) -> None:
    """Its runners too; a cell in between defines what it is to call."""
    notebook.run("import os\nexecutor = GridExecutor(1, backend='local')")
    notebook.run("first = executor.submit(os.getppid).result()")
    notebook.run("def later(number):\n    return (os.getppid(), number + 1)")
    notebook.run("second, value = executor.submit(later, 1).result()")
    cell = notebook.run("executor.shutdown()\nprint(first == second, value)")
    assert printed(cell) == {"stdout": "True 2\n"}


def test_interrupting_the_kernel_ends_the_jobs(
    notebook: Notebook, tmp_path: Path, runs: Path
) -> None:
    """What the stop button does; the notebook goes on, with nothing behind it."""
    kernel = int(notebook.run("import os\nprint(os.getpid())").outputs[0].text)

    def interrupt() -> None:
        traces.await_marks(tmp_path, "job0")
        traces.await_marks(tmp_path, "job1")
        os.kill(kernel, signal.SIGINT)

    person = threading.Thread(target=interrupt)
    person.start()
    with pytest.raises(CellExecutionError):
        notebook.run(
            "from tests import jobs\n"
            f"grid_map(lambda n: jobs.meet({str(tmp_path)!r}, n), range(4),\n"
            "         backend='local', max_workers=2)"
        )
    person.join()
    assert notebook.last().outputs[-1].ename == "KeyboardInterrupt"
    assert not traces.processes(runs)
    cell = notebook.run("print(grid_map(abs, [-1], backend='local'))")
    assert printed(cell) == {"stdout": "[1]\n"}
