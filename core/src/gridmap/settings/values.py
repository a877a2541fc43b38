"""The settings, and what is known of each: kind, default, name in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping  # noqa: TC003 - a signature tells it
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from msgspec.structs import force_setattr

from gridmap import homes
from gridmap.comparing import Comparing
from gridmap.errors import InvalidSettingError
from gridmap.settings import kinds
from gridmap.settings.kinds import PortRange  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from gridmap.settings.kinds import Kind

Compression: TypeAlias = Literal["auto", "none", "zstd", "bz2"]
KeepLogs: TypeAlias = Literal["failed", "always", "never"]
SmtpSecurity: TypeAlias = Literal["none", "starttls", "tls"]

SHORTEST_INTERVAL_S: Final = 0.1
"""What a heartbeat or check interval of 0 means."""

_declared: list[tuple[object, Kind, str | None]] = []
"""Default, kind and GridMap's variable of each setting, in the order of the fields."""


def _setting(default: object, kind: Kind, variable: str | None = None) -> Any:
    """Declare a setting.

    Args:
        default: Its value where nobody says anything.
        kind: Reads it.
        variable: GridMap's environment variable for it, beside ``GRIDMAP_<NAME>``.
    """
    _declared.append((default, kind, variable))
    return msgspec.field(default=default)


