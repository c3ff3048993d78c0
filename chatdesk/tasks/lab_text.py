"""The steps of cleaning a text in words for people, and what is shown of the report of a preparation."""

from msgspec import Struct

from chatdesk.errors import QT_TRANSLATE_NOOP

STEPS: dict[str, tuple[str, str]] = {
    "repair": (
        QT_TRANSLATE_NOOP("lab", "Repair the encoding"),
        QT_TRANSLATE_NOOP("lab", "Letters that were read in a wrong encoding (Ã¼ for ü) become right again."),
    ),
    "normalise": (
        QT_TRANSLATE_NOOP("lab", "Make characters uniform"),
        QT_TRANSLATE_NOOP("lab", "One form for each letter (Unicode NFC), for line ends and for blanks."),
    ),
    "boilerplate": (
        QT_TRANSLATE_NOOP("lab", "Leave out boilerplate"),
        QT_TRANSLATE_NOOP("lab", "Lines that many documents share, such as menus, and Project Gutenberg's licence."),
    ),
    "length": (
        QT_TRANSLATE_NOOP("lab", "Leave out scraps"),
        QT_TRANSLATE_NOOP("lab", "Documents of less than 40 characters teach nothing."),
    ),
    "duplicates": (
        QT_TRANSLATE_NOOP("lab", "Leave out duplicates"),
        QT_TRANSLATE_NOOP("lab", "The same text read again is learned by heart; of each only the first stays."),
    ),
    "near duplicates": (
        QT_TRANSLATE_NOOP("lab", "Leave out near duplicates"),
        QT_TRANSLATE_NOOP("lab", "Documents that share four fifths of their words with an earlier one (MinHash)."),
    ),
    "mask": (
        QT_TRANSLATE_NOOP("lab", "Mask personal data"),
        QT_TRANSLATE_NOOP("lab", "E-mail addresses and phone numbers become marks, so that no reply can repeat them."),
    ),
    "stop words": (
        QT_TRANSLATE_NOOP("lab", "Leave out stop words"),
        QT_TRANSLATE_NOOP("lab", "“The”, “and”… A language model has to learn them: leave this off, but to try it."),
    ),
}
"""By the name of the step, in their order: what it is called, and what it does. "language" needs a list of its own."""

USUAL = ("repair", "normalise", "boilerplate", "length", "duplicates", "near duplicates")


class Sample(Struct, frozen=True):
    """What a step changed first in a document; ``after`` is empty where it left the document out."""

    before: str
    after: str


class Count(Struct, frozen=True):
    """What a step has done with the documents that came to it."""

    step: str
    seen: int
    changed: int
    dropped: int
    removed_bytes: int
    samples: tuple[Sample, ...] = ()


class Report(Struct, frozen=True):
    """What is shown of a preparation, from its report.json. ``skipped``: files that could not be read, and why.
    ``long_share``: of the text in runs without a space, such as Chinese. ``is_cut``: parts of texts are held out.
    """

    files: int
    documents: int
    read_bytes: int
    steps: tuple[Count, ...]
    train_documents: int
    train_bytes: int
    held_out_documents: int
    held_out_bytes: int
    skipped: tuple[str, ...] = ()
    long_share: float = 0.0
    is_cut: bool = False
