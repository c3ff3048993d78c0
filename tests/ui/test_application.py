import subprocess
import sys

import pytest
from PySide6.QtCore import QCoreApplication, QLocale

from chatdesk.paths import Profile
from chatdesk.ui import application

OTHER = """
import sys
from pathlib import Path
from chatdesk.paths import Profile
from chatdesk.ui import application
print(application.raise_other(Profile(Path(sys.argv[1]))))
"""


def ask(profile):
    return subprocess.Popen([sys.executable, "-c", OTHER, str(profile.root)], stdout=subprocess.PIPE, text=True)


def test_a_second_start_raises_the_first_window(qtbot, tmp_path):
    profile, raised = Profile(tmp_path), []
    server = application.InstanceServer(profile, lambda: raised.append(True))
    other = ask(profile)
    qtbot.waitUntil(lambda: other.poll() is not None, timeout=30_000)
    assert (other.communicate()[0].strip(), raised) == ("True", [True])
    server.deleteLater()


def test_another_profile_is_left_alone(qtbot, tmp_path):
    raised = []
    server = application.InstanceServer(Profile(tmp_path / "one"), lambda: raised.append(True))
    other = ask(Profile(tmp_path / "two"))
    assert other.communicate(timeout=60)[0].strip() == "False"
    assert raised == []
    server.deleteLater()


@pytest.mark.parametrize(
    ("languages", "chosen"),
    [
        (["en-US"], "en"),
        (["zh-Hans-CN", "zh-CN", "zh"], "zh_CN"),
        (["zh-CN"], "zh_CN"),
        (["zh-Hant-TW", "zh-TW"], "en"),
        (["de-DE"], "en"),
        ([], "en"),
    ],
)
def test_the_systems_language(monkeypatch, languages, chosen):
    class System:
        def uiLanguages(self):
            return languages

    monkeypatch.setattr(QLocale, "system", staticmethod(System))
    assert application.language("system") == chosen
    assert application.language("zh_CN") == "zh_CN"


def test_speaking_chinese_and_english_again(qapp):
    application.speak("zh_CN")
    assert QCoreApplication.translate("shortcuts", "New chat") == "新对话"
    assert QCoreApplication.translate("QPlatformTheme", "Cancel") == "取消"
    application.speak("en")
    assert QCoreApplication.translate("shortcuts", "New chat") == "New chat"


def test_the_program_ends_well_with_words_on_the_clipboard():
    """Qt lets go of them after Python has ended."""
    code = (
        "from PySide6.QtWidgets import QApplication\n"
        "from chatdesk.ui.widgets.long_text import LongText\n"
        "app = QApplication([])\n"
        "text = LongText('File')\n"
        "text.set_runs([(False, 'one\\n' + 'long ' * 2000)])\n"
        "while not text.is_whole():\n"
        "    app.processEvents()\n"
        "text.selectAll()\n"
        "text.copy()\n"
        "found = app.clipboard().mimeData()\n"
        "print(found.formats(), found.text() == 'one\\n' + 'long ' * 2000)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout.strip()) == (0, "['text/plain'] True"), run.stderr
