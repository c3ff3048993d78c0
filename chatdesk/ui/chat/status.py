"""The quiet line below the composer: device, precision and speed. (How full the context is stands in the composer.)"""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from chatdesk.tasks.changes import ModelChanged, StatusChanged
from chatdesk.ui import theme
from chatdesk.ui.chat.figures import first_token, speed
from chatdesk.ui.widgets.labels import ElidedLabel
from chatdesk.ui.wording import device

if TYPE_CHECKING:
    from chatdesk.engine.api import ModelInfo


class StatusStrip(ElidedLabel):
    """One line of figures; where there are none yet, what can be relied on."""

    def __init__(self) -> None:
        super().__init__(kind="small")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._model: ModelInfo | None = None
        self._status = StatusChanged()
        self._dress()
        theme.watcher.changed.connect(self._dress)
        self._show()

    def _dress(self) -> None:
        self.setFixedHeight(theme.scaled(32))

    def show_model(self, state: ModelChanged) -> None:
        """Take the model's device and precision."""
        self._model = state.info if state.state == "ready" else None
        self._show()

    def show_status(self, status: StatusChanged) -> None:
        """Take the figures of the reply."""
        if status != self._status:
            self._status = status
            self._show()

    def _show(self) -> None:
        status, model = self._status, self._model
        facts = [device(model), model.dtype] if model else []
        if status.tokens_per_s:
            facts.append(speed(status.tokens_per_s))
        if status.ttft_s:
            facts.append(first_token(status.ttft_s))
        idle = not (status.tokens_per_s or status.context_used)
        promise = self.tr("Everything stays on this machine. A model can be wrong.")
        self.set_words(promise if idle else " · ".join(facts))
