"""One call of a function, and what it needs."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap import homes
from gridmap.arguments import check_function, check_mapping, check_text, items
from gridmap.environment import portable
from gridmap.errors import InvalidRequestError, InvalidResourceError
from gridmap.resources import Resources, make_resources

_VALIDATION_LEVELS: Final = ("e", "w", "n", "p", "v")

_UNCHECKED: Final = frozenset(
    {"cleanup", "ret", "exception", "traceback", "id", "request"}
)
"""Attributes of a job that may be anything, or that nobody but us sets."""

_UNMADE: Final = Resources()
"""What a job asks for that is still being made."""

ResourceRequest = Resources | Mapping[str, Any] | Iterable[str] | str | None
"""What users may give as ``resources``: a `Resources`, a mapping of its fields, or, as
GridMap had it, texts such as ``"arch=lx-amd64"`` for the scheduler's own requests."""


class Job:
    """One call of a function, with what it needs and, later, what came of it.

    The parameters and their order are GridMap's. Those that only Grid Engine knows
    are passed on to it, and ignored by other backends. An attribute may be set until
    the job is handed in; what makes no sense is refused then too, and changes nothing.

    Attributes:
        function: What is called.
        args: Positional arguments.
        kwlist: Keyword arguments; None for none.
        cleanup: Whether its log is removed when it ended well.
        mem_free: Memory it needs, such as ``"2G"``; None: the site's default.
        name: For people, logs and the scheduler.
        num_slots: Cores on one node.
        queue: Queue or partition; None: the setting ``queue``, else the site's default.
        interpreting_shell: Shell that starts the runner; None: no shell.
        copy_env: Whether this process's environment goes along, without what
            describes this machine or session.
        add_env: Variables to set besides, of any name: they win.
        project: Project or account to charge.
        validation_level: Grid Engine's ``-w``: one of e, w, n, p, v.
        os_distribution: Grid Engine's request of that name.
        os_minor: Likewise.
        par_env: Parallel environment for more than one slot.
        gpu: Graphics processors.
        h_vmem: Memory at which the job is stopped.
        h_rt: Longest run time, ``"HH:MM:SS"`` or seconds.
        resources: Anything else; see `ResourceRequest`.
        ret: The value, once there is one.
        exception: What it ended with, if it did not return.
        traceback: The traceback's text of that, as the node saw it.
        id: Its number within its map, from 0.
        working_dir: Where it runs: the directory in which it was made.
        environment: Variables that go along.

    Raises:
        InvalidResourceError: If a request makes no sense.
        InvalidRequestError: If anything else does.
    """

    __slots__ = (
        *("function", "args", "kwlist", "cleanup", "mem_free", "name", "num_slots"),
        *("queue", "interpreting_shell", "copy_env", "add_env", "project"),
        *(
            "validation_level",
            "os_distribution",
            "os_minor",
            "par_env",
            "gpu",
            "h_vmem",
        ),
        *("h_rt", "resources", "white_list", "ret", "exception", "traceback", "id"),
        *("working_dir", "environment", "request", "__weakref__"),
    )

    def __init__(
        self,
        f: Callable[..., Any],
        args: Iterable[Any],
        kwlist: Mapping[str, Any] | None = None,
        cleanup: bool = True,
        mem_free: str | int | None = None,
        name: str = "gridmap_job",
        num_slots: int = 1,
        queue: str | None = None,
        interpreting_shell: str | None = None,
        copy_env: bool = True,
        add_env: Mapping[str, object] | None = None,
        project: str | None = None,
        validation_level: str | None = None,
        os_distribution: str | None = None,
        os_minor: str | None = None,
        par_env: str | None = None,
        gpu: int = 0,
        h_vmem: str | int | None = None,
        h_rt: str | float | None = None,
        resources: ResourceRequest = None,
        *,
        white_list: Iterable[str] | None = None,
    ) -> None:
        self.request = _UNMADE
        self.function = f
        self.args = args
        self.kwlist = kwlist
        self.cleanup = cleanup
        self.mem_free = mem_free
        self.name = name
        self.num_slots = num_slots
        self.queue = queue
        self.interpreting_shell = interpreting_shell
        self.copy_env = copy_env
        self.add_env = add_env
        self.project = project
        self.validation_level = validation_level
        self.os_distribution = os_distribution
        self.os_minor = os_minor
        self.par_env = par_env
        self.gpu = gpu
        self.h_vmem = h_vmem
        self.h_rt = h_rt
        self.resources = resources
        self.white_list = white_list
        self.ret: Any = None
        self.exception: BaseException | None = None
        self.traceback: str | None = None
        self.id: int | None = None
        self._settle()

    def __repr__(self) -> str:
        """Return what it calls, with what, and what became of it."""
        return (
            f"Job(function={self.function!r}, args={self.args!r}, "
            f"kwlist={self.kwlist!r}, name={self.name!r}, id={self.id!r}, "
            f"ret={self.ret!r}, exception={self.exception!r})"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, if the job still makes sense then."""
        if name in _UNCHECKED or getattr(self, "request", _UNMADE) is _UNMADE:
            object.__setattr__(self, name, value)
            return
        before = getattr(self, name, None)
        object.__setattr__(self, name, value)
        try:
            self._check()
            if name in ("copy_env", "add_env"):
                self._surround()
        except Exception:
            object.__setattr__(self, name, before)
            raise

    def _settle(self) -> None:
        """Take down where and in what the job is made, and check the rest."""
        self.working_dir = working_directory()
        self._surround()
        self._check()

    def _check(self) -> None:
        """See that all of it makes sense, and work out what it needs."""
        check_function(self.function, self.args)
        check_text("name", self.name)
        items("args", self.args, "the positional arguments, in a list")
        check_mapping("kwlist", self.kwlist, "parameters to arguments")
        check_text("working_dir", self.working_dir)
        given: Mapping[str, object] | None = self.environment
        check_mapping("environment", given, "names to texts")
        if given is None:
            msg = "environment=None makes no sense: expected names to texts, or {}"
            raise InvalidRequestError(msg)
        for variable, text in given.items():
            if not isinstance(text, str):
                check_text(f"environment[{variable!r}]", text)
        self.request = self._request()

    def _surround(self) -> None:
        environment = portable(os.environ) if self.copy_env else {}
        added = check_mapping("add_env", self.add_env, "names") or {}
        for name, value in added.items():
            environment[name] = _variable(name, value)
        self.environment = environment

    def _request(self) -> Resources:
        extra: tuple[str, ...] = ()
        wishes = self.resources
        if isinstance(wishes, str):
            extra, wishes = (wishes,), None
        elif wishes is not None and not isinstance(wishes, (Resources, Mapping)):
            expected = "a mapping of names to amounts, or texts for the scheduler"
            listed = items("resources", wishes, expected, InvalidResourceError)
            extra, wishes = tuple(str(wish) for wish in listed), None
        level = self.validation_level
        if level is not None and level not in _VALIDATION_LEVELS:
            msg = f"validation_level={level!r} must be one of {_VALIDATION_LEVELS}"
            raise InvalidResourceError(msg)
        base = make_resources(wishes)
        options = {
            "h_vmem": self.h_vmem,  # Grid Engine counts it by the slot
            "interpreting_shell": self.interpreting_shell,
            "os_distribution": self.os_distribution,
            "os_minor": self.os_minor,
            "par_env": self.par_env,
            "resources": ",".join(extra) or None,
            "validation_level": level,
            **dict(base.options),
        }
        return msgspec.structs.replace(
            base,
            memory=self.mem_free if self.mem_free is not None else base.memory,
            memory_limit=self.h_vmem if self.h_vmem is not None else base.memory_limit,
            walltime=self.h_rt if self.h_rt is not None else base.walltime,
            cores=self.num_slots if self.num_slots != 1 else base.cores,
            gpus=self.gpu or base.gpus,
            queue=self.queue or base.queue,
            account=self.project or base.account,
            nodes=self.white_list if self.white_list is not None else base.nodes,
            options=options,
        )

    def execute(self) -> None:
        """Run the job here, in this process, as GridMap's did.

        An `Exception` goes to `ret`, its text to `traceback`.
        """
        try:
            self.ret = self.function(*self.args, **(self.kwlist or {}))
        except Exception as error:  # noqa: BLE001 - GridMap's contract
            self.ret = self.exception = error
            self.traceback = traceback.format_exc()


def bind_shared(
    function: Callable[..., Any], shared: Mapping[str, Any] | None
) -> Callable[..., Any]:
    """Return a function with the keyword arguments that all calls of it have alike.

    A function travels once to a runner, and a partial with it what it holds.

    Args:
        function: The function.
        shared: Value of each keyword argument; None or empty: there are none, and the
            function is returned as it is.

    Raises:
        InvalidRequestError: If that is no mapping of names, or the function says that
            it does not take one of them.
    """
    check_mapping("shared", shared, "keyword arguments to their values")
    if not shared or not callable(function):  # what is no function, others refuse
        return function
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin that does not tell
        return functools.partial(function, **shared)
    try:
        signature.bind_partial(**shared)
    except TypeError as error:
        msg = (
            f"{function!r} does not take what shared= names: {error}. "
            f"Its parameters are {signature}"
        )
        raise InvalidRequestError(msg) from error
    return functools.partial(function, **shared)


def working_directory() -> str:
    """Return the working directory, the home directory if it is gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return str(homes.home())


def job_path(function: Callable[..., Any] | None) -> str:
    """Return the directory from which a function's module can be imported.

    Args:
        function: The function; partials are looked through. None: one of ``__main__``.

    Returns:
        The directory of its top-level module, if that is the user's own; that of the
        script, or the working directory, for functions of ``__main__`` and for
        installed packages, which every node has to have anyway.
    """
    called: Any = function
    while hasattr(called, "func"):
        called = called.func
    name = getattr(called, "__module__", None) or "__main__"
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if name != "__main__" and file is not None:
        top = Path(file).resolve()
        levels = name.count(".") + (top.name == "__init__.py")
        directory = top.parents[levels]
        if not _installed(directory):
            return str(directory)
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return str(Path(main).resolve().parent) if main else working_directory()


def own_path() -> tuple[str, ...]:
    """Return the entries of ``sys.path`` that are the user's own directories."""
    entries = (Path(entry).resolve() for entry in sys.path if entry)
    found = (str(e) for e in entries if e.is_dir() and not _installed(e))
    return tuple(dict.fromkeys(found))


def _installed(directory: Path) -> bool:
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    inside = any(directory.is_relative_to(Path(p).resolve()) for p in prefixes)
    return inside or "site-packages" in directory.parts


def _variable(name: str, value: object) -> str:
    """Return a variable's value as text, if an environment can hold it."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    if not name or "=" in name or "\0" in name + text:
        msg = (
            f"add_env: no environment can hold {name!r}={text!r:.200}; a name is not "
            "empty and has no '=', and there is no NUL in either"
        )
        raise InvalidRequestError(msg)
    return text


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Return what GridMap's module of this name held and is elsewhere now."""
        package = importlib.import_module(__package__)
        if name in package.__all__:
            return getattr(package, name)
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
