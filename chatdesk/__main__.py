"""The door of the program. The window opens from here without importing what only the command line needs."""

import sys
from pathlib import Path


def main() -> None:
    """Entry point of ``chatdesk``, of ``chatdesk-window`` (on Windows without a console) and ``python -m chatdesk``."""
    try:
        _start(sys.argv[1:])
    except KeyboardInterrupt:  # before there is a command or a window that sees to it
        sys.exit(130)


def _start(arguments: list[str]) -> None:
    match arguments:
        case []:
            window(None)
        case ["--profile", folder]:
            window(Path(folder))
        case ["--engine-process", *_]:  # how a frozen bundle starts its engine, see chatdesk.engine.client
            from chatdesk.engine import host

            host.main()
        case ["--training-process", *rest]:  # the same for training, see chatdesk.training.events
            from chatdesk.training import worker

            worker.main(rest)
        case ["--errand-process", errand]:  # and its errands, see chatdesk.training.errands
            from chatdesk.training import errand_worker

            sys.exit(errand_worker.main(errand))
        case ["--compare-process", errand]:  # and comparisons, see chatdesk.cli_compare
            from chatdesk import cli_compare

            sys.exit(cli_compare.answer(errand))
        case _:
            from chatdesk import cli

            cli.main()


def window(folder: Path | None) -> None:
    """Open the window on the profile in ``folder``."""
    from chatdesk.app import run_window
    from chatdesk.paths import Profile

    sys.exit(run_window(Profile(folder.resolve()) if folder else Profile.default()))


if __name__ == "__main__":
    main()
