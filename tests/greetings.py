"""What a runner says first, where a test has need of one."""

from gridmap.protocol import messages as m

HELLO = m.Hello(
    version=m.VERSION,
    nonce="nonce",
    job=None,
    task=None,
    node="node",
    pid=1,
    python=(3, 11, 0),
    gridmap="1",
)
