"""Filling a gap inside a text: the tokens by which checkpoints were taught to, and the prompt made of them.

All take the text before the gap, the text after it, and go on with what fills it. A checkpoint can do it where its
tokenizer has all three marks of one family as single tokens.
"""

from dataclasses import dataclass

from chatdesk.engine.local.tokens import Tokens

_MARKS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, Granite
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # Code Llama
)


@dataclass(frozen=True)
class FillMarks:
    """Ids of the marks before the text, at the gap's far side, and where the filling begins."""

    prefix: int
    suffix: int
    middle: int

    def prompt(self, before: list[int], after: list[int]) -> list[int]:
        """The ids that a checkpoint fills a gap from."""
        return [self.prefix, *before, self.suffix, *after, self.middle]


def fill_marks(tokens: Tokens) -> FillMarks | None:
    """The marks of a checkpoint, None where its tokenizer has none."""
    for marks in _MARKS:
        ids = [i for mark in marks if (i := tokens.backend.token_to_id(mark)) is not None]
        if len(ids) == len(marks):
            return FillMarks(*ids)
    return None
