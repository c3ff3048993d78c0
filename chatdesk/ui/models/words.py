"""Checkpoints and plans in the person's words: what one is, how it would be loaded, and what must be said loudly."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from chatdesk.errors import QT_TRANSLATE_NOOP, Fault, UserError
from chatdesk.library.figures import short_bytes, short_count
from chatdesk.library.fit import Plan, Word
from chatdesk.ui.errors import sentence, sentence_of

if TYPE_CHECKING:
    from chatdesk.library.catalogue import Entry

translate = QCoreApplication.translate

_PRECISIONS = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
    "float64": "fp64",
    "int8": QT_TRANSLATE_NOOP("models", "8 bit"),
    "int4": QT_TRANSLATE_NOOP("models", "4 bit"),
}
_THIS_FOLDER = "…"  # the reason must be in sight
_SUFFIXES = ("ForCausalLM", "LMHeadModel", "LMHead", "Model")


def precision(dtype: str) -> str:
    """A short name for a type of numbers: bf16, 8 bit."""
    return translate("models", _PRECISIONS[dtype]) if dtype in _PRECISIONS else dtype


def tokens(count: int) -> str:
    """A context length the way people say it: 8k, 128k, 2000."""
    if count >= 1024 and count % 1024 == 0:
        return f"{count // 1024}k"
    return f"{count // 1000}k" if count >= 10_000 else str(count)


def family(architecture: str) -> str:
    """The part of an architecture's name that says something: Llama, GPT2."""
    for suffix in _SUFFIXES:
        if architecture.endswith(suffix) and architecture != suffix:
            return architecture.removesuffix(suffix)
    return architecture


def kind(entry: "Entry") -> str:
    """Whether it knows how to chat."""
    return kind_of(entry.has_chat_template)


def kind_of(has_chat_template: bool) -> str:
    """A model with a chat template, or a base model."""
    return translate("models", "chat template") if has_chat_template else translate("models", "base model")


def facts(entry: "Entry") -> str:
    """One line: architecture, parameters, size on disk, precision, context, kind, licence."""
    if entry.fault is not None:
        return str(entry.path)
    found = [
        family(entry.architecture),
        short_count(entry.parameters),
        short_bytes(entry.disk_bytes or entry.size_bytes),
        precision(entry.dtype or ""),
        translate("models", "context {count}").format(count=tokens(entry.context_length))
        if entry.context_length
        else "",
        kind(entry),
        entry.licence,
    ]
    return " · ".join(fact for fact in found if fact)


def where(plan: Plan) -> str:
    """Which device, in one word."""
    if is_shared(plan):
        return "GPU + CPU"
    return "GPU" if plan.place.device != "cpu" else "CPU"


def is_shared(plan: Plan) -> bool:
    """Whether its layers are on two devices."""
    return 0 < plan.gpu_layers < plan.layers


def how_it_fits(plan: Plan) -> str:
    """One line: "fits on the GPU in bf16 · 14 GB of 24 GB · context 8k"."""
    if is_shared(plan):
        first = translate("models", "{on_gpu} of {layers} layers on the GPU, the others on the CPU, in {precision}")
    elif Word.SWAPS in plan.words:
        first = translate("models", "does not fit into the free memory, in {precision}")
    elif plan.place.device == "cpu":
        first = translate("models", "fits on the CPU in {precision}")
    else:
        first = translate("models", "fits on the GPU in {precision}")
    first = first.format(on_gpu=plan.gpu_layers, layers=plan.layers, precision=precision(plan.precision))
    memory = translate("models", "{needed} of {free}").format(
        needed=short_bytes(plan.needed), free=short_bytes(plan.place.free)
    )
    return " · ".join((first, memory, translate("models", "context {count}").format(count=tokens(plan.context))))


def loud(plan: Plan) -> str:
    """What must be said with it, a sentence a line; empty where nothing must."""
    cpu = translate("models", "Slow: on the CPU, not on the GPU.")
    if is_shared(plan):
        cpu = translate("models", "Slow: some layers are on the CPU.")
    sentences = {
        Word.ON_CPU: cpu,
        Word.SWAPS: translate("models", "Very slow: it takes more than the free memory, and the disk stands in."),
        Word.SHORT: translate("models", "Short context: the model's own does not fit."),
    }
    return "\n".join(sentences[word] for word in _loudest(plan))


def loud_in_short(plan: Plan) -> str:
    """The same for a line of its own."""
    short = {
        Word.ON_CPU: translate("models", "slow"),
        Word.SWAPS: translate("models", "very slow"),
        Word.SHORT: translate("models", "short context"),
    }
    return ", ".join(short[word] for word in _loudest(plan))


def _loudest(plan: Plan) -> list[Word]:
    """What must be said; what swaps is slow wherever it is."""
    return [word for word in plan.words if word is not Word.ON_CPU or Word.SWAPS not in plan.words]


def loudness(plan: Plan) -> str:
    """The colour of what must be said with it, by its role."""
    return "danger" if Word.SWAPS in plan.words else "warning" if plan.words else "soft"


def fault_in_short(fault: UserError, path: str) -> str:
    """What is wrong with a checkpoint, for a line below the one that says its ``path``."""
    fields = {name: _THIS_FOLDER if value == path else value for name, value in fault.fields.items()}
    return sentence(fault.fault, fields)


def outcome(plans: list[Plan] | UserError | None) -> tuple[str, str]:
    """The line of a row and its loudness: ``faint`` while it is not known, ``soft``, ``warning`` or ``danger``."""
    if plans is None:
        return translate("models", "Looking whether it fits…"), "faint"
    if isinstance(plans, UserError):
        if plans.fault is Fault.DOES_NOT_FIT:
            fields = {"needed": "…", "total": "…"} | plans.fields
            return translate("models", "does not fit: {needed} of {total}").format_map(fields), "danger"
        return sentence_of(plans), "danger"
    best = plans[0]
    said = [loud_in_short(best), how_it_fits(best)] if best.words else [how_it_fits(best)]
    return " · ".join(said), loudness(best)
