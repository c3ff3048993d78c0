"""Checkpoints that pass the first look and are hostile or broken all the same, each with what must be said of them.

Every one is a real tiny GPT-2 to begin with. `HOSTILE` lists what is done to it; those that the first look refuses are
in ``tests/library``.
"""

import json
import math
import os
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from chatdesk.errors import Fault
from tests.library.folders import Folder

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


class Hostile(Struct, frozen=True):
    """``damage`` breaks a folder. The load, or the first reply after it, ends with ``fault`` and names ``mention``;
    without a fault it loads and answers, and the harm is left out.
    """

    name: str
    damage: Callable[[Folder], object]
    fault: Fault | None
    mention: str = ""


HOSTILE: list[Hostile] = []


def hostile(fault: Fault | None, mention: str = "") -> Callable[[Callable[[Folder], object]], Callable[..., object]]:
    """Registers a function that damages a folder."""

    def register(damage: Callable[[Folder], object]) -> Callable[..., object]:
        HOSTILE.append(Hostile(damage.__name__, damage, fault, mention))
        return damage

    return register


def config(name: str, fault: Fault | None, mention: str = "", /, **entries: object) -> None:
    """Registers entries of a config.json."""
    HOSTILE.append(Hostile(f"config_{name}", lambda folder: folder.change(CONFIG, **entries), fault, mention))


def template(name: str, text: str, mention: str, fault: Fault | None = Fault.CHAT_TEMPLATE) -> None:
    """Registers a chat template."""
    HOSTILE.append(Hostile(f"template_{name}", lambda f: f.text("chat_template.jinja", text), fault, mention))


def tokenizer(name: str, part: str, value: object, fault: Fault | None, mention: str = "") -> None:
    """Registers a part of a tokenizer.json."""
    HOSTILE.append(Hostile(f"tokenizer_{name}", lambda f: f.change(TOKENIZER, **{part: value}), fault, mention))


