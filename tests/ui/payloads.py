"""Texts that would open a file, reach the network or run something in a careless window: ``payloads.json``.

In them ``{dir}`` stands for a folder of files that nobody may open, ``{url}`` for a server that nobody may ask, and
``{repeat:x}`` for very many x.
"""

import json
import re
from pathlib import Path

_MANY = 5_000


def payloads(folder: str, url: str) -> list[str]:
    """All of them."""
    found = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    filled = (text.replace("{dir}", folder).replace("{url}", url) for text in found)
    return [re.sub(r"\{repeat:(.*?)\}", lambda part: part[1] * _MANY, text) for text in filled]
