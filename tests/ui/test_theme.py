import re
from dataclasses import fields
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from chatdesk import paths
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import TextButton

GROUNDS = ("background", "side", "hover", "user_block", "tint")
TEXTS = [field.name for field in fields(theme.Colors) if field.name not in (*GROUNDS, "line", "on_accent")]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_every_text_can_be_read_on_every_ground(name, ground):
    colors = theme.load(name)
    weak = {text: contrast(getattr(colors, text), getattr(colors, ground)) for text in TEXTS}
    assert {text: value for text, value in weak.items() if value < 4.5} == {}


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_on_the_accent_can_be_read(name):
    colors = theme.load(name)
    assert contrast(colors.on_accent, colors.accent) >= 4.5


def test_the_look_is_the_one_that_was_drawn():
    light, dark = theme.load("light"), theme.load("dark")
    assert (light.background, light.text, light.accent) == ("#ffffff", "#1b1f24", "#2f6f5e")
    assert (dark.background, dark.text, dark.accent) == ("#16191d", "#e7eaee", "#62b39b")


def test_apply_changes_colours_sizes_and_says_so(qtbot, qapp):
    theme.apply(qapp, "light", 100)
    with qtbot.waitSignal(theme.watcher.changed):
        theme.apply(qapp, "dark", 150)
    assert theme.current() == theme.load("dark")
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == "#16191d"
    assert (theme.scaled(10), theme.font().pixelSize(), theme.font("code").pixelSize()) == (15, 21, 20)
    with qtbot.assertNotEmitted(theme.watcher.changed):
        theme.apply(qapp, "dark", 150)
    theme.apply(qapp, "light", 100)


def test_what_has_the_focus_has_one_frame(qtbot, qapp):
    theme.apply(qapp, "light", 100)
    button = TextButton(" " * 20)
    qtbot.addWidget(button)
    button.show()
    button.setFocus()
    qtbot.waitUntil(button.hasFocus)
    button.setAttribute(Qt.WidgetAttribute.WA_KeyboardFocusChange)  # as after Tab
    picture = button.grab().toImage()
    width, height = picture.width(), picture.height()
    assert len({picture.pixel(x, y) for x in range(5, width - 5) for y in range(5, height - 5)}) == 1


def test_a_high_contrast_palette_is_taken_as_it_is():
    palette = QPalette(QColor("#000000"))
    palette.setColor(QPalette.ColorRole.Text, QColor("#ffff00"))
    palette.setColor(QPalette.ColorRole.Base, QColor("#000000"))
    palette.setColor(QPalette.ColorRole.Highlight, QColor("#00ffff"))
    palette.setColor(QPalette.ColorRole.HighlightedText, QColor("#101010"))
    colors = theme.from_palette(palette)
    assert (colors.text, colors.faint, colors.line) == ("#ffff00",) * 3
    assert (colors.background, colors.user_block, colors.accent, colors.on_accent) == (
        "#000000",
        "#000000",
        "#00ffff",
        "#101010",
    )


@pytest.mark.parametrize(
    ("base", "text", "accent"),
    [("#000000", "#ffffff", "#00ffff"), ("#000000", "#ffff00", "#3050ff"), ("#ffffff", "#000000", "#37006e")],
)
def test_what_is_marked_is_seen_in_high_contrast(base, text, accent):
    """The row of a menu, of search, the open chat: nothing but their ground tells them from others."""
    role, palette = QPalette.ColorRole, QPalette()
    for where, colour in ((role.Base, base), (role.Text, text), (role.Highlight, accent)):
        palette.setColor(where, QColor(colour))
    colors = theme.from_palette(palette)
    for ground in (colors.hover, colors.tint):
        assert contrast(ground, text) >= 7
        assert contrast(ground, base) >= 1.5


def test_what_cannot_be_pressed_can_be_read_in_high_contrast(qtbot, qapp, monkeypatch):
    monkeypatch.setattr(theme, "_is_high_contrast", lambda: True)
    theme.apply(qapp, "system", 100)
    button = TextButton("Sort", kind="primary")
    qtbot.addWidget(button)
    button.setEnabled(False)
    button.show()
    picture = button.grab().toImage()
    width, height = picture.width(), picture.height()
    assert len({picture.pixel(x, y) for x in range(8, width - 8) for y in range(5, height - 5)}) > 1
    theme.apply(qapp, "light", 100)


def test_high_contrast_follows_the_system_unless_a_theme_was_chosen(qapp, monkeypatch):
    monkeypatch.setattr(theme, "_is_high_contrast", lambda: True)
    theme.apply(qapp, "system", 100)
    assert theme.current().faint == theme.current().text
    assert theme.current() not in (theme.load("light"), theme.load("dark"))
    theme.apply(qapp, "dark", 100)
    assert theme.current() == theme.load("dark")
    theme.apply(qapp, "light", 100)


def test_every_value_in_the_style_sheet_is_known(qapp):
    for name in ("light", "dark"):
        assert "$" not in theme._sheet(theme.load(name))


def test_all_icons_are_of_one_family():
    drawings = {p.stem: p.read_text("utf-8") for p in (paths.resources() / "icons").glob("*.svg")}
    del drawings["chatdesk"]
    assert len(drawings) >= 20
    for name, drawing in drawings.items():
        assert 'viewBox="0 0 24 24"' in drawing, name
        assert 'stroke-width="1.7"' in drawing, name
        assert 'stroke-linecap="round"' in drawing, name


def test_every_icon_asked_for_is_there():
    asked = set()
    for module in (Path(theme.__file__).parent).rglob("*.py"):
        text = module.read_text("utf-8")
        asked |= set(re.findall(r'(?:theme\.icon|QuietButton|RoundButton|IconButton)\(\s*"([a-z-]+)"', text))
        asked |= set(re.findall(r'icon="([a-z-]+)"', text))
    assert asked
    assert {name for name in asked if not (paths.resources() / "icons" / f"{name}.svg").is_file()} == set()


def test_an_icon_has_the_colour_of_its_role(qapp):
    theme.apply(qapp, "light", 100)
    image = theme.pixmap("plus", "accent", 20, 2.0).toImage()
    assert (image.width(), image.height()) == (40, 40)
    assert image.pixelColor(20, 20).name() == theme.current().accent


def test_icons_and_theme_come_without_an_application(monkeypatch):
    monkeypatch.setattr(QApplication, "instance", lambda: None)
    assert theme.motion_ms() in (0, 120)
