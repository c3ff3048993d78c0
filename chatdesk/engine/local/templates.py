"""The parent's side of `chatdesk.engine.template_child`: starts it, asks it, ends it when it misbehaves."""

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from chatdesk.engine import template_child
from chatdesk.errors import Fault, UserError
from chatdesk.library.headers import shown

RENDER_S = 2.0
"""How long one rendering may take, in seconds."""

_START_S = 30.0
_MAX_ANSWER = 8 * template_child.MAX_BYTES  # JSON may write a byte of text as six


class TemplateError(UserError):
    """A template failed; its sentence is that of ``CHAT_TEMPLATE``."""

    def __init__(self, reason: str) -> None:
        super().__init__(Fault.CHAT_TEMPLATE, reason=shown(reason, 300))


class TemplateRenderer:
    """Renders chat templates. ``special``: names and texts of the checkpoint's special tokens.

    The child lives until `close`, or until it breaks a limit.
    """

    def __init__(self, special: Mapping[str, str]) -> None:
        self._special = dict(special)
        self._child: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    def start(self) -> None:
        """Start the child without waiting for it."""
        environment = {name: os.environ[name] for name in ("SYSTEMROOT", "TZ", "LANG") if name in os.environ}
        paths = [path for path in sys.path if path and Path(path).is_dir()]
        self._is_ready = False
        self._child = subprocess.Popen(
            [sys.executable, "-I", template_child.__file__, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            process_group=0 if os.name == "posix" else None,  # else Ctrl+C in a terminal ends one that is starting
        )

    def render(self, template: str, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool) -> str:
        """What ``template`` makes of some messages (role, content); `TemplateError` says what went wrong."""
        if self._child is not None and self._child.poll() is not None:  # somebody else has ended it
            self.close()
        if self._child is None:
            self.start()
        if not self._is_ready:
            self._receive(_START_S)
            self._is_ready = True
        variables = {
            **self._special,
            "messages": [dict(message) for message in messages],
            "add_generation_prompt": add_generation_prompt,
            "tools": None,
            "documents": None,
        }
        answer = self._receive(RENDER_S, {"template": template, "variables": variables})
        if "text" not in answer:
            raise TemplateError(str(answer.get("error", "no answer")))
        return str(answer["text"])

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what was not sent has nowhere to go
                        pipe.close()

    def _receive(self, limit_s: float, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request, if any, and read one answer; a child that is late, gone or talks too much is ended."""
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise RuntimeError("the template child was not started")
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            child.kill()

        timer = threading.Timer(limit_s, end)
        timer.start()
        try:
            if request is not None:
                template_child.write_frame(cast("BinaryIO", child.stdin), request)
            return _read_answer(child.stdout)
        except (OSError, EOFError, ValueError, struct.error) as error:
            self.close()
            raise TemplateError(f"it took longer than {limit_s:g} s" if is_late.is_set() else "it crashed") from error
        except BaseException:  # Ctrl+C: what is answered now would be taken for the next answer
            self.close()
            raise
        finally:
            timer.cancel()
            timer.join()
            if is_late.is_set():
                self.close()


def _read_answer(source: Any) -> dict[str, Any]:
    head = source.read(4)
    (size,) = struct.unpack(">I", head)
    if size > _MAX_ANSWER:
        raise ValueError("the answer is too long")
    body = source.read(size)
    if len(body) < size:
        raise EOFError
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("the answer is no object")
    return answer
