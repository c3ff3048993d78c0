"""What must be said of a load that succeeded: what the checkpoint left open, and what the plan had to give up."""

from chatdesk.engine.api import Sampling
from chatdesk.library import configs
from chatdesk.library.fit import Word
from chatdesk.library.safety import Checked
from chatdesk.remarks import Remark

_OF_PLAN = {Word.ON_CPU: Remark.ON_CPU, Word.SWAPS: Remark.SWAPS, Word.SHORT: Remark.SHORT_CONTEXT}


def named_ends(checked: Checked, own: int | None) -> list[object]:
    """End tokens as generation_config.json names them, else config.json; the tokenizer's ``own`` besides."""
    named = checked.generation_config.get("eos_token_id", checked.config.get("eos_token_id"))
    listed = [*(named if isinstance(named, list) else [named]), own]
    return [token_id for token_id in listed if token_id is not None]


def end_ids(named: list[object], vocabulary: int) -> frozenset[int]:
    """Those of the ``named`` end tokens that the model has."""
    return frozenset(i for i in named if isinstance(i, int) and not isinstance(i, bool) and 0 <= i < vocabulary)


def remarks(
    checked: Checked, sampling: Sampling, named: list[object], ends: frozenset[int], words: tuple[Word, ...]
) -> tuple[Remark, ...]:
    """What is to be said, in the order in which it matters. ``sampling``: the defaults that came of the files;
    ``named`` and ``ends``: end tokens in the files and those that are used; ``words``: of the plan.
    """
    found = [_OF_PLAN[word] for word in words]
    if not ends:
        found.append(Remark.NO_END_TOKEN)
    elif any(token_id not in ends for token_id in named):
        found.append(Remark.ODD_END_TOKEN)
    file = checked.folder / "generation_config.json"
    if not file.is_file():
        found.append(Remark.NO_GENERATION_CONFIG)
    elif _left_out(configs.read_json(file), checked.generation_config, sampling):
        found.append(Remark.ODD_GENERATION_CONFIG)
    if not checked.has_chat_template:
        found.append(Remark.NO_CHAT_TEMPLATE)
    return tuple(found)


def _left_out(raw: dict[str, object], clean: dict[str, object], sampling: Sampling) -> bool:
    """Whether a value that would be used could not be."""
    used = {name: value for name, value in raw.items() if name in (*_SAMPLED, "eos_token_id") and value is not None}
    return any(clean.get(name) != value for name, value in used.items()) or any(
        getattr(sampling, name) != value for name, value in used.items() if name in _SAMPLED
    )


_SAMPLED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens")
