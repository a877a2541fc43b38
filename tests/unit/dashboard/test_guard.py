"""Nobody sees or orders anything who was not told the address with its token."""

import attrs
import pytest

from gridmap_dashboard.guard import Guard, Request

GUARD = Guard("secret")
HOST = "127.0.0.1:8137"
LOOK = Request(method="GET", host=HOST, cookie="secret")
ORDER = Request(
    method="POST",
    host=HOST,
    origin=f"http://{HOST}",
    cookie="secret",
    order=GUARD.order,
)


@pytest.mark.parametrize(
    "request_",
    [
        LOOK,
        attrs.evolve(LOOK, cookie="", shown="secret"),
        attrs.evolve(LOOK, cookie="", bearer="secret"),
        attrs.evolve(LOOK, host="localhost:9000"),
        attrs.evolve(LOOK, host="[::1]:8137"),
        attrs.evolve(LOOK, origin=f"http://{HOST}"),
        ORDER,
        attrs.evolve(ORDER, host="localhost:1", origin="http://localhost:1"),
    ],
    ids=["cookie", "address", "header", "tunnel", "v6", "own page", "order", "both"],
)
def test_who_shows_the_token_is_let_in(request_: Request) -> None:
    """By cookie, address or header, and through a tunnel from any port."""
    assert GUARD.judge(request_) is None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (attrs.evolve(LOOK, cookie=""), 403),
        (attrs.evolve(LOOK, cookie="Secret"), 403),
        (attrs.evolve(LOOK, cookie="", shown="\N{SNOWMAN}"), 403),
        (attrs.evolve(LOOK, host=""), 421),
        (attrs.evolve(LOOK, host="evil.example"), 421),
        (attrs.evolve(LOOK, host="127.0.0.1.evil.example:8137"), 421),
        (attrs.evolve(LOOK, host="localhost.evil.example"), 421),
        (attrs.evolve(LOOK, host="evil.example:127.0.0.1"), 421),
        (attrs.evolve(LOOK, host="127.0.0.1:8137\t"), 421),
        (attrs.evolve(LOOK, origin="http://evil.example"), 403),
        (attrs.evolve(LOOK, origin="null"), 403),
        (attrs.evolve(ORDER, origin=""), 403),
        (attrs.evolve(ORDER, origin="http://127.0.0.1:9999"), 403),
        (attrs.evolve(ORDER, cookie="", shown="secret"), 403),
        (attrs.evolve(ORDER, cookie="", bearer="secret"), 403),
        (attrs.evolve(ORDER, order=""), 403),
        (attrs.evolve(ORDER, order="secret"), 403),
        (attrs.evolve(ORDER, method="DELETE", order=""), 403),
    ],
)
def test_others_are_not(request_: Request, status: int) -> None:
    """Not by another name of this machine, from another page, or with half of it."""
    refusal = GUARD.judge(request_)
    assert refusal is not None
    assert refusal.status == status


def test_tokens_are_fresh_and_told_to_nobody() -> None:
    """Each dashboard has its own, its own cookie, and shows neither when printed."""
    one, two = Guard.fresh(), Guard.fresh()
    assert one.token != two.token
    assert len(one.token) >= 32
    assert one.cookie != two.cookie
    assert one.token not in one.cookie
    assert one.token not in one.order
    assert one.token not in repr(one)
