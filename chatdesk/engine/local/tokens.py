"""The checkpoint's tokenizer as the engine uses it: text to ids and back, special tokens, the chat template's text.

Only the Rust tokenizer underneath transformers' is used after loading, and nothing on it is changed any more. So
`Tokens` may be read from several threads at once: a text is counted while another is generated.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from chatdesk.engine.api import AlternativeToken
from chatdesk.engine.local.patterns import is_panic, require_quick, slow_pattern
from chatdesk.engine.local.quoting import Quoting
from chatdesk.errors import Fault, UserError
from chatdesk.library.headers import shown
from chatdesk.library.safety import Checked

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_READABLE = ("tokenizer.json", "vocab.json", "vocab.txt")
_PLAIN = "a"
"""A text that no tokenizer changes, to see what it puts around one."""


class Tokens:
    """Encoding and decoding for one checkpoint.

    Attributes: ``backend``, the Rust tokenizer; ``leading``, ids that the tokenizer puts in front of every text;
    ``special``, names and texts of the special tokens for a chat template; ``markers``, ids of the special tokens and
    of others added to the vocabulary, except for mere white space; ``specials``, those that decoding leaves out;
    ``chat_template``, None without one;
    ``quoting``, for names of special tokens that are not to be tokens.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.backend: Tokenizer = tokenizer.backend_tokenizer
        self.backend.no_truncation()
        self.backend.no_padding()
        require_quick(self.backend)
        encoding = self.backend.encode(_PLAIN)
        marked = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        self.leading = tuple(token_id for token_id, _ in takewhile(lambda pair: pair[1], marked))
        self.special: dict[str, str] = {
            name: str(text) for name, text in tokenizer.special_tokens_map.items() if isinstance(text, str)
        }
        added = self.backend.get_added_tokens_decoder()
        self.markers = frozenset(i for i, token in added.items() if token.special or token.content.strip())
        self.specials = frozenset(i for i, token in added.items() if token.special)
        self.quoting = Quoting(self.backend, _cut)
        self.eos_id: int | None = tokenizer.eos_token_id
        self.chat_template = _default_template(tokenizer.chat_template)
        self._anchor = self.backend.encode(_PLAIN, add_special_tokens=False).ids
        self._shown: dict[int, str] = {}

    @classmethod
    def load(cls, checked: Checked) -> "Tokens":
        """The tokenizer of a checkpoint folder; ``NO_TOKENIZER`` where there is none, ``BROKEN_CONFIG`` where none can
        be made of the files, ``LIMIT_EXCEEDED`` where a pattern in it takes far too long.
        """
        from transformers import AutoTokenizer

        folder = str(checked.folder)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except MemoryError:
            raise
        except Exception as error:  # files of a stranger: transformers and the Rust side raise whatever they meet
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            if not any((checked.folder / name).is_file() for name in _READABLE):  # the others need more packages
                raise UserError(Fault.NO_TOKENIZER, path=folder) from error
            file = "tokenizer.json" if (checked.folder / "tokenizer.json").is_file() else "tokenizer"
            raise UserError(Fault.BROKEN_CONFIG, file=file, reason=shown(reason, 200)) from error
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(Fault.NO_TOKENIZER, path=folder)
        return cls(tokenizer)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, with nothing put around it; names of special tokens in it become those tokens."""
        ids: list[int] = _cut(self.backend, text).ids
        return ids

    def fewest(self, text: str) -> int:
        """How many tokens a text has at least, by its length alone; 0 where that does not tell. Takes a moment."""
        if not self._longest:
            return 0
        normalizer = self.backend.normalizer
        return len((normalizer.normalize_str(text) if normalizer else text).encode()) // self._longest

    @cached_property
    def _longest(self) -> int:
        return longest_token(self.backend)

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of some ids."""
        return str(self.backend.decode(list(ids), skip_special_tokens=skip_special))

    def shown(self, token_id: int) -> str:
        """One token's text inside a sentence, with its leading space; "�" stands for a part of a character."""
        text = self._shown.get(token_id)
        if text is None:
            text = self.decode([*self._anchor, token_id], skip_special=False).removeprefix(_PLAIN)
            self._shown[token_id] = text
        return text

    def alternative(self, token_id: int, logprob: float, sampled_logprob: float) -> AlternativeToken:
        """A token that could have stood there, with its text."""
        return AlternativeToken(token_id, self.shown(token_id), logprob, sampled_logprob, token_id in self.specials)


def is_local(backend: "Tokenizer") -> bool:
    """Whether the tokens of a place depend on what is near it alone."""
    from tokenizers import models

    return not isinstance(backend.model, models.Unigram)


def longest_token(backend: "Tokenizer") -> int:
    """Most bytes of a text that one token stands for; 0 where bytes may get lost, or come together as unknown."""
    from tokenizers import models, pre_tokenizers

    model, cuts = backend.model, backend.pre_tokenizer
    vocabulary = backend.get_vocab(with_added_tokens=False)
    added = backend.get_added_tokens_decoder().values()
    if (
        not isinstance(model, models.BPE)
        or model.continuing_subword_prefix
        or model.end_of_word_suffix
        or not vocabulary.keys() >= set(pre_tokenizers.ByteLevel.alphabet())
        or not _keeps_bytes(json.loads(cuts.__getstate__() if cuts else "{}"))
        or any(token.lstrip or token.rstrip for token in added)
    ):
        return 0
    return max(*map(len, vocabulary), *(len(token.content.encode()) for token in added))  # a letter is a byte


def _keeps_bytes(cuts: dict[str, Any]) -> bool:
    """Whether a pre-tokenizer, as in tokenizer.json, ends with letters for bytes, and leaves out nothing before."""
    *before, last = cuts["pretokenizers"] if cuts.get("type") == "Sequence" else [cuts]
    return last.get("type") == "ByteLevel" and all(
        each["type"] == "Digits" or (each["type"] == "Split" and each["behavior"] != "Removed") for each in before
    )


def _cut(backend: "Tokenizer", text: str) -> "Encoding":
    try:
        return backend.encode(text, add_special_tokens=False)
    except BaseException as error:
        if is_panic(error):
            raise slow_pattern() from error
        raise


def _default_template(template: object) -> str | None:
    """The template for plain chat; a checkpoint may carry several by name."""
    if isinstance(template, dict):
        template = template.get("default", next(iter(template.values()), None))
    return template if isinstance(template, str) and template.strip() else None