def tensors(folder: Folder, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the tensors of a folder."""
    from safetensors.torch import load_file, save_file

    found = load_file(folder.path / WEIGHTS)
    change(found)
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder.path / WEIGHTS)


# -- weights -------------------------------------------------------------------------------------------------------

MATCH = Fault.TENSORS_DO_NOT_MATCH
MLP = "transformer.h.1.mlp.c_fc.weight"


def filled(name: str, value: float) -> None:
    HOSTILE.append(
        Hostile(name, lambda f: tensors(f, lambda all_: all_[MLP].fill_(value)), Fault.NOT_FINITE, "get the checkpoint")
    )


filled("weights_of_nan", math.nan)
filled("weights_of_infinity", math.inf)
filled("weights_that_overflow", 3e38)


@hostile(MATCH, MLP)
def tensor_missing(folder: Folder) -> None:
    tensors(folder, lambda found: found.pop(MLP))


@hostile(MATCH, "c_evil")
def tensor_renamed(folder: Folder) -> None:
    tensors(folder, lambda found: found.update({"transformer.h.1.mlp.c_evil.weight": found.pop(MLP)}))


@hostile(MATCH, "wrong shape")
def tensor_cut(folder: Folder) -> None:
    tensors(folder, lambda found: found.update({MLP: found[MLP][:5]}))


@hostile(MATCH, "wrong shape")
def tensor_of_nothing(folder: Folder) -> None:
    tensors(folder, lambda found: found.update({MLP: found[MLP][:0]}))


@hostile(MATCH, "wrong shape")
def tensor_of_a_thousand_parts(folder: Folder) -> None:
    tensors(folder, lambda found: found.update({MLP: found[MLP].reshape(*[1] * 20, *found[MLP].shape)}))


@hostile(MATCH)
def tensor_of_truth_values(folder: Folder) -> None:
    tensors(folder, lambda found: found.update({MLP: found[MLP] > 0}))


@hostile(MATCH)
def tensor_of_whole_numbers(folder: Folder) -> None:
    tensors(folder, lambda found: found.update({MLP: found[MLP].char()}))


@hostile(MATCH)
def tensor_of_complex_numbers(folder: Folder) -> None:
    tensors(folder, lambda found: found.update({MLP: found[MLP].cfloat()}))


@hostile(Fault.DOES_NOT_FIT, "of memory")
def a_terabyte_of_nothing(folder: Folder) -> None:
    """A sparse file: nothing on the disk, a terabyte when it is read."""
    shape = [2**28, 1024]
    header = {"transformer.wte.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, 2**40]}}
    path = folder.header(header)
    os.truncate(path, path.stat().st_size + 2**40)


@hostile(MATCH, "900 layers in config.json, 2 in the files")
def hundreds_of_missing_layers(folder: Folder) -> None:
    folder.change(CONFIG, n_layer=900)


@hostile(None)
def a_metadata_entry_that_asks(folder: Folder) -> None:
    """Safetensors' own metadata is read by transformers, and says there what framework it is for."""
    from safetensors.torch import load_file, save_file

    save_file(load_file(folder.path / WEIGHTS), folder.path / WEIGHTS, metadata={"format": "tf", "eval": "1/0"})


# -- config.json ---------------------------------------------------------------------------------------------------

BROKEN = Fault.BROKEN_CONFIG
config("fewer_layers", MATCH, "transformer.h.1", n_layer=1)
config("more_words", MATCH, "wrong shape", vocab_size=10_000)
config("endless_words", Fault.DOES_NOT_FIT, "of memory", vocab_size=2**40)
config("negative_words", BROKEN, CONFIG, vocab_size=-1)
config("words_as_text", BROKEN, CONFIG, vocab_size="400")
config("no_heads", BROKEN, CONFIG, n_head=0)
config("heads_that_do_not_divide", BROKEN, CONFIG, n_head=5)
config("negative_heads", BROKEN, CONFIG, n_head=-4)
config("width_of_nothing", BROKEN, CONFIG, n_embd=0)
config("negative_width", BROKEN, CONFIG, n_embd=-32)
config("endless_width", Fault.DOES_NOT_FIT, "of memory", n_embd=2**40)
config("inner_width_of_millions", MATCH, "2.2B numbers by config.json, 54K in the files", n_inner=2**24)
config("words_beyond_counting", BROKEN, "vocab_size is too large", vocab_size=10**400)
config("window_beyond_counting", BROKEN, "sliding_window is too large", sliding_window=2**70)
config("hidden_states_asked_for", None, "", output_hidden_states=["all"], output_attentions=True)
config("infinite_width", BROKEN, CONFIG, n_embd=math.inf)
config("width_is_true", BROKEN, CONFIG, n_embd=True)
config("width_is_a_list", BROKEN, CONFIG, n_embd=[32])
config("negative_layers", BROKEN, CONFIG, n_layer=-2)
config("layers_as_text", BROKEN, CONFIG, n_layer="two")
config("endless_context", MATCH, "", n_positions=2**40)
config("no_context", MATCH, "wrong shape", n_positions=0)
config("unknown_activation", BROKEN, CONFIG, activation_function="os.system")
config(
    "activation_is_an_object", Fault.UNSAFE_CONFIG, "activation_function.__call__", activation_function={"__call__": 1}
)
config("epsilon_of_nan", Fault.NOT_FINITE, "", layer_norm_epsilon=math.nan)
config("epsilon_as_text", BROKEN, CONFIG, layer_norm_epsilon="tiny")
config("dropout_of_seven", BROKEN, CONFIG, attn_pdrop=7.0)
config("end_token_as_text", BROKEN, CONFIG, eos_token_id="</s>")
config("end_token_out_of_range", None, "", eos_token_id=10**9)
config("end_token_negative", None, "", eos_token_id=-5)
config("padding_out_of_range", None, "", pad_token_id=10**9)
config("own_code", None, "", auto_map={"AutoModelForCausalLM": "modeling_evil.Evil"})
config("other_weights", None, "", transformers_weights="../outside/x.safetensors", extra_files=["../x"])
config("adapter_inside", None, "", peft_config={"base_model_name_or_path": "../outside"}, adapter="../outside")
config("hub_name", None, "", _name_or_path="someone/evil", _commit_hash="main")
config("labels_of_a_million", Fault.LIMIT_EXCEEDED, "num_labels", num_labels=1_000_000)
config("labels_by_name", None, "", id2label={str(n): "x" for n in range(20_000)})
config("tasks", None, "", task_specific_params={"text-generation": {"do_sample": True, "max_length": 10**9}})
config("ties_as_text", BROKEN, CONFIG, tie_word_embeddings="yes")


# -- the other JSON files ------------------------------------------------------------------------------------------


def generation(name: str, **entries: object) -> None:
    HOSTILE.append(Hostile(f"generation_{name}", lambda folder: folder.json("generation_config.json", entries), None))


generation("as_text", temperature="hot", top_k="many", top_p="all", do_sample="yes", max_new_tokens="10")
generation("out_of_range", temperature=-3, top_k=-1, top_p=70, repetition_penalty=0, max_new_tokens=10**12)
generation("not_finite", temperature=math.nan, top_p=math.inf)
generation("end_out_of_range", eos_token_id=[10**9, -1, True])
generation("end_of_texts", eos_token_id=["</s>", None])
generation("foreign_keys", cache_implementation="offloaded", compile_config={"backend": "x"}, assistant_model="a/b")


@hostile(BROKEN, CONFIG)
def byte_order_mark(folder: Folder) -> None:
    folder.text(CONFIG, "\ufeff" + (folder.path / CONFIG).read_text())


@hostile(BROKEN, CONFIG)
def config_in_utf16(folder: Folder) -> None:
    text = (folder.path / CONFIG).read_text()
    (folder.path / CONFIG).write_bytes(text.encode("utf-16"))


@hostile(BROKEN, CONFIG)
def config_with_nul(folder: Folder) -> None:
    text = (folder.path / CONFIG).read_text()
    folder.text(CONFIG, text.replace('"gpt2"', '"gpt2\0"', 1) + "\0")


@hostile(Fault.NOT_A_CHECKPOINT, "config.json is missing")
def config_in_capitals(folder: Folder) -> None:
    (folder.path / CONFIG).rename(folder.path / "CONFIG.JSON")


@hostile(Fault.NOT_A_CHECKPOINT, "neither model.safetensors")
def weights_in_capitals(folder: Folder) -> None:
    (folder.path / WEIGHTS).rename(folder.path / "Model.SafeTensors")


@hostile(Fault.NOT_A_CHECKPOINT, "neither model.safetensors")
def weights_are_a_pipe(folder: Folder) -> None:
    (folder.path / WEIGHTS).unlink()
    os.mkfifo(folder.path / WEIGHTS)


@hostile(Fault.UNSAFE_PATH, WEIGHTS)
def weights_are_a_device(folder: Folder) -> None:
    (folder.path / WEIGHTS).unlink()
    (folder.path / WEIGHTS).symlink_to("/dev/zero")


@hostile(Fault.NOT_A_CHECKPOINT, "10,000 files")
def ten_thousand_files(folder: Folder) -> None:
    for number in range(10_001):
        (folder.path / f"{number}.txt").touch()


@hostile(Fault.UNSAFE_PATH, "[31m")
def a_link_with_escape_codes(folder: Folder) -> None:
    (folder.path / "\x1b[31m\u202egnp.exe").symlink_to("/etc/hostname")


@hostile(None)
def names_with_escape_codes(folder: Folder) -> None:
    (folder.path / "\x1b]0;evil\x07\n.json").write_text("{}")
    (folder.path / os.fsdecode(b"\xff\xfe.safetensors")).write_text("x")


@hostile(None)
def code_beside_the_weights(folder: Folder) -> None:
    for name in ("modeling_evil.py", "tokenization_gpt2.py", "sitecustomize.py", "torch.py", "conftest.py"):
        folder.text(name, "import os; os.mkdir('canary')")


# -- the tokenizer -------------------------------------------------------------------------------------------------


def grown(content: str, times: int) -> dict[str, Any]:
    """A chain of replacements, each of which makes every letter ten."""
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": content}
    return {"type": "Sequence", "normalizers": [step] * times}


def plain_chain(times: int) -> dict[str, Any]:
    steps = [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}] * times
    return {"type": "Sequence", "decoders": [*steps, {"type": "ByteLevel"}]}


