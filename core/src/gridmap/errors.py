"""Every exception gridmap raises, in one tree.

::

    GridMapError
    ├── InvalidRequestError (ValueError)    the caller asked for something impossible
    │   ├── InvalidResourceError            a resource text or count makes no sense
    │   ├── InvalidSettingError             a setting has a bad value; says where it stands
    │   ├── UnknownBackendError             no backend of that name is installed
    │   └── DifferentRunError               a run is resumed with another function or input
    ├── UnpicklableError (TypeError)        a function, argument or result cannot be pickled
    ├── BackendUnavailableError             installed, but this machine cannot use it
    ├── DRMAANotPresentException (ImportError)   no cluster, though one was required
    ├── PluginError                         a plugin broke its contract; names the plugin
    ├── RunError                            the run's directory, keys or sockets failed
    │   ├── ConnectionFileError             a connection file that must not be trusted
    │   └── RunBusyError                    another process drives the run; names it
    ├── DriverMemoryError (MemoryError)     this process, which drives the run, has no more
    ├── RunKilledError                      the user killed the run from another process
    ├── ProtocolError
    │   ├── LocalProtocolError              we are about to break the protocol: our bug
    │   └── RemoteProtocolError             the peer broke it; the session is over
    └── JobException                        a job ended without a value and without an
                                            exception of its own; carries the verdict

A user's own exception is not in this tree: it is raised as it was, with a
`RemoteTraceback` as its cause.

Attributes come first, the text is made from them, and every exception survives
pickling, since runners send them and users' tools store them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.verdict import Verdict


_NAME_CHARACTERS: Final = 256
_MOST_NAMES: Final = 32


def qualified_name(kind: type) -> str:
    """Return a class's name as a traceback prints it, on one line, not too long."""
    module, name = kind.__module__, kind.__qualname__
    whole = name if module == "builtins" else f"{module}.{name}"
    return "".join(c if c.isprintable() else "?" for c in whole)[:_NAME_CHARACTERS]


def qualified_names(kind: type) -> tuple[str, ...]:
    """Return the names of a class and its bases, nearest first, without `object`."""
    bases = [base for base in kind.__mro__ if base is not object]
    return tuple(map(qualified_name, bases[:_MOST_NAMES]))


class GridMapError(Exception):
    """The root of everything gridmap raises on its own account."""


class InvalidRequestError(GridMapError, ValueError):
    """An argument makes no sense; nothing was started."""


class InvalidResourceError(InvalidRequestError):
    """A resource request cannot be understood or is out of range."""


class InvalidSettingError(InvalidRequestError):
    """A setting has a value that cannot be used; the text says where it stands."""


_OWN_BACKENDS: Final = ("local", "sge", "slurm")
"""Those of this project. A guessed name of a distribution may be anybody's on an index."""


