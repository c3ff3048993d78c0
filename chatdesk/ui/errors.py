"""User errors in the words of the person's language: the sentence of a fault, and what its button says."""

from PySide6.QtCore import QCoreApplication

from chatdesk.errors import QT_TRANSLATE_NOOP, SENTENCES, Fault, UserError
from chatdesk.remarks import REMARKS, Remark
from chatdesk.ui.reasons import reason

_BUTTONS = {
    "retry": QT_TRANSLATE_NOOP("errors", "Try again"),
    "choose_model": QT_TRANSLATE_NOOP("errors", "Choose a model"),
    "use_less": QT_TRANSLATE_NOOP("errors", "Load it smaller"),
    "use_cpu": QT_TRANSLATE_NOOP("errors", "Use the CPU"),
    "restart_engine": QT_TRANSLATE_NOOP("errors", "Start the engine again"),
    "new_chat": QT_TRANSLATE_NOOP("errors", "New chat"),
    "drop_oldest": QT_TRANSLATE_NOOP("errors", "Leave out the oldest"),
}


class _Fields(dict[str, str]):
    """Fields of a fault; one that was not sent leaves a gap in the sentence, never an error in its place."""

    def __missing__(self, name: str) -> str:
        return "…"


def sentence(fault: Fault, fields: dict[str, str]) -> str:
    """What is wrong and what to do, translated."""
    known = _Fields(fields)
    if "reason" in known:
        known["reason"] = reason(known["reason"])
    return QCoreApplication.translate("errors", SENTENCES[fault]).format_map(known)


def sentence_of(error: UserError) -> str:
    """The `sentence` of a raised error."""
    return sentence(error.fault, error.fields)


def remark(code: str) -> str:
    """A `Remark` on a loaded model, translated."""
    return QCoreApplication.translate("errors", REMARKS[Remark(code)])


def button(action: str) -> str:
    """The words on the button of an `Action`; empty where there is none."""
    return QCoreApplication.translate("errors", _BUTTONS[action]) if action else ""
