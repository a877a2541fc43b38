"""The runner protocol: its messages, their bytes, and who may say what when.

Pure: no socket, clock or thread. docs/explanation/protocol.md is the specification.
"""

from __future__ import annotations

from gridmap.protocol.messages import VERSION

__all__ = ["VERSION"]
