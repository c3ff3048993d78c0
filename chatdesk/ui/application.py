"""The Qt application around the window: names, languages, messages, one instance for each profile, the loop.

Start-up order: `create`, then the window is built and shown by `run`, then, after its first paint, what may wait
(`MainWindow.start`). Nothing heavy is imported before that paint.
"""

import hashlib
import logging
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QCoreApplication,
    QLibraryInfo,
    QLocale,
    QMessageLogContext,
    QObject,
    QTimer,
    QtMsgType,
    QTranslator,
    qInstallMessageHandler,
)
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from chatdesk import __version__, paths
from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.paths import Profile
from chatdesk.settings.store import Settings
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.collecting import Collector

if TYPE_CHECKING:
    from chatdesk.ui.main_window import MainWindow

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}
_translators: list[QTranslator] = []
# What Qt's own translation lacks of its dialog for files, which is shown where the system has none.
_OF_QT = (QT_TRANSLATE_NOOP("QFileDialog", "&Look in:"), QT_TRANSLATE_NOOP("QFileDialog", "Files of &type:"))


def create(settings: Settings) -> QApplication:
    """The application object in the person's language and theme; text size and theme follow ``settings``."""
    qInstallMessageHandler(_on_message)
    QCoreApplication.setApplicationName("chatdesk")
    QCoreApplication.setApplicationVersion(__version__)
    app = QApplication(["chatdesk"])
    Collector(app)
    app.setApplicationDisplayName("chatdesk")
    app.setDesktopFileName("chatdesk")
    app.setWindowIcon(QIcon(str(paths.resources() / "icons" / "chatdesk.png")))
    speak(settings["language"])
    theme.apply(app, settings["theme"], settings["text_size"])
    shortcuts.rebind(settings["keys"])
    settings.watch(lambda name: follow(app, settings, name))
    return app


def follow(app: QApplication, settings: Settings, name: str) -> None:
    """Apply a setting that was changed: language, theme, text size, keys."""
    if name == "language":
        speak(settings["language"])
    if name in ("theme", "text_size"):
        theme.apply(app, settings["theme"], settings["text_size"])
    if name == "keys":
        shortcuts.rebind(settings["keys"])


def _on_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    logging.getLogger("qt").log(_LEVELS.get(kind, logging.WARNING), "%s: %s", context.category, message)


def language(choice: str) -> str:
    """The language that ``choice`` means on this machine: ``en`` or ``zh_CN``."""
    if choice != "system":
        return choice
    first = next(iter(QLocale.system().uiLanguages()), "en")
    return "zh_CN" if first.startswith("zh") and "Hant" not in first and "TW" not in first else "en"


def speak(choice: str) -> None:
    """Install the texts of a language, chatdesk's and Qt's own; texts already shown stay as they are."""
    for old in _translators:
        QCoreApplication.removeTranslator(old)
    _translators.clear()
    wanted = language(choice)
    QLocale.setDefault(QLocale(wanted))
    if wanted == "en":
        return
    qt_folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    for name, folder in (("qtbase", qt_folder), ("chatdesk", str(paths.resources() / "locale"))):
        translator = QTranslator()
        if translator.load(f"{name}_{wanted}", folder):
            QCoreApplication.installTranslator(translator)
            _translators.append(translator)


class InstanceServer(QObject):
    """Listens for a second start with the same profile, and calls ``raise_window`` then."""

    def __init__(self, profile: Profile, raise_window: Callable[[], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        from PySide6.QtNetwork import QLocalServer  # after the first paint

        self._raise_window = raise_window
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_new_connection)
        # The profile's lock is ours, so a socket of that name can only be left over from a crash.
        QLocalServer.removeServer(_server_name(profile))
        self._server.listen(_server_name(profile))

    def _on_new_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            socket.disconnectFromServer()
            self._raise_window()


def raise_other(profile: Profile) -> bool:
    """Ask the window that runs with ``profile`` to come to the front; whether it answered within a second."""
    from PySide6.QtNetwork import QLocalSocket

    socket = QLocalSocket()
    socket.connectToServer(_server_name(profile))
    if not socket.waitForConnected(1000):
        return False
    answered = socket.waitForDisconnected(1000)
    return answered or socket.state() == QLocalSocket.LocalSocketState.UnconnectedState


def _server_name(profile: Profile) -> str:
    return "chatdesk-" + hashlib.sha256(str(profile.root.resolve()).encode()).hexdigest()[:24]


def run(app: QApplication, window: "MainWindow", profile: Profile) -> int:
    """Show ``window`` and run until it is closed; returns the exit status."""
    server: list[InstanceServer] = []

    def settle() -> None:
        server.append(InstanceServer(profile, window.come_to_front, window))
        window.start()

    window.painted.connect(settle)
    window.show()
    # Python sees a signal only between two lines of Python: the window's own timer gives it the occasion.
    signal.signal(signal.SIGINT, lambda *_: QTimer.singleShot(0, window.end))
    signal.signal(signal.SIGTERM, lambda *_: QTimer.singleShot(0, window.end))
    return app.exec()
