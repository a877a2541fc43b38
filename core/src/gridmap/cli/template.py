"""A command with places for an input, as GNU parallel's users know them. Pure."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACE: Final = re.compile(r"\{(|\.|/|//|/\.|#)\}")


def fill(words: Sequence[str], text: str, number: int) -> list[str]:
    """Return the command for one input.

    A single word with spaces in it is for a shell, and inputs are quoted there; else
    each word stays one word, whatever is in the input. Where there is no place for
    the input, it goes to the end.

    Args:
        words: The command.
        text: The input.
        number: Which it is, from 1.

    Example:
        >>> fill(["convert", "{}", "{.}.png"], "a b.jpg", 1)
        ['convert', 'a b.jpg', 'a b.png']
        >>> fill(["gzip -c {} > {/}.gz"], "x/a b", 1)
        ['/bin/sh', '-c', "gzip -c 'x/a b' > 'a b'.gz"]
        >>> fill(["echo"], "one", 1)
        ['echo', 'one']
    """
    if not any(_PLACE.search(word) for word in words):
        words = [f"{words[0]} {{}}"] if _for_shell(words) else [*words, "{}"]
    places = _places(text, number)
    if not _for_shell(words):
        return [_PLACE.sub(lambda match: places[match[1]], word) for word in words]
    script = _PLACE.sub(lambda match: shlex.quote(places[match[1]]), words[0])
    return ["/bin/sh", "-c", script]


def _for_shell(words: Sequence[str]) -> bool:
    return len(words) == 1 and any(character.isspace() for character in words[0])


def _places(text: str, number: int) -> dict[str, str]:
    path = PurePath(text)
    plain = text.removesuffix(path.suffix) if path.suffix else text
    return {
        "": text,
        ".": plain,
        "/": path.name,
        "//": str(path.parent),
        "/.": path.stem,
        "#": str(number),
    }