class Settings(Comparing, msgspec.Struct, frozen=True, kw_only=True):
    """What a run goes by. Times are in seconds; None means what is said of it here.

    GridMap's name, where there was one, stands in brackets.

    Attributes:
        backend: Name of the backend; None: the best that is usable here.
        max_workers: Runners at most; None: the backend's own limit.
        heartbeat_interval: Time between two heartbeats of a runner, at least 0.1
            [HEARTBEAT_FREQUENCY].
        silence_limit: Silence after which a runner is given up; longer than the
            interval, and 0 is the shortest that is [MAX_TIME_BETWEEN_HEARTBEATS].
        check_interval: Without effect, as a run is looked at whenever something
            happens; read for the sake of those who set it [CHECK_FREQUENCY].
        stall_limit: Time without CPU, I/O or progress after which a job is ended;
            None: never.
        idle_threshold: Likewise: see stall_limit [IDLE_THRESHOLD].
        max_idle_heartbeats: Likewise [MAX_IDLE_HEARTBEATS].
        speculate: Whether a job that takes much longer than the others of its map is
            begun a second time on an idle runner; the first result counts. For
            functions that may run twice at once.
        num_resubmits: How often a job is run again for causes not its own
            [NUM_RESUBMITS].
        start_timeout: How long the scheduler may leave every runner waiting before
            that is an error; None: for ever.
        orphan_time: How long runners outlive a monitor that has gone.
        checkpoint_grace: How long before its time is over a runner asks its job for a
            checkpoint, and how long that may take; never more than a quarter of the
            runner's time.
        queue: Queue or partition; None: the site's default [DEFAULT_QUEUE].
        parallel_environment: Where jobs of several cores run [DEFAULT_PAR_ENV].
        temp_dir: Where the user's own directory for runs is made, if run_directory
            says nothing; nodes must see it; None: see run_directory
            [DEFAULT_TEMP_DIR].
        use_mem_free: Whether ``mem_free`` is asked of Grid Engine [USE_MEM_FREE].
        send_error_mail: Whether jobs that fail are told by mail [SEND_ERROR_MAIL].
        create_plots: Whether error mail has plots [CREATE_PLOTS].
        smtp_server: Host that takes the mail; None: this machine [SMTP_SERVER].
        smtp_port: Port it takes it at; None: 25, with ``starttls`` 587, with ``tls`` 465.
        smtp_security: How mail goes there: ``none``, ``starttls`` (TLS on the same
            connection, or no mail at all), ``tls`` (from the beginning).
        smtp_user: Whom to log in as; None: there is no login.
        smtp_password_file: File whose first line is the password. Only its owner may
            be able to read it.
        error_mail_sender: Its sender; None: the user, here [ERROR_MAIL_SENDER].
        error_mail_recipient: Its recipients, with commas between them; None: the user,
            here [ERROR_MAIL_RECIPIENT].
        mails_per_hour: Mails about failed jobs that all runs of a process send in an
            hour at most; the next mail counts the others. The site's file sets the
            highest value there is.
        run_directory: Where runs have their directories; None: below the user's
            state directory. Also GRIDMAP_RUNS.
        record_directory: Where records of runs are kept, for `gridmap runs`; None: in
            the user's state directory.
        keep_records: How many of them; 0: none is written.
        keep_failed: How many jobs that failed are kept of each, with function, input
            and environment, for `gridmap replay`; 16 MiB at most; 0: none.
        interface: Network interface that the monitor listens on; None: every one
            with an address that nodes could reach.
        port_range: Ports it may use, first and last; None: any that is free. A run
            uses two: one for messages, one for large data.
        host: Name or address that nodes are told to call; None: found out.
        compression: How payloads are compressed; ``auto`` looks at a sample, and
            compresses nothing between processes of one machine.
        max_message_bytes: The longest piece of an input or a result, bytes, at least
            1M. An array is one piece.
        max_journal_bytes: How large the journal of a run with a name may become; what
            ends beyond that is done again if the run is resumed.
        query_interval: Time between two questions to the scheduler while runners
            wait.
        query_budget: Questions a minute that all of a user's runs on this machine may
            put to the scheduler at most, those that start or end runners not counted;
            the site's file sets the highest value there is.
        nested: Whether a job may begin a run of its own.
        progress: Whether progress is shown; None: it is, but quick maps end without
            a word.
        live_output: Whether what jobs print is shown where the map was called.
        python: Interpreter on the nodes; None: the same path as here.
        keep_logs: Whose logs outlive the run.
        dashboard: Whether a web page shows each run while it goes on.
        dashboard_port: Port of this machine that the page is served on; another where
            it is taken.
        metrics_file: File that the run's numbers are written to as OpenMetrics,
            ``{run}`` in it stands for the run's token; None: nowhere.
        backends: Name of a backend to its own options, which core does not look at.
    """

    backend: str | None = _setting(None, kinds.text)
    max_workers: int | None = _setting(None, kinds.count(1))
    heartbeat_interval: float = _setting(
        10.0, kinds.seconds(SHORTEST_INTERVAL_S), "HEARTBEAT_FREQUENCY"
    )
    silence_limit: float = _setting(
        90.0, kinds.seconds(), "MAX_TIME_BETWEEN_HEARTBEATS"
    )
    check_interval: float = _setting(
        15.0, kinds.seconds(SHORTEST_INTERVAL_S), "CHECK_FREQUENCY"
    )
    stall_limit: float | None = _setting(3600.0, kinds.seconds_or_never)
    idle_threshold: float = _setting(1.0, kinds.number, "IDLE_THRESHOLD")
    max_idle_heartbeats: int = _setting(3, kinds.count(0), "MAX_IDLE_HEARTBEATS")
    speculate: bool = _setting(False, kinds.flag)
    num_resubmits: int = _setting(3, kinds.count(0), "NUM_RESUBMITS")
    start_timeout: float | None = _setting(None, kinds.seconds_or_never)
    orphan_time: float = _setting(600.0, kinds.seconds())
    checkpoint_grace: float = _setting(60.0, kinds.seconds())
    queue: str | None = _setting(None, kinds.text, "DEFAULT_QUEUE")
    parallel_environment: str = _setting("smp", kinds.text, "DEFAULT_PAR_ENV")
    temp_dir: str | None = _setting(None, kinds.path, "DEFAULT_TEMP_DIR")
    use_mem_free: bool = _setting(False, kinds.flag, "USE_MEM_FREE")
    send_error_mail: bool = _setting(False, kinds.flag, "SEND_ERROR_MAIL")
    create_plots: bool = _setting(True, kinds.flag, "CREATE_PLOTS")
    smtp_server: str | None = _setting(None, kinds.text, "SMTP_SERVER")
    smtp_port: int | None = _setting(None, kinds.port)
    smtp_security: SmtpSecurity = _setting(
        "none", kinds.choice("none", "starttls", "tls")
    )
    smtp_user: str | None = _setting(None, kinds.text)
    smtp_password_file: str | None = _setting(None, kinds.path)
    error_mail_sender: str | None = _setting(None, kinds.text, "ERROR_MAIL_SENDER")
    error_mail_recipient: str | None = _setting(
        None, kinds.text, "ERROR_MAIL_RECIPIENT"
    )
    mails_per_hour: int = _setting(10, kinds.count(0))
    run_directory: str | None = _setting(None, kinds.path, "GRIDMAP_RUNS")
    record_directory: str | None = _setting(None, kinds.path)
    keep_records: int = _setting(200, kinds.count(0))
    keep_failed: int = _setting(20, kinds.count(0))
    interface: str | None = _setting(None, kinds.text)
    port_range: PortRange | None = _setting(None, kinds.ports)
    host: str | None = _setting(None, kinds.text)
    compression: Compression = _setting(
        "auto", kinds.choice("auto", "none", "zstd", "bz2")
    )
    max_message_bytes: int = _setting(2**30, kinds.memory_from("1M"))
    max_journal_bytes: int = _setting(2**36, kinds.memory)
    query_interval: float = _setting(60.0, kinds.seconds(SHORTEST_INTERVAL_S))
    query_budget: int = _setting(60, kinds.count(1))
    nested: bool = _setting(False, kinds.flag)
    progress: bool | None = _setting(None, kinds.flag)
    live_output: bool = _setting(False, kinds.flag)
    python: str | None = _setting(None, kinds.path)
    keep_logs: KeepLogs = _setting("failed", kinds.choice("failed", "always", "never"))
    dashboard: bool = _setting(False, kinds.flag)
    dashboard_port: int = _setting(8137, kinds.port)
    metrics_file: str | None = _setting(None, kinds.path)
    backends: Mapping[str, Mapping[str, object]] = {}

    def __post_init__(self) -> None:
        """Read every value, and make the silence limit one that no healthy runner reaches."""
        for name, kind in KINDS.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            try:
                force_setattr(self, name, kind(value))
            except ValueError as exc:
                msg = f"setting {name}={value!r}: {exc}"
                raise InvalidSettingError(msg) from None
        if self.silence_limit == 0:
            shortest = max(1.0, 3 * self.heartbeat_interval)
            force_setattr(self, "silence_limit", shortest)
        elif self.silence_limit <= self.heartbeat_interval:
            msg = (
                f"setting silence_limit={self.silence_limit:g} must be longer than "
                f"heartbeat_interval={self.heartbeat_interval:g}: a healthy runner "
                "would be given up between two heartbeats"
            )
            raise InvalidSettingError(msg)

    def told(self) -> dict[str, object]:
        """Return all of them by name, as observers are told; no backend's options."""
        return {name: getattr(self, name) for name in KINDS}

    def runs(self) -> Path:
        """Return where runs have their directories, which need not exist yet."""
        if self.run_directory is not None:
            return Path(self.run_directory).absolute()
        if self.temp_dir is not None:  # GridMap's is often one that all users share
            return Path(self.temp_dir).absolute() / f"gridmap-{_user()}"
        return homes.state() / "runs"

    def records(self) -> Path:
        """Return where records of runs are kept, which need not exist yet."""
        if self.record_directory is not None:
            return Path(self.record_directory).absolute()
        return homes.state() / "records"


def _user() -> str:
    """Return the user's name; the number of one who has none, as in some containers."""
    from getpass import getuser  # noqa: PLC0415 - few need it

    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


BOUNDED: Final = frozenset({"mails_per_hour", "query_budget"})
"""Settings of which the site's value is the highest that others may set."""

_NAMES: Final = [name for name in Settings.__struct_fields__ if name != "backends"]
_OPTIONAL: Final = frozenset(
    name
    for name, (default, _, _) in zip(_NAMES, _declared, strict=True)
    if default is None
)

KINDS: Final[Mapping[str, Kind]] = {
    name: kind for name, (_, kind, _) in zip(_NAMES, _declared, strict=True)
}
"""Each setting, `Settings.backends` excepted, to what reads it."""

GRIDMAPS_NAMES: Final[Mapping[str, str]] = {
    variable: name
    for name, (_, _, variable) in zip(_NAMES, _declared, strict=True)
    if variable
}
"""GridMap's name of a setting to ours."""


def variables(name: str) -> tuple[str, ...]:
    """Return the environment variables of a setting, the one that wins first."""
    ancestral = (old for old, new in GRIDMAPS_NAMES.items() if new == name)
    return (f"GRIDMAP_{name.upper()}", *ancestral)
