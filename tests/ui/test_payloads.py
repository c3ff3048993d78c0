"""What others write is shown as it is: no file is opened and nothing is sent, whatever stands in it.

A real window shows every text of ``payloads.json`` as title, folder, message of both roles, name and text of an
attachment, name of a model, error, search result, tool tip, report of an import, in exports and in the composer. Three
witnesses look on: the kernel's notes of opened files (inotify), a server that counts who comes, and, where it is
installed and may be used, strace, which also sees files that are not there, network shares and every socket.
"""

import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.ui.payloads import payloads

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")

CHILD = Path(__file__).with_name("payload_child.py")
ROOT = Path(__file__).resolve().parents[2]
NAMES = ["png", "svg", "html", "css", "js", "cur", "mp3", "vtt", "txt", "tex", "ttf", "php", "erb"]
IN_ACCESS, IN_OPEN = 0x1, 0x20
SOCKET = re.compile(r"socket\(AF_INET|sin_addr|sin6_addr")
FILE = re.compile(r'^\d+ +\w+\([^"]*".*canary')


class Files:
    """Files that nobody may open. ``touched()``: the names of those that somebody did."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        picture = (ROOT / "resources" / "icons" / "chatdesk.png").read_bytes()
        for name in NAMES:
            (folder / f"canary.{name}").write_bytes(picture)
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._watch, os.fsencode(folder), IN_OPEN | IN_ACCESS) >= 0

    def touched(self):
        found = set()
        try:
            while data := os.read(self._watch, 65536):
                while data:
                    _, _, _, length = struct.unpack_from("iIII", data)
                    found.add(os.fsdecode(data[16 : 16 + length].rstrip(b"\0")))
                    data = data[16 + length :]
        except BlockingIOError:
            os.close(self._watch)
        return found


class Server:
    """A web server that nobody may ask. ``asked``: who did, by path."""

    def __enter__(self):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def may_trace():
    strace = shutil.which("strace")
    return strace and subprocess.run([strace, "-qq", "true"], capture_output=True).returncode == 0


def traced(path):
    """The calls of the kernel that name a canary or make a socket of the internet."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    assert len(lines) > 100
    return [line for line in lines if SOCKET.search(line) or (FILE.search(line) and "execve(" not in line)]


def witnessed(tmp_path, every):
    """What the three saw while a child showed everything: (opened files, requests, calls of the kernel)."""
    files, trace = Files(tmp_path / "canary-files"), tmp_path / "trace"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    with Server() as server:
        command = [sys.executable, "-B", str(CHILD), str(tmp_path), str(files.folder), server.url, every]
        if may_trace():
            calls = "open,openat,openat2,stat,lstat,newfstatat,statx,access,faccessat,faccessat2,readlink,%network"
            command = [
                "strace",
                "-f",
                "-qq",
                "--seccomp-bpf",
                "-s",
                "300",
                "-e",
                f"trace={calls}",
                "-o",
                trace,
                *command,
            ]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=900)
        print(done.stdout, done.stderr[-3000:])
        assert done.returncode == 0, done.stderr[-3000:]
    return files.touched(), server.asked, traced(trace)


def test_there_are_enough_and_no_two_are_the_same():
    found = payloads("/x", "http://x")
    assert len(set(found)) == len(found) >= 100


@pytest.mark.parametrize("every", ["40", pytest.param("1", marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_nothing_is_opened_and_nobody_is_asked(tmp_path, every):
    assert witnessed(tmp_path, every) == (set(), [], [])


def test_careless_widgets_are_noticed_by_all_witnesses(tmp_path):
    opened, asked, calls = witnessed(tmp_path, "plant")
    assert "canary.png" in opened
    assert "/x.png" in asked
    if may_trace():
        assert any("canary" in line for line in calls)
        assert any("AF_INET" in line for line in calls)