tokenizer("unknown_model", "model", {"type": "Nothing"}, BROKEN, TOKENIZER)
tokenizer("model_is_text", "model", "BPE", BROKEN, TOKENIZER)
tokenizer("negative_ids", "model", {"type": "BPE", "vocab": {"a": -1}, "merges": []}, BROKEN, TOKENIZER)
tokenizer("merge_of_nothing", "model", {"type": "BPE", "vocab": {"a": 0}, "merges": [["x", "y"]]}, BROKEN, TOKENIZER)
tokenizer("broken_pattern", "pre_tokenizer", {"type": "Split", "pattern": {"Regex": "("}}, BROKEN, TOKENIZER)
tokenizer("growth", "normalizer", grown("a" * 10, 12), Fault.LIMIT_EXCEEDED, TOKENIZER)
tokenizer("growth_of_much", "normalizer", grown("a" * 100_000, 3), Fault.LIMIT_EXCEEDED, TOKENIZER)
tokenizer("growth_in_decoder", "decoder", plain_chain(12), Fault.LIMIT_EXCEEDED, TOKENIZER)


def split_by(pattern: str) -> dict[str, object]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


tokenizer("slow_pattern", "pre_tokenizer", split_by("(a+)+(b+)+$"), Fault.LIMIT_EXCEEDED, "for ever")
tokenizer(
    "pattern_of_the_third_power", "pre_tokenizer", split_by("[a-z]*[a-z]*[a-z]*[0-9]"), Fault.LIMIT_EXCEEDED, "longer"
)
tokenizer("pattern_of_choices", "pre_tokenizer", split_by("(?:x|xx)+y"), Fault.LIMIT_EXCEEDED, "longer")
tokenizer("pattern_that_looks_back", "pre_tokenizer", split_by("(a+)\\1b"), Fault.LIMIT_EXCEEDED, "longer")
tokenizer(
    "slow_replacement",
    "normalizer",
    {"type": "Replace", "pattern": {"Regex": "(?:ab)+(?:ab)+(?:ab)+c"}, "content": ""},
    Fault.LIMIT_EXCEEDED,
    "longer",
)


