"""A byte-level BPE tokenizer of the run's own, and its chat template.

Nothing is added to a text by itself. A dialogue is a role's token, the text, ``<|end|>``, for each turn; generation
stops at ``<|end|>`` (a reply is over) or ``<|endoftext|>`` (a text is over).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE

from chatdesk.training.corpus import END_OF_TEXT, END_OF_TURN, ROLE_TOKENS, SPECIAL_TOKENS, Document

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{ raise_exception('The roles are system, user and assistant.') }}"
    "{%- endif -%}"
    f"{{{{ '<|' + message['role'] + '|>' + message['content'] + '{END_OF_TURN}' }}}}"
    "{%- endfor -%}"
    f"{{%- if add_generation_prompt -%}}{{{{ '{ROLE_TOKENS['assistant']}' }}}}{{%- endif -%}}"
)


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
    tokenizer.save(str(folder / "tokenizer.json"))
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


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a run or of a checkpoint folder."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))
