"""What is said of a model that has been loaded, in English; translated where it is shown, as `errors` are."""

from enum import StrEnum

from chatdesk.errors import QT_TRANSLATE_NOOP


class Remark(StrEnum):
    """Codes of what is said of a model that has been loaded: it works, but not all was as it should be."""

    ON_CPU = "on_cpu"
    SWAPS = "swaps"
    SHORT_CONTEXT = "short_context"
    NO_END_TOKEN = "no_end_token"
    ODD_END_TOKEN = "odd_end_token"
    NO_GENERATION_CONFIG = "no_generation_config"
    ODD_GENERATION_CONFIG = "odd_generation_config"
    NO_CHAT_TEMPLATE = "no_chat_template"
    DRAFT_UNUSED = "draft_unused"
    READS_AGAIN = "reads_again"
    READS_CHANGES_AGAIN = "reads_changes_again"


REMARKS: dict[Remark, str] = {
    Remark.ON_CPU: QT_TRANSLATE_NOOP("errors", "It does not fit on the GPU: the CPU computes some or all of it."),
    Remark.SWAPS: QT_TRANSLATE_NOOP("errors", "It takes more memory than is free and may be very slow."),
    Remark.SHORT_CONTEXT: QT_TRANSLATE_NOOP("errors", "To fit into memory, its context is shorter than it could be."),
    Remark.NO_END_TOKEN: QT_TRANSLATE_NOOP("errors", "It names no end token, so a reply ends only at its length."),
    Remark.ODD_END_TOKEN: QT_TRANSLATE_NOOP(
        "errors", "It names an end token that it does not have; that one is unused."
    ),
    Remark.NO_GENERATION_CONFIG: QT_TRANSLATE_NOOP(
        "errors", "It brings no sampling values (generation_config.json); those of chatdesk are used."
    ),
    Remark.ODD_GENERATION_CONFIG: QT_TRANSLATE_NOOP(
        "errors", "Some sampling values that it brings are out of range and were left out."
    ),
    Remark.NO_CHAT_TEMPLATE: QT_TRANSLATE_NOOP(
        "errors", "It has no chat template; messages are written as plain dialogue unless you choose another form."
    ),
    Remark.DRAFT_UNUSED: QT_TRANSLATE_NOOP(
        "errors", "The draft model is not used: it cannot be loaded, or it has another tokenizer."
    ),
    Remark.READS_AGAIN: QT_TRANSLATE_NOOP("errors", "It reads the whole conversation again for each reply."),
    Remark.READS_CHANGES_AGAIN: QT_TRANSLATE_NOOP(
        "errors", "It sees the last part of a long text only, so a conversation that changes is read again as a whole."
    ),
}
