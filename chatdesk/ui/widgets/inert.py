"""Text of strangers as Qt may have it: nothing in it is obeyed."""

import re

_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufdd0\ufdd1\ufffc\ud800-\udfff]")


def inert(text: str) -> str:
    """The text with control characters made visible: an escape sequence is shown, not obeyed."""
    if not _ACTIVE.search(text):
        return text
    return _ACTIVE.sub(_caret, text.replace("\r\n", "\n"))


def _caret(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in (0x2028, 0x2029, 0x0D):
        return "\n"
    return "^" + chr(code ^ 0x40) if code < 0x20 or code == 0x7F else "\ufffd"
