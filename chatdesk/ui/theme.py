"""Colours, sizes, fonts and icons of the window, from `resources/themes` and `resources/icons`.

A theme is data in two layers: colours with names of their own, and roles that point at them. Widgets ask for
roles, never for colours, and repaint when `watcher` says ``changed``. High contrast is the system's affair: its
palette is taken as it is. Sizes are given in pixels at 100 % text size and pass through `scaled`.
"""

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from string import Template
from typing import Any, Literal, TypeAlias

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QStyleFactory

from chatdesk import paths

Choice: TypeAlias = Literal["system", "light", "dark"]
FontRole: TypeAlias = Literal["text", "title", "small", "code"]

_FONT_PX: dict[FontRole, int] = {"text": 14, "title": 15, "small": 12, "code": 13}
# Asked for by name: without it a system may show Chinese in a Japanese face.
_CHINESE_FAMILIES = ("PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC")


@dataclass(frozen=True)
class Colors:
    """One colour for each role, as ``#rrggbb``."""

    background: str
    side: str
    line: str
    hover: str
    text: str
    soft: str
    faint: str
    accent: str
    tint: str
    on_accent: str
    user_block: str
    code_keyword: str
    code_string: str
    code_comment: str
    code_number: str
    code_name: str
    warning: str
    danger: str


class Watcher(QObject):
    """Says when colours or sizes are other ones.

    Signals: ``changed``, after `current` and `scaled` give the new values.
    """

    changed = Signal()


@dataclass
class _State:
    colors: Colors | None = None
    percent: int = 100
    choice: Choice = "system"
    followed: bool = False
    asking: bool = False


watcher = Watcher()
_state = _State()


@cache
def load(name: Literal["light", "dark"]) -> Colors:
    """The theme of that name from its file."""
    found = tomllib.loads((paths.resources() / "themes" / f"{name}.toml").read_text("utf-8"))
    return Colors(**{role: found["colours"][colour] for role, colour in found["roles"].items()})


def current() -> Colors:
    """The colours in use; light until `apply` has been called."""
    return _state.colors or load("light")


def scaled(px: float) -> int:
    """``px`` at the person's text size."""
    return max(1, round(px * _state.percent / 100)) if px else 0


def apply(app: QApplication, choice: Choice, text_size_percent: int = 100) -> None:
    """Dress ``app``: style, palette, font, style sheet. Later changes of the system's scheme are followed."""
    hints = app.styleHints()
    if not _state.followed:
        _state.followed = True
        app.setStyle(QStyleFactory.create("Fusion"))
        hints.colorSchemeChanged.connect(_on_system_changed)
        if hasattr(hints, "accessibility"):  # since Qt 6.10
            hints.accessibility().contrastPreferenceChanged.connect(_on_system_changed)
    # The frame around the window is the system's; it is told so that it is dark, too. First, as a scheme that was
    # asked for before hides the system's own.
    _state.asking = True
    wanted = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(choice, Qt.ColorScheme.Unknown)
    hints.setColorScheme(wanted)
    _state.asking = False
    colors = _wanted(choice)
    if (colors, text_size_percent, choice) == (_state.colors, _state.percent, _state.choice):
        return
    _state.choice, _state.percent, _state.colors = choice, text_size_percent, colors
    app.setPalette(_palette(colors))
    app.setFont(font())
    app.setStyleSheet(_sheet(colors))
    watcher.changed.emit()


def _on_system_changed(*_: object) -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication) and not _state.asking:
        apply(app, _state.choice, _state.percent)


def _wanted(choice: Choice) -> Colors:
    if choice == "system" and _is_high_contrast():
        QGuiApplication.setPalette(QPalette())  # the system's own again
        return from_palette(QGuiApplication.palette())
    system_is_dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    return load("dark" if choice == "dark" or (choice == "system" and system_is_dark) else "light")


def _is_high_contrast() -> bool:
    hints = QGuiApplication.styleHints()
    if not hasattr(hints, "accessibility"):
        return False
    return hints.accessibility().contrastPreference() == Qt.ContrastPreference.HighContrast


def from_palette(palette: QPalette) -> Colors:
    """A system palette as roles: for high contrast, where no shade between is kept but that of what is marked."""
    role = QPalette.ColorRole
    text, base, accent = (palette.color(each) for each in (role.Text, role.Base, role.Highlight))
    values = dict.fromkeys((f.name for f in fields(Colors)), text.name())
    values |= dict.fromkeys(("background", "side", "user_block"), base.name())
    values |= dict.fromkeys(("hover", "tint"), _mark_between(base, accent, text))
    return Colors(**values | {"accent": accent.name(), "on_accent": palette.color(role.HighlightedText).name()})


