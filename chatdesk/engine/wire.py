"""What the program and its engine process agree upon: frames on the pipe, exit codes, the end of a cancelled request.

A frame is a length (4 bytes, big-endian), then msgpack.

Notes: both sides run on the same machine and trust each other no further than needed: a frame has a cap, and
whatever does not decode ends the connection. Non-goal: any network.
"""

from collections.abc import Iterator
from typing import IO

import msgspec

from chatdesk.engine.api import (
    Attended,
    Counted,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    Load,
    Loaded,
    Measured,
    Pong,
    PromptMade,
    Request,
    Scored,
    Surveyed,
    TokensRead,
)
from chatdesk.errors import Fault

MAX_FRAME_BYTES = 64 << 20

LOG_VARIABLE = "CHATDESK_ENGINE_LOG"
"""Environment variable that tells the child the name of its log, for the sentence of a failure."""

FUSED_VARIABLE = "CHATDESK_FUSED"
"""Environment variable: ``off`` keeps a model's own forward on a GPU, without kernels of our own."""

EXIT_DEVICE_FAILED = 70
EXIT_BAD_FRAME = 71

ENDINGS = (Loaded, Finished, PromptMade, Scored, TokensRead, Attended, Measured, Counted, Surveyed, Pong, Failed)
"""Events that end their request."""


class WireError(ValueError):
    """What is on the pipe, or should go there, is not a frame."""


def pack(message: Request | Event) -> bytes:
    """The frame of a message.

    Raises `ValueError` for text that is not Unicode and for a message over the cap, `OverflowError` for an integer
    of more than 64 bits.
    """
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise WireError(f"{len(body)} bytes are more than {MAX_FRAME_BYTES}")
    return len(body).to_bytes(4, "big") + body


def read_bodies(stream: IO[bytes]) -> Iterator[bytes]:
    """The body of each frame until the end of file; a frame cut short by it is dropped. Raises `WireError`."""
    while len(head := stream.read(4)) == 4:
        size = int.from_bytes(head, "big")
        if size > MAX_FRAME_BYTES:
            raise WireError(f"a frame of {size} bytes")
        body = stream.read(size)
        if len(body) < size:
            return
        yield body


def cancelled(
    request: Request, skip: frozenset[int] = frozenset(), last: Finished | None = None, has_begun: bool = True
) -> list[Event]:
    """The events that end a cancelled request when its engine cannot: all drafts but ``skip``, then ``last``."""
    if not isinstance(request, Generate):
        return [Failed(request.id, Fault.CANCELLED, {}, keeps_model=isinstance(request, Load) and not has_begun)]
    drafts = [DraftFinished(request.id, i, "cancelled") for i in range(request.drafts) if i not in skip]
    return [*drafts, last or Finished(request.id, 0, 0, 0, 0.0, 0.0)]