@hostile(BROKEN, TOKENIZER)
def tokenizer_halved(folder: Folder) -> None:
    path = folder.path / TOKENIZER
    os.truncate(path, path.stat().st_size // 2)


@hostile(Fault.LIMIT_EXCEEDED, TOKENIZER)
def tokenizer_nested_deep(folder: Folder) -> None:
    folder.text(TOKENIZER, '{"a":' * 200_000 + "1" + "}" * 200_000)


@hostile(Fault.LIMIT_EXCEEDED, TOKENIZER)
def tokenizer_of_millions(folder: Folder) -> None:
    """60 MB of the shortest words there are."""
    entries = ",".join(f'"{n:x}":{n}' for n in range(3_300_000))
    (folder.path / TOKENIZER).write_text('{"model":{"type":"BPE","vocab":{' + entries + '},"merges":[]}}')


@hostile(Fault.LIMIT_EXCEEDED, TOKENIZER)
def tokenizer_of_added_words(folder: Folder) -> None:
    word = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": True}
    folder.change(TOKENIZER, added_tokens=[{"id": n, "content": f"<{n}>", **word} for n in range(400_000)])


@hostile(MATCH, "but the model has")
def tokenizer_of_another_model(folder: Folder) -> None:
    """Ids that the model has no row for."""
    found = json.loads((folder.path / TOKENIZER).read_text())
    vocabulary = {word: number + 5000 for word, number in found["model"]["vocab"].items()}
    folder.change(TOKENIZER, model=found["model"] | {"vocab": vocabulary})


@hostile(BROKEN, "tokenizer")
def tokenizer_config_that_lies(folder: Folder) -> None:
    folder.change(
        "tokenizer_config.json", model_max_length=-1, eos_token={"content": "<none>"}, backend="x", use_fast=0
    )


# -- chat templates ------------------------------------------------------------------------------------------------

template("endless", "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "2 s")
template("allocates", "{% set a = 'x' * 10 ** 10 %}{{ a }}", "")
template("doubles", "{% set n = namespace(a='xx') %}{% for i in range(60) %}{% set n.a = n.a ~ n.a %}{% endfor %}", "")
template("writes_much", "{% for i in range(90000) %}{{ 'x' * 1000 }}{% endfor %}", "")
template("pads", "{{ 'x'.center(10 ** 11) }}", "")
template("formats", "{{ '%099999999999d' % 1 }}", "")
template("raises", "{{ raise_exception('evil \x1b[31m') }}", "evil")
template("no_syntax", "{% for %}", "")
template("divides", "{{ 1 / 0 }}", "")
template("imports", "{% import 'os' as os %}{{ os.mkdir('canary') }}", "")
template("includes", "{% include '/etc/hostname' %}", "")
template("extends", "{% extends '../outside/x' %}", "")
template("classes", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "")
template("globals", "{{ cycler.__init__.__globals__.os.mkdir('canary') }}", "")
template("attribute", "{{ (messages|attr('__class__')).mro() }}", "")
template("format_attribute", "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}", "")
template("recursion", "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "")
template("changes_messages", "{{ messages.append(1) }}", "")
template("power", "{{ 9 ** (9 ** 9) }}", "")
template("sorts", "{{ range(99999)|map('string')|join|list|sort|join * 1000 }}", "")
template("dates", "{{ strftime_now('%Y' * 9999999) }}", "")


@hostile(BROKEN, "chat_template.jinja")
def template_not_in_unicode(folder: Folder) -> None:
    (folder.path / "chat_template.jinja").write_bytes(b"\xff\xfe{{ messages }}\x80")
