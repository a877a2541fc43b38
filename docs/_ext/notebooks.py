"""A notebook whose cells are run at every build, in real kernels, and shown as run.

What Jupyter keeps of their outputs is what a page shows. A cell that ends otherwise than
it should fails the build.
"""

import contextlib
import functools
import os
import signal
import tempfile
import threading
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from real_runs import ADDRESS, shortened

SIMULATE = """\
import time
from gridmap import grid_map


def simulate(seed):
    time.sleep(0.2)
    return seed**2
"""

FIRST = 'sum(grid_map(simulate, range(25), backend="local", max_workers=2))'

FACTOR = """\
factor = 10


def scaled(number):
    return factor * number


grid_map(scaled, range(3), backend="local")
"""

CHANGED = """\
factor = 100
grid_map(scaled, range(3), backend="local")
"""

SLOW = """\
def slow(seed):
    time.sleep(0.2 if seed < 4 else 60)
    return seed**2


grid_map(slow, range(8), backend="local", max_workers=2)
"""

FINISHED = """\
import sys

sys.last_value.gridmap_results
"""

PAGE = 'sum(grid_map(simulate, range(10), backend="local", dashboard=True))'

NAMED = """\
def simulate(seed):
    time.sleep(0.5)
    return seed**2


grid_map(simulate, range(8), backend="local", max_workers=1, resume="study")
"""

READY_S = 60


class Notebook:
    """An open notebook of a user who has run nothing yet."""

    def __init__(self, folder):
        mine = {
            "GRIDMAP_RUN_DIRECTORY": f"{folder}/runs",
            "GRIDMAP_RECORD_DIRECTORY": f"{folder}/records",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        self._given = {"env": {**os.environ, **mine}, "cwd": str(folder)}
        self._book = nbformat.v4.new_notebook()
        self.client = None

    @contextlib.contextmanager
    def kernel(self):
        """Have a new kernel."""
        self.client = NotebookClient(
            self._book, timeout=120, extra_arguments=["--log-level=CRITICAL"]
        )
        with self.client.setup_kernel(**self._given):
            yield

    def run(self, source, *, after=None, send=None, ends=None):
        """Run a cell; return it.

        Args:
            source: What is in it.
            after: Words in its output after which the kernel gets a signal.
            send: The signal; None: none.
            ends: What the cell ends with; None: it does not raise.
        """
        cell = nbformat.v4.new_code_cell(source.rstrip())
        self._book.cells.append(cell)
        kernel = self.client.km.provisioner.process.pid
        person = threading.Thread(target=_signal, args=(kernel, send, cell, after))
        if send is not None:
            person.start()
        ended = None
        try:
            self.client.execute_cell(cell, len(self._book.cells) - 1)
        except CellExecutionError as error:
            ended = error.ename
        except DeadKernelError:
            ended = "death"
        if send is not None:
            person.join()
        if ended != ends:
            msg = f"the cell ended with {ended}, not {ends}: {cell.outputs}"
            raise RuntimeError(msg)
        return cell


def _signal(kernel, number, cell, after):
    begin = time.monotonic()
    while after not in str(cell.outputs) and time.monotonic() < begin + READY_S:
        time.sleep(0.05)
    os.kill(kernel, number)


def shown(*cells):
    """Return cells as a page shows them."""
    return "\n".join(_cell(cell) for cell in cells)


def _cell(cell):
    parts = [f":::{{container}} cell\n```python\n{cell.source}\n```\n"]
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "error":
            parts.append(
                f"```text\n{output.ename}: {output.evalue}".rstrip(" :") + "\n```\n"
            )
        elif output.output_type == "stream":
            parts.append(f"```text\n{ADDRESS.sub(shortened, output.text)}```\n")
        elif "text/html" in data:
            parts.append(f"```{{raw}} html\n{data['text/html']}\n```\n")
        else:
            parts.append(f"```text\n{data['text/plain']}\n```\n")
    return "\n".join([*parts, ":::\n"])


@functools.cache
def study():
    """Return what each file holds, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        book = Notebook(folder)
        with book.kernel():
            made = {
                "first": shown(book.run(SIMULATE), book.run(FIRST)),
                "changed": shown(book.run(FACTOR), book.run(CHANGED)),
                "page": shown(book.run(PAGE)),
            }
            halfway = {"after": "4 of 8 jobs"}
            stop = {"send": signal.SIGINT, "ends": "KeyboardInterrupt"}
            slow = book.run(SLOW, **halfway, **stop)
            made["stopped"] = shown(slow, book.run(FINISHED))
            book.run(NAMED, **halfway, send=signal.SIGKILL, ends="death")
        with book.kernel():
            book.run(SIMULATE)
            made["resumed"] = shown(book.run(NAMED))
    return made


FILES = {
    f"notebook-{name}.md": lambda name=name: study()[name]
    for name in ("first", "changed", "stopped", "page", "resumed")
}
