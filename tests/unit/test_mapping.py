"""What a map has gathered when it ends before its time."""

import pytest

from gridmap.mapping import _Gathered


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError, SystemExit])
def test_whatever_ends_a_map_has_what_was_finished(kind: type[BaseException]) -> None:
    """Ctrl-C, and what the inputs' generator raises, as much as a job's exception."""
    gathered = _Gathered(return_exceptions=False)
    gathered.values[3] = "three"
    with pytest.raises(kind) as caught, gathered.handed_on():
        raise kind
    assert caught.value.gridmap_results == {3: "three"}  # type: ignore[attr-defined]
