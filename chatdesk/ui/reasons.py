"""Why something went wrong, where a sentence of `chatdesk.errors` has a gap for it: reasons that are known beforehand.

What the system or a library says stays in its own words.
"""

from PySide6.QtCore import QCoreApplication

from chatdesk.errors import QT_TRANSLATE_NOOP

REASONS = (
    # a checkpoint
    QT_TRANSLATE_NOOP("reasons", "config.json is missing"),
    QT_TRANSLATE_NOOP("reasons", "neither model.safetensors nor model.safetensors.index.json is there"),
    QT_TRANSLATE_NOOP("reasons", "it is a single file, and a checkpoint is a folder"),
    QT_TRANSLATE_NOOP("reasons", "it holds neither config.json nor .safetensors files"),
    QT_TRANSLATE_NOOP("reasons", "the index names it and it is not there"),
    QT_TRANSLATE_NOOP("reasons", "it holds no tensors"),
    QT_TRANSLATE_NOOP("reasons", "it holds no files"),
    QT_TRANSLATE_NOOP("reasons", "it has no map of tensors to files"),
    QT_TRANSLATE_NOOP("reasons", "it ends before its header does"),
    QT_TRANSLATE_NOOP("reasons", "its header is not readable"),
    QT_TRANSLATE_NOOP("reasons", "its header is not valid JSON"),
    QT_TRANSLATE_NOOP("reasons", "it is not valid JSON"),
    QT_TRANSLATE_NOOP("reasons", "it holds no JSON object"),
    QT_TRANSLATE_NOOP("reasons", "it is no text in UTF-8"),
    QT_TRANSLATE_NOOP("reasons", "it does not say its model_type"),
    QT_TRANSLATE_NOOP("reasons", "its architectures are no list of names"),
    QT_TRANSLATE_NOOP("reasons", "its chat template is no text"),
    QT_TRANSLATE_NOOP("reasons", "its chat template is longer than 256 KB"),
    QT_TRANSLATE_NOOP("reasons", "it is no tokenizer in JSON"),
    # a hub
    QT_TRANSLATE_NOOP("reasons", "it does not answer"),
    QT_TRANSLATE_NOOP("reasons", "it sends too slowly"),
    QT_TRANSLATE_NOOP("reasons", "it sends far too much"),
    QT_TRANSLATE_NOOP("reasons", "it shows a web page"),
    QT_TRANSLATE_NOOP("reasons", "it answers with something else"),
    QT_TRANSLATE_NOOP("reasons", "it redirects without end"),
    QT_TRANSLATE_NOOP("reasons", "it redirects to a place that is not safe"),
    QT_TRANSLATE_NOOP("reasons", "its answer cannot be read"),
    QT_TRANSLATE_NOOP("reasons", "it names no commit"),
    QT_TRANSLATE_NOOP("reasons", "the connection was cut"),
    QT_TRANSLATE_NOOP("reasons", "a file ends too early"),
    QT_TRANSLATE_NOOP("reasons", "a file has another length than its list says"),
    QT_TRANSLATE_NOOP("reasons", "the file has changed"),
    QT_TRANSLATE_NOOP("reasons", "it offers another file than its list names"),
    QT_TRANSLATE_NOOP("reasons", "it sends another part of a file than was asked for"),
)
"""English, as they are raised; see the context ``reasons`` of the translations."""


def reason(said: str) -> str:
    """A reason in the person's language, where it is known."""
    here = QCoreApplication.translate("reasons", said)
    return here if here != said else QCoreApplication.translate("transfer", said)  # of a file that was to be imported
