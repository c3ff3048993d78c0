"""A download in a process of its own, to be killed by `test_download_kills`: ``URL NAME CACHE``."""

import sys
from pathlib import Path

from chatdesk.library import hub
from chatdesk.library.connection import Connection
from chatdesk.library.download import download


def main(url: str, name: str, cache: Path) -> None:
    connection = Connection(url)
    repository = hub.repository(connection, name)
    print("begun", flush=True)
    print(download(connection, repository, cache), flush=True)
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
