"""The line over the text: what went wrong."""

from chatdesk.tasks.changes import ModelChanged, Notice
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.labels import Label


class Trouble(Label):
    """One sentence, or nothing. It follows the model: that none is loaded is over when one is."""

    def __init__(self) -> None:
        super().__init__(kind="warning", wrap=True)
        self._lacks_model = False
        self.hide()

    def say(self, notice: Notice | None) -> None:
        """Say what went wrong, or nothing any more."""
        self._lacks_model = notice is not None and notice.action == "choose_model"
        self.setText(sentence(notice.fault, notice.fields) if notice else "")
        self.setVisible(notice is not None)

    def follow(self, change: ModelChanged) -> None:
        """A model was chosen: whether it is one."""
        if change.state != "loading" and self._lacks_model:
            self.say(change.notice)
