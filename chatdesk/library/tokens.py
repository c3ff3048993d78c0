"""The access token of a model hub, in the system's keyring: never in a file of ours, in a log or in a sentence.

``HF_TOKEN`` in the environment goes before it and is only read. Each hub has its own token, so that a mirror never
gets the one of another hub.
"""

import logging
import os
import re

from chatdesk.errors import Fault, UserError

_log = logging.getLogger(__name__)
_SERVICE = "chatdesk"


def read(host: str) -> str | None:
    """The token for the hub ``host``: ``HF_TOKEN``, else the keyring's; None where there is none or no keyring."""
    given = os.environ.get("HF_TOKEN", "").strip()
    if _is_usable(given):
        return given
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, host)
    except (KeyringError, OSError) as error:
        _log.info("no token was read: %s", type(error).__name__)
        return None


def keep(host: str, token: str) -> None:
    """Keep a token for the hub ``host``. Raises BAD_VALUE (the token is not shown) or NO_KEYRING."""
    if not _is_usable(token := token.strip()):
        raise UserError(Fault.BAD_VALUE, name="the token", value="not usable", allowed="one word without blanks")
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(_SERVICE, host, token)
    except (KeyringError, OSError) as error:
        raise _no_keyring(error) from None  # whose chain could hold the token


def forget(host: str) -> None:
    """Remove the token for the hub ``host`` from the keyring, if there is one. Raises NO_KEYRING."""
    import keyring
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        if keyring.get_password(_SERVICE, host) is not None:
            keyring.delete_password(_SERVICE, host)
    except PasswordDeleteError:  # another program was quicker
        return
    except (KeyringError, OSError) as error:
        raise _no_keyring(error) from None


def _is_usable(token: str) -> bool:
    return re.fullmatch(r"[!-~]{1,500}", token) is not None


def _no_keyring(error: Exception) -> UserError:
    reason = {"NoKeyringError": "none is installed", "KeyringLocked": "it is locked"}.get(type(error).__name__)
    return UserError(Fault.NO_KEYRING, reason=reason or "it does not answer")
