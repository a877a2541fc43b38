"""What the site wants, and what that makes of a request. Reads one file, else pure."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from gridmap.errors import InvalidRequestError
from gridmap.resources import parse_memory

if TYPE_CHECKING:
    from gridmap.resources import Resources

PLACE: Final = "/etc/gridmap/site-policy.toml"
_KEYS: Final = frozenset({"account", "memory", "forbidden_queues", "audit"})


@attrs.frozen(kw_only=True)
class Policy:
    """The site's rules; the defaults want nothing.

    Attributes:
        account: Charged where the user names none; None: nobody.
        memory: The most a job may ask for, in bytes; None: no bound.
        forbidden: Queues that gridmap must not use, each with the reason.
        audit: The file in which submissions are written down; None: nowhere.
    """

    account: str | None = None
    memory: int | None = None
    forbidden: dict[str, str] = attrs.field(factory=dict)
    audit: Path | None = None


def load() -> Policy:
    """Return the site's rules, as they are now.

    Raises:
        InvalidRequestError: If they cannot be read. Users meet that first, so it says
            where the mistake is, and that it is not theirs.
    """
    path = Path(os.environ.get("GRIDMAP_SITE_POLICY", PLACE))
    try:
        return _policy(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Policy()
    except (OSError, ValueError, TypeError) as error:
        msg = f"this site's rules, {path}, make no sense: {error}; tell whoever keeps them"
        raise InvalidRequestError(msg) from error


def _policy(table: dict[str, Any]) -> Policy:
    if strange := set(table) - _KEYS:  # a rule that is misspelt would not hold
        msg = f"there is no rule {', '.join(sorted(strange))}"
        raise ValueError(msg)
    audit = table.get("audit")
    return Policy(
        account=table.get("account"),
        memory=parse_memory(table.get("memory")),
        forbidden=table.get("forbidden_queues", {}),
        audit=Path(audit) if audit else None,
    )


def apply(policy: Policy, resources: Resources) -> Resources:
    """Return what is asked for under these rules.

    Raises:
        InvalidRequestError: If the queue is forbidden.
    """
    queue = resources.queue
    if queue in policy.forbidden:
        msg = f"this site forbids the queue {queue!r}: {policy.forbidden[queue]}"
        raise InvalidRequestError(msg)
    return msgspec.structs.replace(
        resources,
        account=resources.account or policy.account,
        memory=_capped(resources.memory, policy.memory),
        memory_limit=_capped(resources.memory_limit, policy.memory),
    )


def _capped(amount: int | None, most: int | None) -> int | None:
    return amount if amount is None or most is None else min(amount, most)