class UnknownBackendError(InvalidRequestError):
    """No installed plugin offers a backend of this name.

    Attributes:
        name: What was asked for.
        installed: Names of the backends that are installed, in order.
        broken: What is installed and cannot be loaded, and why, in words.
    """

    def __init__(
        self, name: str, installed: Iterable[str], broken: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.installed = tuple(dict.fromkeys(installed))
        self.broken = tuple(broken)
        super().__init__(name, self.installed, self.broken)

    def __str__(self) -> str:
        """Say what is installed and what was probably meant."""
        import difflib  # noqa: PLC0415 - rarely needed, and a runner's start counts

        close = difflib.get_close_matches(self.name, self.installed, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        have = ", ".join(self.installed) or "none"
        text = f"there is no backend named {self.name!r}.{hint} Installed: {have}."
        known = any(f" {self.name} " in one for one in self.broken)
        if self.name in _OWN_BACKENDS and not known:
            text += f" It comes with gridmap-{self.name}: install that."
        if self.broken:
            text += f" Left out: {'; '.join(self.broken)}."
        elif self.name not in _OWN_BACKENDS and not close:
            text += (
                " Others come with distributions of their own: install the one that "
                "offers it, then look at `gridmap backends`."
            )
        return text


class DifferentRunError(InvalidRequestError):
    """A run is to be resumed with something else than it was begun with.

    Nothing was started, and the run is as it was.

    Attributes:
        name: The run's name.
        text: What differs.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        super().__init__(name, text)

    def __str__(self) -> str:
        """Say what differs, and both ways out."""
        return (
            f"run {self.name!r} is not what is asked for: {self.text}. Resume it with "
            "what it was begun with, give this one another name, or, if its results "
            f"are of no use any more, remove it: gridmap forget {self.name!r}"
        )


class UnpicklableError(GridMapError, TypeError):
    """Something that has to travel cannot be pickled.

    Attributes:
        what: What it was, in the user's words: "the function", "input 3",
            "the result of job 7".
        path: The way from there to the part at fault, as Python would write it
            (``.model.lock``), empty when it is the thing itself.
        reason: What pickling said.
        advice: What to do about it.
    """

    def __init__(
        self, what: str, path: str, reason: str, advice: str | None = None
    ) -> None:
        self.what = what
        self.path = path
        self.reason = reason.rstrip(".")
        self.advice = advice or (
            "Leave that part out, make it inside the function, or give its class a "
            "__reduce__ method."
        )
        super().__init__(what, path, reason, advice)

    def __str__(self) -> str:
        """Name the part at fault and the way out."""
        where = f" (at {self.path})" if self.path else ""
        return (
            f"{self.what} cannot be sent to another process{where}: {self.reason}. "
            f"{self.advice}"
        )


class BackendUnavailableError(GridMapError):
    """A backend is installed, but cannot be used here.

    Attributes:
        name: The backend; None: none can be used, and none was named.
        reason: Why, and how to mend it.
    """

    def __init__(self, name: str | None, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(name, reason)

    def __str__(self) -> str:
        """Say which backend and why."""
        which = f"backend {self.name!r} is installed but not usable here"
        if self.name is None:
            which = "no backend can be used here"
        return f"{which}: {self.reason}. `gridmap backends` shows all of them."


class DRMAANotPresentException(GridMapError, ImportError):  # noqa: N818 - GridMap's name
    """No cluster can be reached although ``require_cluster=True`` was given."""


class PluginError(GridMapError):
    """A plugin broke the contract of a hook.

    Attributes:
        plugin: Name of the plugin, with its distribution and version if known.
        hook: The hook at fault.
        text: What was wrong.
    """

    def __init__(self, plugin: str, hook: str, text: str) -> None:
        self.plugin = plugin
        self.hook = hook
        self.text = text
        super().__init__(plugin, hook, text)

    def __str__(self) -> str:
        """Name the plugin, for its author."""
        return f"plugin {self.plugin} broke the contract of {self.hook}: {self.text}"


class RunError(GridMapError):
    """A run could not be set up: directory, keys, address or port."""


class ConnectionFileError(RunError):
    """A connection file is missing, unreadable or must not be trusted."""


class RunBusyError(RunError):
    """Another process is driving the run that was to be taken up.

    Attributes:
        run: The name it can be resumed under.
        pid: That process, None if it could not be found out.
        host: The host it runs on, empty if it could not be found out.
        advice: What to do if that cannot be true, empty if it certainly is.
    """

    def __init__(self, run: str, pid: int | None, host: str, advice: str = "") -> None:
        self.run = run
        self.pid = pid
        self.host = host
        self.advice = advice
        super().__init__(run, pid, host, advice)

    def __str__(self) -> str:
        """Name the process and the ways out."""
        who = f"process {self.pid}" if self.pid else "another process"
        where = f" on host {self.host}" if self.host else ""
        return (
            f"run {self.run} is being driven by {who}{where}; watch it (gridmap attach "
            f"{self.run!r}), end it, or choose another name"
            f"{self.advice and '. '}{self.advice}"
        )


class RunKilledError(GridMapError):
    """The run was killed by its user: `gridmap kill`, `gridmap top` or the web page.

    What was finished is in the attribute ``gridmap_results`` of the exception that a
    map raises; a run that was given a name can be resumed.

    Attributes:
        run: The run's name.
        by: Who killed it.
    """

    def __init__(self, run: str, by: str) -> None:
        self.run = run
        self.by = by
        super().__init__(run, by)

    def __str__(self) -> str:
        """Say who killed it."""
        return (
            f"run {self.run!r} was killed by {self.by}, with `gridmap kill`, "
            "`gridmap top` or the web page"
        )


class DriverMemoryError(GridMapError, MemoryError):
    """The process that drives the run is out of memory; its jobs are not to blame.

    Attributes:
        doing: What it could not do.
        limit: What its address space is limited to, in words; None if it is not.
    """

    def __init__(self, doing: str, limit: str | None) -> None:
        self.doing = doing
        self.limit = limit
        super().__init__(doing, limit)

    def __str__(self) -> str:
        """Say what it was at, and the ways out."""
        bound = f" (limited to {self.limit}: ulimit -v)" if self.limit else ""
        return (
            f"out of memory: the process that drives the run{bound} could not "
            f"{self.doing}; give it more, hand in less at a time, or have jobs return "
            "less, such as the path of a file they wrote"
        )


class ProtocolError(GridMapError):
    """The runner protocol was broken."""


class LocalProtocolError(ProtocolError):
    """This side was about to break the protocol: a bug in gridmap."""


class RemoteProtocolError(ProtocolError):
    """The other side broke the protocol; its session is closed for good."""


class JobException(GridMapError):  # noqa: N818 - GridMap's name, users catch it
    """A job ended with neither a value nor an exception of its own.

    Attributes:
        verdict: Why, with the statements of all witnesses.
    """

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(verdict)

    def __str__(self) -> str:
        """Tell cause, job, attempt, node, evidence and next step."""
        return self.verdict.explain()

    def __repr__(self) -> str:
        """Be one line: it stands in lists of results, with `return_exceptions`."""
        return f"{type(self).__name__}({str(self).partition(chr(10))[0]!r})"


class RemoteTraceback(Exception):  # noqa: N818 - a carrier of text, never raised alone
    """The traceback of an exception as the runner saw it, as its cause here.

    Attributes:
        text: The formatted traceback, with the node and job it came from.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)

    def __str__(self) -> str:
        """Show the text on lines of its own."""
        return f"\n{self.text}"


class RemoteError(GridMapError):
    """Stands in for a user's exception that could not make the journey.

    Attributes:
        type_name: Qualified name of the exception's class.
        text: Its message.
        traceback_text: Where it was raised.
        reason: Why the exception itself could not travel.
    """

    def __init__(
        self, type_name: str, text: str, traceback_text: str, reason: str
    ) -> None:
        self.type_name = type_name
        self.text = text
        self.traceback_text = traceback_text
        self.reason = reason
        super().__init__(type_name, text, traceback_text, reason)

    def __str__(self) -> str:
        """Show the original type and message first."""
        return (
            f"{self.type_name}: {self.text} (the exception itself could not be sent "
            f"back: {self.reason})"
        )
