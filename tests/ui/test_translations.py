import ast
import importlib.util
import re
import shutil
import string
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PySide6.QtCore import QTranslator
from PySide6.QtWidgets import QFileDialog

from chatdesk.errors import UserError
from chatdesk.library import safety
from chatdesk.storage.transfer import reading
from chatdesk.ui import application
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "resources" / "locale"


def translate_tool():
    spec = importlib.util.spec_from_file_location("translate", ROOT / "packaging" / "translate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def messages(ts):
    """(context, source, translation, state) of every text."""
    for context in ElementTree.parse(ts).getroot().iter("context"):
        for message in context.iter("message"):
            found = message.find("translation")
            yield context.findtext("name"), message.findtext("source"), found.text or "", found.get("type")


@pytest.fixture(scope="module", params=translate_tool().LANGUAGES)
def language(request):
    return request.param


@pytest.fixture(scope="module")
def texts(language):
    return list(messages(LOCALE / f"chatdesk_{language}.ts"))


def test_every_text_is_translated(texts):
    assert len(texts) > 150
    assert [(context, source) for context, source, found, state in texts if state or not found.strip()] == []


def test_every_text_of_the_sources_is_there(tmp_path, language, texts):
    """As the tool finds them today; run packaging/translate.py when this fails."""
    copy = tmp_path / "fresh.ts"
    shutil.copy(LOCALE / f"chatdesk_{language}.ts", copy)
    translate_tool().update(copy, language)
    assert {text[:2] for text in messages(copy)} == {text[:2] for text in texts}


def test_the_tool_overlooks_no_tr(texts):
    """Counted by Python's own parser: every literal in a tr, translate or QT_TRANSLATE_NOOP is in the file."""
    known = {source for _, source, _, _ in texts}
    missing = []
    for path in translate_tool().sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                place = {"tr": 0, "translate": 1, "QT_TRANSLATE_NOOP": 1}.get(name)
                if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                    text = node.args[place].value
                    if isinstance(text, str) and text and text not in known:
                        missing.append((path.name, text))
    assert missing == []


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_fields_are_the_same_in_both(texts):
    assert [source for _, source, found, _ in texts if fields(source) != fields(found)] == []


def test_chinese_is_chinese(language, texts):
    if language != "zh_CN":
        pytest.skip("another language")
    alike = {source for _, source, found, _ in texts if source == found}
    assert alike == {"CPU", "Top-p", "Top-k", "Min-p"}
    half_width = [found for _, _, found, _ in texts if re.search("[\u4e00-\u9fff][,;?!]", found)]
    assert half_width == []


def test_the_compiled_file_says_what_the_text_file_says(qapp, language, texts):
    translator = QTranslator()
    assert translator.load(str(LOCALE / f"chatdesk_{language}.qm"))
    stale = [source for context, source, found, _ in texts if translator.translate(context, source) != found]
    assert stale == []


def test_the_dialog_for_files_is_in_the_language_of_the_window(qapp):
    """Qt's own one."""
    try:
        application.speak("zh_CN")
        dialog = QFileDialog()
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        labels = [dialog.labelText(label) for label in QFileDialog.DialogLabel]
        assert [label for label in labels if not re.search("[\u4e00-\u9fff]", label)] == []
    finally:
        application.speak("en")


def test_reasons_are_those_that_are_raised():
    raised = "".join(path.read_text("utf-8") for path in (ROOT / "chatdesk" / "library").glob("*.py"))
    composed = {"neither model.safetensors nor model.safetensors.index.json is there"}
    assert [said for said in REASONS if said not in raised and said not in composed] == []


@pytest.mark.parametrize(
    ("raises", "english", "chinese"),
    [
        (lambda folder: safety.check(folder), "it holds no files", "里面没有文件"),
        (lambda folder: safety.check(folder.with_name("config only")), "neither", "既没有 model.safetensors，也没有"),
        (lambda folder: reading.read(folder.with_name("x.json")), "not JSON", "不是 JSON"),
    ],
)
def test_a_reason_is_said_in_the_language_of_its_sentence(qapp, tmp_path, raises, english, chinese):
    for name in ("empty", "config only"):
        (tmp_path / name).mkdir()
    (tmp_path / "config only" / "config.json").write_text("{}")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError) as raised:
        raises(tmp_path / "empty")
    assert english in str(raised.value)
    try:
        application.speak("zh_CN")
        assert chinese in sentence_of(raised.value)
        assert english not in sentence_of(raised.value)
    finally:
        application.speak("en")
