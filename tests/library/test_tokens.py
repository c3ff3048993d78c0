"""The access token: kept in the keyring alone, read where it is, told to nobody."""

import logging
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringLocked

from chatdesk.errors import Fault, UserError
from chatdesk.library import tokens

TOKEN = "hf_canarycanarycanary"


class Memory(KeyringBackend):
    """A keyring for a test; locked, it refuses everything."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def _open(self) -> dict[tuple[str, str], str]:
        if self.is_locked:
            raise KeyringLocked(f"no {TOKEN} for you")
        return self.kept

    def get_password(self, service: str, username: str) -> str | None:
        return self._open().get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self._open()[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    made = Memory()
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    return made


def test_kept_read_and_forgotten(ring: Memory) -> None:
    assert tokens.read("hub.example") is None
    tokens.keep("hub.example", f" {TOKEN}\n")
    assert tokens.read("hub.example") == TOKEN
    assert tokens.read("mirror.example") is None
    tokens.forget("hub.example")
    tokens.forget("hub.example")
    assert tokens.read("hub.example") is None


def test_the_environment_goes_first_and_is_not_kept(ring: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens.keep("hub.example", "hf_kept")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert tokens.read("hub.example") == TOKEN
    assert list(ring.kept.values()) == ["hf_kept"]


@pytest.mark.parametrize("token", ["", "two words", "a\r\nHost: x", "ü", "x" * 501])
def test_what_is_no_token(ring: Memory, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError) as raised:
        tokens.keep("hub.example", token)
    assert raised.value.fault is Fault.BAD_VALUE
    assert ring.kept == {}
    monkeypatch.setenv("HF_TOKEN", token)
    assert tokens.read("hub.example") is None


def test_a_locked_keyring(ring: Memory, caplog: pytest.LogCaptureFixture) -> None:
    ring.is_locked = True
    caplog.set_level(logging.DEBUG)
    assert tokens.read("hub.example") is None
    for call in (lambda: tokens.keep("hub.example", TOKEN), lambda: tokens.forget("hub.example")):
        with pytest.raises(UserError) as raised:
            call()
        assert "it is locked" in str(raised.value)
        assert TOKEN not in repr(raised.value)
    assert TOKEN not in caplog.text


def test_no_keyring(monkeypatch: pytest.MonkeyPatch, ring: Memory) -> None:
    monkeypatch.setattr("keyring.core._keyring_backend", fail.Keyring())
    assert tokens.read("hub.example") is None
    with pytest.raises(UserError) as raised:
        tokens.keep("hub.example", TOKEN)
    assert raised.value.fault is Fault.NO_KEYRING
    assert "HF_TOKEN" in str(raised.value)


def test_no_file_of_ours_holds_it(ring: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHATDESK_PROFILE", str(tmp_path))
    tokens.keep("hub.example", TOKEN)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