def _mark_between(base: QColor, accent: QColor, text: QColor) -> str:
    """A ground as near to the accent as text on it stays easy to read (7:1, WCAG's AAA)."""
    for share in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1):
        mixed = [(1 - share) * b + share * a for b, a in zip(_parts(base), _parts(accent), strict=True)]
        ground = QColor.fromRgbF(*mixed)
        dark, light = sorted((_luminance(ground), _luminance(text)))
        if (light + 0.05) / (dark + 0.05) >= 7:
            return ground.name()
    return base.name()


def _parts(colour: QColor) -> tuple[float, float, float]:
    return colour.redF(), colour.greenF(), colour.blueF()


def _luminance(colour: QColor) -> float:
    """WCAG 2.2, relative luminance."""
    linear = [p / 12.92 if p <= 0.04045 else float(((p + 0.055) / 1.055) ** 2.4) for p in _parts(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _palette(colors: Colors) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette(QColor(colors.side), QColor(colors.background))
    for where, colour in (
        (role.Window, colors.background),
        (role.Base, colors.background),
        (role.AlternateBase, colors.side),
        (role.Button, colors.background),
        (role.ToolTipBase, colors.side),
        (role.WindowText, colors.text),
        (role.Text, colors.text),
        (role.ButtonText, colors.text),
        (role.ToolTipText, colors.text),
        (role.PlaceholderText, colors.faint),
        (role.Highlight, colors.accent),
        (role.HighlightedText, colors.on_accent),
        (role.Link, colors.accent),
        (role.LinkVisited, colors.accent),
        (role.Accent, colors.accent),
    ):
        palette.setColor(where, QColor(colour))
    for where in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, where, QColor(colors.faint))
    return palette


class _SheetValues(dict[str, str]):
    """Roles by name, and ``px14`` for 14 scaled pixels."""

    def __missing__(self, key: str) -> str:
        if key.startswith("px") and key[2:].isdigit():
            return f"{scaled(int(key[2:]))}px"
        raise KeyError(key)


def _sheet(colors: Colors) -> str:
    template = Template((paths.resources() / "themes" / "window.qss").read_text("utf-8"))
    roles = {f.name: getattr(colors, f.name) for f in fields(Colors)}
    return template.substitute(_SheetValues(roles))


def font(role: FontRole = "text", weight: QFont.Weight | None = None) -> QFont:
    """The system's font in the size of ``role``; ``title`` is semibold, ``code`` the system's monospace."""
    kind = QFontDatabase.SystemFont.FixedFont if role == "code" else QFontDatabase.SystemFont.GeneralFont
    found = QFontDatabase.systemFont(kind)
    # An alias (monospace) would lose to the real family behind it in the list: say what it stands for.
    found.setFamilies([QFontInfo(found).family(), *_chinese_families()])
    found.setPixelSize(scaled(_FONT_PX[role]))
    if weight or role == "title":
        found.setWeight(weight or QFont.Weight.DemiBold)
    return found


@cache
def _chinese_families() -> tuple[str, ...]:
    return tuple(name for name in _CHINESE_FAMILIES if QFontDatabase.hasFamily(name))


def icon(name: str, role: str = "soft", size: int = 20, on_role: str | None = None) -> QIcon:
    """The line icon ``name`` in the colour of ``role``, ``size`` pixels; ``on_role``: the one while checked."""
    app = QGuiApplication.instance()
    ratio = app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0
    found = QIcon(pixmap(name, role, size, ratio))
    if on_role:
        found.addPixmap(pixmap(name, on_role, size, ratio), QIcon.Mode.Normal, QIcon.State.On)
    return found


def pixmap(name: str, role: str, size: int, ratio: float = 1.0) -> QPixmap:
    """One picture of an icon: ``size`` scaled pixels for a screen of device pixel ``ratio``."""
    return _rendered(name, getattr(current(), role), scaled(size), ratio)


@cache
def _rendered(name: str, colour: str, size: int, ratio: float) -> QPixmap:
    drawing = (paths.resources() / "icons" / f"{name}.svg").read_text("utf-8").replace("currentColor", colour)
    renderer = QSvgRenderer(QByteArray(drawing.encode()))
    found = QPixmap(round(size * ratio), round(size * ratio))
    found.setDevicePixelRatio(ratio)
    found.fill(Qt.GlobalColor.transparent)
    painter = QPainter(found)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return found


def motion_ms() -> int:
    """How long a movement that explains something may take: 120 ms, or none when the system asks for less."""
    app: Any = QApplication.instance()
    animates = app is None or app.isEffectEnabled(Qt.UIEffect.UI_General)
    return 120 if animates else 0
