"""A byte-level BPE tokenizer of the run's own, and its chat template.

Nothing is added to a text by itself. A dialogue is a role's token, the text, ``<|end|>``, for each turn; generation
stops at ``<|end|>`` (a reply is over) or ``<|endoftext|>`` (a text is over).
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE

from chatdesk.errors import Fault, UserError
from chatdesk.training.corpus import (
    END_OF_TEXT,
    END_OF_TURN,
    ROLE_TOKENS,
    SPECIAL_TOKENS,
    Document,
    read_documents,
    sample_documents,
    size_bytes,
)
from chatdesk.training.memory import LONG_SHARE

_PROBE = 200_000  # characters of a file that are looked at
_LONG = 24  # bytes of a run

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{ raise_exception('The roles are system, user and assistant.') }}"
    "{%- endif -%}"
    f"{{{{ '<|' + message['role'] + '|>' + message['content'] + '{END_OF_TURN}' }}}}"
    "{%- endfor -%}"
    f"{{%- if add_generation_prompt -%}}{{{{ '{ROLE_TOKENS['assistant']}' }}}}{{%- endif -%}}"
)


def sample(file: Path, wanted_bytes: float, seed: int) -> Iterator[Document]:
    """About ``wanted_bytes`` of a file for a tokenizer, less of a text without spaces, such as Chinese.

    Words come again and are counted once. Long runs hardly do, and the trainer needs 90 to 165 bytes for each of their
    bytes: 20 MB of Chinese would take gigabytes and minutes, so of long runs there are at most a tenth of what is
    wanted.
    """
    wanted = wanted_bytes * min(1.0, LONG_SHARE / max(long_share(file), 1e-9))
    left = 2 * wanted  # the drawing is not exact; a file may be one document, of any size
    for document in sample_documents(file, wanted, seed):
        if isinstance(document, str) and len(document) > left:
            document = document[: int(left)]
        yield document
        left -= size_bytes(document)
        if left <= 0:
            return


def long_share(file: Path) -> float:
    """The share of a text, from 0 to 1, that stands in long runs, as the tokenizer cuts it before it merges."""
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    total = long = seen = 0
    for text in _texts(islice(read_documents(file), _PROBE)):
        sizes = [len(run) for run, _ in cut(text[: _PROBE - seen])]
        total, long = total + sum(sizes), long + sum(size for size in sizes if size > _LONG)
        seen += len(text)
        if seen >= _PROBE:
            break
    return long / max(1, total)


def train_tokenizer(documents: Iterable[Document], vocabulary: int) -> Tokenizer:
    """A tokenizer with ``vocabulary`` tokens (fewer when the text is small), special tokens first."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(documents), trainer)
    return tokenizer


def _texts(documents: Iterable[Document]) -> Iterator[str]:
    for document in documents:
        if isinstance(document, str):
            yield document
        else:
            yield from (turn.text for turn in document)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Write tokenizer.json and tokenizer_config.json as transformers reads them; ``context`` is in tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(tokenizer, folder / "tokenizer.json")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_tokenizer(tokenizer: Tokenizer, file: Path) -> None:
    """Write tokenizer.json. Raises `OSError`; the library itself would raise what nobody can tell from a mistake."""
    file.write_text(tokenizer.to_str(pretty=True), encoding="utf-8", newline="")


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a run or of a checkpoint folder. Raises ``BROKEN_CONFIG``."""
    file = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the Rust side has no class of its own
        raise UserError(Fault.BROKEN_CONFIG, file=file, reason=" ".join(str(error).split())[:200]) from error
