"""One row for each declared option: title, control, value and help, generated from `chatdesk.settings.options`.

A row says ``changed(name, value)``; ``None`` means "back to the default". It is told with `show_value` and does not
echo that. A value that is refused stands in red until it is mended, and goes back when the field is left.
"""

from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QLocale, QObject, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSlider, QVBoxLayout, QWidget

from chatdesk.errors import UserError
from chatdesk.settings.options import Option
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import ChoiceButton, Switch, TextButton
from chatdesk.ui.widgets.labels import Label, tip
from chatdesk.ui.widgets.raw_text import TextField, raw_text


def words(text: str) -> str:
    """A text of the options in the person's language."""
    return QCoreApplication.translate("options", text) if text else ""


class OptionRow(QWidget):
    """What all rows share: the title line, with a link back to the default, and the help under the control.

    Signals: ``changed(str, object)``. Attributes: ``control``, where it is changed.
    """

    changed = Signal(str, object)

    control: QWidget

    def __init__(self, option: Option, resettable: bool) -> None:
        super().__init__()
        self.option = option
        self.reset = TextButton("", kind="link")
        self.reset.clicked.connect(lambda: self.changed.emit(option.name, None))
        self._name_reset()
        self.reset.hide()
        self._resettable = resettable
        self.title_line = QHBoxLayout()
        self.title_line.setSpacing(theme.scaled(8))
        self.title = Label(words(option.title))
        self.title_line.addWidget(self.title)
        self.title_line.addStretch()
        self.title_line.addWidget(self.reset)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(theme.scaled(4))
        self.column.addLayout(self.title_line)

    def _add_control(self, control: QWidget, below_title: bool) -> None:
        self.control = control
        control.setAccessibleName(words(self.option.title))
        control.setAccessibleDescription(words(self.option.help))
        if below_title:
            self.column.addWidget(control)
        else:
            self.title_line.addWidget(control)

    def _add_help(self) -> None:
        self.column.addWidget(Label(words(self.option.help), kind="small", wrap=True))

    def _name_reset(self) -> None:
        self.reset.setAccessibleName(self.tr("{title}: back to the default").format(title=words(self.option.title)))

    def show_value(self, value: Any, default: Any) -> None:
        """Show ``value``; ``None`` is "not set", and the default applies."""
        self.reset.set_words(self.tr("Default {value}").format(value=self.text_of(default)))
        self._name_reset()
        self.reset.setVisible(self._resettable and default is not None and value is not None and value != default)

    def text_of(self, value: Any) -> str:
        """``value`` as the row writes it."""
        return "" if value is None else str(value)


class Slider(QSlider):
    """A horizontal slider that the wheel moves only when it has the focus: scrolling must not change values."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Without the focus the wheel is for what lies around."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class NumberRow(OptionRow):
    """A number: a field for the exact value and, where there is a step, a slider for the usual range."""

    def __init__(self, option: Option, resettable: bool = True) -> None:
        super().__init__(option, resettable)
        self._value: Any = None
        self.field = QLineEdit()
        self.field.setProperty("kind", "value")
        self.field.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.field.setPlaceholderText(self.tr("random") if option.default is None else "")
        self.field.textChanged.connect(self._fit_field)
        self._fit_field()
        self.field.textEdited.connect(self._on_field_edited)
        self.field.editingFinished.connect(self._on_field_left)
        self.field.installEventFilter(self)
        self._add_control(self.field, below_title=False)
        self.slider: Slider | None = Slider() if option.step else None
        if self.slider is not None:
            low, high = option.low or 0.0, option.slider_high or option.high or 1.0
            self.slider.setRange(int(low / self._step), round(high / self._step))
            self.slider.setPageStep(max(1, (self.slider.maximum() - self.slider.minimum()) // 10))
            self.slider.valueChanged.connect(self._on_slider_moved)
            self._add_control(self.slider, below_title=True)
        self._add_help()

    @property
    def _step(self) -> float:
        return self.option.step or 1.0

    def show_value(self, value: Any, default: Any) -> None:
        """Show ``value``, or the default in its place."""
        super().show_value(value, default)
        self._value = default if value is None else value
        if not (self.field.hasFocus() and self._parsed(self.field.text()) == self._value):
            self._show_in_field()
        self._show_in_slider()

    def _show_in_field(self) -> None:
        self.field.setText(self.text_of(self._value))
        self._mark("")

    def _fit_field(self) -> None:
        """As wide as its number, so that the title line has room for the way back."""
        text = self.field.text() or self.field.placeholderText()
        wanted = self.field.fontMetrics().horizontalAdvance(text) + theme.scaled(18)
        self.field.setFixedWidth(max(theme.scaled(40), min(wanted, theme.scaled(150))))

    def _show_in_slider(self) -> None:
        if self.slider is not None and self._value is not None:
            self.slider.blockSignals(True)
            self.slider.setValue(round(self._value / self._step))
            self.slider.blockSignals(False)
            self.slider.update()

    def text_of(self, value: Any) -> str:
        """Two digits behind the point for shares, "Off" for the value that does nothing."""
        if value is None:
            return ""
        if self.option.neutral is not None and value == self.option.neutral:
            return self.tr("Off")
        if self.option.kind is int:
            return str(value)
        short = f"{value:.2f}"
        return short.removesuffix("0") if abs(value - float(short)) < 1e-9 else f"{value:g}"

    def _parsed(self, text: str) -> Any:
        """The number in ``text``; `ValueError` when there is none."""
        text = text.strip()
        if not text and self.option.default is None:
            return None
        if self.option.neutral is not None and text.casefold() in ("off", self.tr("Off").casefold()):
            return self.option.kind(self.option.neutral)
        plain = text.replace("−", "-")
        if QLocale().decimalPoint() == ",":
            plain = plain.replace(",", ".")
        return self.option.kind(plain)

    def _on_slider_moved(self, place: int) -> None:
        option = self.option
        value = round(place * self._step, 6)
        value = max(option.low, value) if option.low is not None else value
        self._value = option.kind(value)
        self._show_in_field()
        self.changed.emit(option.name, self._value)

    def _on_field_edited(self, text: str) -> None:
        try:
            value = self.option.check(self._parsed(text))
        except (ValueError, OverflowError, UserError):
            self._mark(self._allowed())
        else:
            self._mark("")
            if value != self._value:
                self._value = value
                self._show_in_slider()
                self.changed.emit(self.option.name, value)

    def _allowed(self) -> str:
        """What may be typed."""
        text = self.tr("A whole number from {low} to {high}.")
        if self.option.kind is float:
            text = self.tr("A number from {low} to {high}.")
        return text.format(low=f"{self.option.low:.9g}", high=f"{self.option.high:.9g}")

    def _on_field_left(self) -> None:
        self._show_in_field()

    def _mark(self, wrong: str) -> None:
        if bool(self.field.property("wrong")) != bool(wrong):
            self.field.setProperty("wrong", bool(wrong))
            self.field.style().unpolish(self.field)
            self.field.style().polish(self.field)
        self.field.setToolTip(tip(wrong))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A click into the field selects the number, to be typed over."""
        if watched is self.field and event.type() == QEvent.Type.FocusIn:
            self.field.selectAll()
        return super().eventFilter(watched, event)


