"""A small process that renders chat templates, which come with a checkpoint and are not trusted.

Started by its file name with ``python -I``, so it holds nothing but the standard library and jinja2. Requests and
answers are JSON, each after its length in four bytes (big endian): ``{"template", "variables"}`` is answered by
``{"text"}`` or ``{"error"}``. Before the first request it says ``{"text": "ready"}``. The text is at most `MAX_BYTES`
long in UTF-8 and the memory at most `MAX_MEMORY` (where the system knows such a limit); the parent watches the time,
and where it has gone the process ends by itself after `MAX_SECONDS`. It may write no file.

The template environment is the one transformers gives to templates: trimmed blocks, loop controls, ``tojson``,
``raise_exception``, ``strftime_now`` and the ``generation`` block, which marks a region and changes nothing.

Non-goals: tools, documents.
"""

import faulthandler
import json
import signal
import struct
import sys
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO, NoReturn

MAX_BYTES = 1_000_000
MAX_MEMORY = 256 * 1024 * 1024
MAX_SECONDS = 5

_TEMPLATES = 4  # how many are kept compiled


def environment() -> Any:
    """A jinja2 environment for chat templates."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationBlock(Extension):
        """``{% generation %}…{% endgeneration %}`` is its content."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(str(message))

    def tojson(value: object, indent: int | None = None, **options: Any) -> str:
        allowed = {name: options[name] for name in ("ensure_ascii", "separators", "sort_keys") if name in options}
        return json.dumps(value, indent=indent, **{"ensure_ascii": False, **allowed})

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, "jinja2.ext.loopcontrols"]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    return made


@lru_cache(_TEMPLATES)
def compiled(made: Any, template: str) -> Any:
    """The template, ready: to make it so takes longer than to render it."""
    return made.from_string(template)


def render(made: Any, template: str, variables: dict[str, Any]) -> str:
    """The text of a template, or ValueError when it is too long."""
    pieces: list[str] = []
    size = 0
    for piece in compiled(made, template).generate(**variables):
        size += len(piece.encode())
        if size > MAX_BYTES:
            raise ValueError(f"it makes more than {MAX_BYTES} bytes of text")
        pieces.append(piece)
    return "".join(pieces)


def read_frame(source: BinaryIO) -> bytes | None:
    """The next frame, None at the end."""
    head = source.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack(">I", head)
    body = source.read(size)
    return body if len(body) == size else None


def write_frame(sink: BinaryIO, message: dict[str, Any]) -> None:
    """Send one message."""
    body = json.dumps(message).encode()
    sink.write(struct.pack(">I", len(body)) + body)
    sink.flush()


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock and the length of the text are the limits there
        return
    for name, value in (("RLIMIT_AS", MAX_MEMORY), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0)):
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (OSError, ValueError):  # macOS refuses some
            continue


def main() -> None:
    """Render until the parent goes. The arguments are folders where jinja2 may be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which ends us
    sys.path.extend(sys.argv[1:])
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    made = environment()
    render(made, "{{ [1] | tojson }}{{ strftime_now('%Y') }}", {})  # imports what is imported late
    _limit()
    write_frame(sink, {"text": "ready"})
    while (body := read_frame(source)) is not None:
        faulthandler.dump_traceback_later(MAX_SECONDS, exit=True)  # by a thread that needs no lock of Python's
        try:
            answer = {"text": render(made, **json.loads(body))}
        except MemoryError:
            answer = {"error": f"it needs more than {MAX_MEMORY // 1024**2} MB of memory"}
        except RecursionError:
            answer = {"error": "it never ends"}
        except Exception as error:  # whatever a template provokes
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        faulthandler.cancel_dump_traceback_later()
        write_frame(sink, answer)


if __name__ == "__main__":
    main()
