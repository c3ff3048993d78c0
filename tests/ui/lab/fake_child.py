"""Plays a training process or an errand from the words of a script: one JSON event a line, then what its stdin says.

``fake_child.py SCRIPT …``: lines of SCRIPT are written as they are; ``wait`` reads stdin to its end first, ``exit N``
ends. What a training says is appended to events.jsonl of ``--out`` as the real one does.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    script, *arguments = sys.argv[1:]
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else None
    if out is not None:
        (out / "run.json").write_text("{}")
    for line in Path(script).read_text(encoding="utf-8").splitlines():
        if line == "wait":
            while os.read(0, 100):
                pass
        elif line.startswith("exit"):
            sys.exit(int(line.split()[1]))
        else:
            print(line, flush=True)
            if out is not None:
                with (out / "events.jsonl").open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


main()
