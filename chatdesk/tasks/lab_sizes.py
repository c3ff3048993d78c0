"""Sizes of a model and what they ask for, by plain arithmetic: no torch, so that a slider can move and be answered."""

import math
from dataclasses import dataclass, replace

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.training.memory import peak_bytes, tokenizer_bytes

OPTIMAL = 20
"""Tokens for each parameter at which computing is spent best (Hoffmann et al. 2022, https://arxiv.org/abs/2203.15556);
a text can be read about four times at little loss (Muennighoff et al. 2023, https://arxiv.org/abs/2305.16264)."""

BYTES_PER_TOKEN = 3.6
"""Of English text, cut by a vocabulary of a few thousand tokens."""

_FLOAT = 4
_KEPT = {"gpt2": 38, "llama": 60}


@dataclass(frozen=True)
class Size:
    """A GPT-2 or Llama to be trained: ``context`` in tokens; ``passes``: how often the text is read."""

    layers: int = 4
    heads: int = 4
    width: int = 128
    context: int = 256
    vocabulary: int = 2000
    passes: float = 4.0
    kind: str = "gpt2"

    @property
    def parameters(self) -> int:
        """Weights, the tied embeddings counted once."""
        width, rows = self.width, self.vocabulary
        if self.kind == "llama":
            return rows * width + self.layers * (4 * width**2 + 3 * width * self.inner + 2 * width) + width
        block = 12 * width**2 + 13 * width  # two norms, attention and its outputs, four times the width and back
        return (rows + self.context) * width + self.layers * block + 2 * width

    @property
    def inner(self) -> int:
        """Width inside the gated part of a Llama's block: eight thirds, in steps of 16."""
        return 16 * math.ceil(8 * self.width / 48)

    @property
    def batch(self) -> int:
        """Rows of a step: about 4,000 tokens, few enough for many steps on a small text."""
        return max(1, 4096 // self.context)

    def tokens(self, text_bytes: int) -> int:
        """Tokens shown to the model in the whole run."""
        return max(self.batch * self.context, round(self.passes * text_bytes / BYTES_PER_TOKEN))

    @property
    def memory_bytes(self) -> int:
        """About what training takes: weights, gradients and optimizer in float32, and what one step keeps.

        A block keeps `_KEPT` bytes for each token and unit of width, as it was counted on the models (about as in
        Korthikanti et al. 2022, https://arxiv.org/abs/2205.05198, without the attention map).
        """
        weights, tokens = _FLOAT * self.parameters, self.batch * self.context
        logits = tokens * self.vocabulary
        kept = tokens * _KEPT[self.kind] * self.layers * self.width + _FLOAT * logits
        return peak_bytes(3 * weights, weights, weights // 2, kept, logits)

    def memory_with(self, text_bytes: int, long_share: float) -> int:
        """The same with a text whose tokenizer is trained first, which takes more where the model is small."""
        return max(self.memory_bytes, tokenizer_bytes(text_bytes, long_share) if text_bytes else 0)

    @property
    def flops_per_token(self) -> float:
        """Operations of a step for one token: two for each weight forward, four backward, and attention's own."""
        return 6.0 * self.parameters + 12.0 * self.layers * self.width * self.context

    def problem(self) -> str:
        """What cannot be, as an untranslated sentence of the context "lab"; empty where all is well."""
        if self.width % self.heads:
            return WIDTH_AND_HEADS
        if self.kind == "llama" and self.width // self.heads % 2:
            return ODD_HEADS
        return ""


WIDTH_AND_HEADS = QT_TRANSLATE_NOOP("lab", "The width must be a multiple of the number of heads.")
ODD_HEADS = QT_TRANSLATE_NOOP("lab", "A Llama's width for each head must be even.")

PRESETS: dict[str, tuple[str, Size]] = {
    "tiny": (QT_TRANSLATE_NOOP("lab", "Tiny"), Size(4, 4, 128, 256, 2000)),
    "small": (QT_TRANSLATE_NOOP("lab", "Small"), Size(5, 4, 256, 256, 4000)),
    "medium": (QT_TRANSLATE_NOOP("lab", "Medium"), Size(6, 6, 384, 512, 8000)),
    "large": (QT_TRANSLATE_NOOP("lab", "Large"), Size(12, 12, 768, 1024, 16000)),
}
"""By name: what it is called, and its size."""


def proposed(text_bytes: int) -> str:
    """The preset whose parameters suit so much text best, read as often as it says."""

    def distance(name: str) -> float:
        size = PRESETS[name][1]
        return abs(math.log(size.tokens(text_bytes) / OPTIMAL / size.parameters))

    return min(PRESETS, key=distance)


def fitted(size: Size, text_bytes: int, seconds: float, flops_per_s: float) -> Size:
    """The same size, reading the text as often as ``seconds`` allow at this speed; at least a tenth of it."""
    tokens = seconds * flops_per_s / size.flops_per_token
    return replace(size, passes=max(0.1, round(tokens * BYTES_PER_TOKEN / max(1, text_bytes), 1)))