class TextRow(OptionRow):
    """A text of several lines."""

    def __init__(self, option: Option) -> None:
        super().__init__(option, resettable=False)
        self.title.setProperty("kind", "section")
        self.field = TextField()
        self.field.setTabChangesFocus(True)
        self.field.setPlaceholderText(words(option.help))
        self.field.setFixedHeight(theme.scaled(96))
        self.field.textChanged.connect(self._on_text_changed)
        self._add_control(self.field, below_title=True)

    def show_value(self, value: Any, default: Any) -> None:
        """Show the text, unless it is the one being typed."""
        text = str(default if value is None else value)
        if text != raw_text(self.field.document()):
            self.field.blockSignals(True)
            self.field.setPlainText(text)
            self.field.blockSignals(False)

    def _on_text_changed(self) -> None:
        self.changed.emit(self.option.name, raw_text(self.field.document()) or None)


class LineRow(OptionRow):
    """A text of one line, said when the field is left or Enter is pressed."""

    def __init__(self, option: Option) -> None:
        super().__init__(option, resettable=False)
        self.column.setSpacing(theme.scaled(8))
        self.field = QLineEdit()
        self.field.setMaxLength(1000)
        self.field.editingFinished.connect(lambda: self.changed.emit(option.name, self.field.text().strip()))
        self._add_control(self.field, below_title=True)
        self._add_help()

    def show_value(self, value: Any, default: Any) -> None:
        """Show the text."""
        self.field.setText(str(default if value is None else value))


class ChoiceRow(OptionRow):
    """One of a few values: a button with a menu. ``names``: what each value is called; long ones go below the title."""

    def __init__(self, option: Option, names: dict[str, str], below_title: bool) -> None:
        super().__init__(option, resettable=False)
        self.button = ChoiceButton(words(option.title), {value: names[value] for value in option.choices})
        self.button.chosen.connect(lambda: self.changed.emit(option.name, self.button.value))
        self.menu = self.button.menu()
        self._add_control(self.button, below_title)
        self._add_help()

    def show_value(self, value: Any, default: Any) -> None:
        """Show the name of ``value``."""
        self.button.set_value(default if value is None else value)


class SwitchRow(OptionRow):
    """On or off."""

    def __init__(self, option: Option) -> None:
        super().__init__(option, resettable=False)
        self.switch = Switch(words(option.title))
        self.switch.toggled.connect(lambda on: self.changed.emit(option.name, on))
        self._add_control(self.switch, below_title=False)
        self._add_help()

    def show_value(self, value: Any, default: Any) -> None:
        """Show it."""
        self.switch.blockSignals(True)
        self.switch.setChecked(bool(default if value is None else value))
        self.switch.blockSignals(False)
        self.switch.update()


def row_for(
    option: Option, resettable: bool = True, names: dict[str, str] | None = None, narrow: bool = False
) -> OptionRow:
    """The row that fits the option's type. ``narrow``: there is no room for a choice beside its title."""
    if option.kind is bool:
        return SwitchRow(option)
    if option.choices:
        return ChoiceRow(option, names or {choice: choice for choice in option.choices}, narrow)
    if option.one_line:
        return LineRow(option)
    return TextRow(option) if option.kind is str else NumberRow(option, resettable)
