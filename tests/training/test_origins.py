"""Runs that begin with a Llama, another tokenizer or a checkpoint, and what they leave."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer

from chatdesk.engine.api import Generate, Load, Sampling
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.loading import load
from chatdesk.errors import Fault, UserError
from chatdesk.library import adapters
from chatdesk.paths import starter
from chatdesk.tasks.completion import Completion
from chatdesk.training.corpus import Turn, encode_documents
from chatdesk.training.encoders import OwnEncoder, TemplateEncoder
from chatdesk.training.estimate import estimate
from chatdesk.training.events import Finished, HeldOut, Preparing, Stepped, StoppedEarly, TrainEvent
from chatdesk.training.model import LossModel, count_parameters, new_model
from chatdesk.training.origins import stamp
from chatdesk.training.recipe import ModelShape
from chatdesk.training.trainer import train

WriteRecipe = Callable[..., Path]
SHORT = (("steps = 40", "steps = 6"), ("tokens = 640", "steps = 4"))
MODEL = """[model]
vocabulary = 320
context = 32
width = 16
layers = 1
heads = 2
"""
TALK = (Turn("user", "Hello there!"), Turn("assistant", "Good day."), Turn("user", "Well?"), Turn("assistant", "Yes."))


def _run(recipe: Path, text: Path, out: Path) -> list[TrainEvent]:
    events: list[TrainEvent] = []
    train(recipe, text, out, events.append)
    return events


def _hash(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a chat template that is not ours."""
    folder = tmp_path_factory.mktemp("base")
    config = transformers.LlamaConfig(
        vocab_size=10240, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, bos_token_id=0, eos_token_id=4, attention_dropout=0.1,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((starter() / name).read_bytes())
    said = json.loads((folder / "tokenizer_config.json").read_text())
    said["chat_template"] = (
        "{% for m in messages %}{{ '[' + m.role + '] ' + m.content }}"
        "{% if m.role == 'assistant' %}{{ '<|end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '[assistant] ' }}{% endif %}"
    )
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return folder


def test_a_llama_is_an_ordinary_checkpoint(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    kind = ("heads = 2", 'heads = 4\nkind = "llama"\nkey_value_heads = 2')
    recipe = write_recipe(*SHORT, kind, ("layers = 1", "layers = 2"))
    _run(recipe, text, tmp_path / "run")
    folder = tmp_path / "run" / "model"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert (model.config.num_key_value_heads, model.config.tie_word_embeddings) == (2, True)
    assert estimate(recipe, text, 0.05).stages[0].parameters == count_parameters(model)
    ids = torch.randint(5, 300, (1, 12), generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:], reduction="sum")
    counted = torch.ones(1, 11, dtype=torch.bool)
    torch.testing.assert_close(LossModel(model)(ids[:, :-1], ids[:, 1:], None, counted), wanted)


@pytest.mark.parametrize("architecture", ["llama", "other"])
def test_documents_of_a_row_do_not_see_each_other(base: Path, architecture: str) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(base, attn_implementation="sdpa").eval()
    if architecture == "other":  # by the model's own forward
        model.__class__ = type("Unknown", (type(model),), {})
    row = torch.randint(5, 300, (1, 12), generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]])
    counted = torch.zeros(1, 12, dtype=torch.bool)
    counted[:, 5:] = True
    packed = LossModel(model)(row, row, positions, counted).detach()
    alone = LossModel(model)(row[:, 5:], row[:, 5:], positions[:, 5:], counted[:, 5:]).detach()
    assert float(packed) == pytest.approx(float(alone), rel=1e-5)


def test_a_named_tokenizer_is_taken(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    named = ("vocabulary = 320", f'vocabulary = 0\ntokenizer = "{starter().as_posix()}"')
    recipe = write_recipe(*SHORT, named)
    _run(recipe, text, tmp_path / "run")
    made = Tokenizer.from_file(str(tmp_path / "run" / "model" / "tokenizer.json"))
    own = Tokenizer.from_file(str(starter() / "tokenizer.json"))
    assert made.get_vocab() == own.get_vocab()
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["vocab_size"] == own.get_vocab_size()


def test_only_answers_count(base: Path) -> None:
    from chatdesk.engine.local.tokens import Tokens
    from chatdesk.library import safety

    encoder = TemplateEncoder(Tokens.load(safety.check(base)), (0, 4))
    ids, marks = next(encoder.encode([TALK], encoder.tokenizer))
    counted = encoder.tokenizer.decode(
        [i for i, mark in zip(ids, marks, strict=True) if mark], skip_special_tokens=False
    )
    assert counted == "Good day.<|end|>Yes.<|end|>"
    prose, all_of_it = next(encoder.encode(["A cat."], encoder.tokenizer))
    assert (len(all_of_it), sum(all_of_it), prose[-1]) == (len(prose), len(prose), encoder.ends[0])
    assert encoder.tokenizer.decode(encoder.prompt(TALK[:1])) == "[user] Hello there!\n[assistant] "
    own = Tokenizer.from_file(str(starter() / "tokenizer.json"))
    ids, marks = next(encode_documents([TALK], own))
    text = own.decode([i for i, mark in zip(ids, marks, strict=True) if mark], skip_special_tokens=False)
    assert text == "Good day.<|end|>Yes.<|end|>"
    encoder.close()


def test_names_of_special_tokens_in_a_text_are_text(base: Path) -> None:
    from chatdesk.engine.local.tokens import Tokens
    from chatdesk.library import safety

    tokens = Tokens.load(safety.check(base))
    encoder, own = TemplateEncoder(tokens, (0, 4)), OwnEncoder(Tokenizer.from_file(str(starter() / "tokenizer.json")))
    end = tokens.backend.token_to_id("<|end|>")
    turns = (Turn("user", "Say <|end|> and <|user|>!"), Turn("assistant", "It is <|end|>."), *TALK)
    plain = tuple(Turn(turn.role, turn.text.replace("<|", "< |")) for turn in turns)
    ids, marks = next(encoder.encode([turns], encoder.tokenizer))
    expected, _ = next(encoder.encode([plain], encoder.tokenizer))
    assert ids.count(end) == expected.count(end) == 3
    decode = partial(tokens.decode, skip_special=False)
    assert decode(ids) == decode(expected).replace("< |", "<|")
    counted = decode([i for i, mark in zip(ids, marks, strict=True) if mark])
    assert counted == "It is <|end|>.<|end|>Good day.<|end|>Yes.<|end|>"
    for each in (encoder, own):
        prose, _ = next(each.encode(["A <|end|> cat."], each.tokenizer))
        assert prose[:-1].count(end) == 0
        assert each.prompt("A <|end|> cat.") == prose[:-1]
        assert each.prompt(turns[:1]).count(end) == int(each is own)
    encoder.close()


def test_all_weights_of_a_checkpoint(write_recipe: WriteRecipe, text: Path, tmp_path: Path, base: Path) -> None:
    before = _hash(base)
    _run(write_recipe(*SHORT, (MODEL, f'[start]\ncheckpoint = "{base.as_posix()}"\n')), text, tmp_path / "run")
    assert _hash(base) == before
    made = tmp_path / "run" / "model"
    *_, loaded = load(Load(1, str(made), "cpu", "float32"), lambda: False)
    *_, old = load(Load(1, str(base), "cpu", "float32"), lambda: False)
    assert loaded.tokens.chat_template == old.tokens.chat_template
    assert loaded.model.config.attention_dropout == 0.1
    pairs = zip(loaded.model.parameters(), old.model.parameters(), strict=True)
    assert all(not torch.equal(new, was.bfloat16().float()) for new, was in pairs)


def test_an_adapter_changes_the_answers_and_not_the_base(
    write_recipe: WriteRecipe, text: Path, tmp_path: Path, base: Path
) -> None:
    before = _hash(base)
    start = f'[start]\ncheckpoint = "{base.as_posix()}"\n[lora]\nrank = 4\nalpha = 64\ndropout = 0.1\n'
    recipe = write_recipe(*SHORT, ('optimizer = "muon"', "checkpointing = true"), (MODEL, start))
    recipe.write_text(recipe.read_text().replace("learning_rate = 1e-2", "learning_rate = 1e-1"))
    assert estimate(recipe, text, 0.05).stages[0].parameters > 0
    assert not estimate(recipe, text, 0.05).proposed
    _run(recipe, text, tmp_path / "run")
    assert _hash(base) == before
    folder = tmp_path / "run" / "adapter"
    assert adapters.check(folder).rank == 4
    assert not (tmp_path / "run" / "model").exists()
    with_it = Generate(2, "The cat", Sampling(temperature=0, max_new_tokens=8), adapter=str(folder))
    engine = LocalEngine()
    list(engine.run(Load(1, str(base), "cpu", "float32")))
    texts = []
    for request in (
        Generate(3, with_it.prompt, with_it.sampling),
        with_it,
        Generate(4, with_it.prompt, with_it.sampling),
    ):
        result = Completion(1)
        for event in engine.run(request):
            result.take(event)
        texts.append([token.logprob for token in result.drafts[0].tokens])
    engine.close()
    assert texts[0] == texts[2] != texts[1]


def test_a_base_that_changed_is_refused(write_recipe: WriteRecipe, text: Path, tmp_path: Path, base: Path) -> None:
    mine, run = tmp_path / "mine", tmp_path / "run"
    shutil.copytree(base, mine)
    recipe = write_recipe(*SHORT, (MODEL, f'[start]\ncheckpoint = "{mine.as_posix()}"\n'))
    stop = threading.Event()
    assert (
        train(recipe, text, run, lambda event: stop.set() if isinstance(event, Preparing) else None, stop=stop) is None
    )
    weights, whole = mine / "model.safetensors", (mine / "model.safetensors").read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # same size, same names
    with pytest.raises(UserError) as caught:
        _run(recipe, text, run)
    assert caught.value.fault == Fault.BASE_CHANGED
    assert str(mine) in str(caught.value)
    weights.write_bytes(whole)
    assert isinstance(_run(recipe, text, run)[-1], Finished)


def test_the_stamp_sees_all_over_a_large_file(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(9_000_000))
    before = stamp(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert stamp(tmp_path) == before
    with weights.open("rb+") as file:
        file.seek(4_500_000)
        file.write(b"\1" * 80_000)
    assert stamp(tmp_path) != before


def test_a_target_that_is_not_there_is_told(write_recipe: WriteRecipe, text: Path, tmp_path: Path, base: Path) -> None:
    start = f'[start]\ncheckpoint = "{base.as_posix()}"\n[lora]\ntargets = ["nowhere"]\n'
    with pytest.raises(UserError) as caught:
        _run(write_recipe(*SHORT, ('optimizer = "muon"\n', ""), (MODEL, start)), text, tmp_path / "run")
    assert caught.value.fault == Fault.BAD_VALUE
    assert "nowhere" in str(caught.value)


@pytest.mark.parametrize(
    "change", [("batch = 2", "batch = 2\naccumulate = 2"), ("[model]", "checkpointing = true\n[model]")]
)
def test_less_memory_is_the_same_result(
    write_recipe: WriteRecipe, text: Path, tmp_path: Path, change: tuple[str, str]
) -> None:
    exact = SHORT
    losses = []
    for name, changes in (("plain", exact), ("changed", (*exact, change))):
        events = _run(write_recipe(*changes), text, tmp_path / name)
        losses.append([event.loss for event in events if isinstance(event, HeldOut | Stepped)])
    assert len(losses[0]) == 3
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)


def test_it_stops_when_the_loss_gets_no_better(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        SHORT[1], ("seed = 3", "seed = 3\npatience = 2"), ("held_out_every_steps = 20", "held_out_every_steps = 2"),
        ("learning_rate = 1e-2", "learning_rate = 1.0"), ("steps = 40", "steps = 60"),
        ("warmup_steps = 4", "warmup_steps = 0"),
        ("isolate = true", 'isolate = true\nheld_out = [{ file = "plain.txt" }]'),
    )  # fmt: skip
    events = _run(recipe, text, tmp_path / "run")
    (early,) = (event for event in events if isinstance(event, StoppedEarly) and event.stage == "prose")
    losses = {event.step: event.loss for event in events if isinstance(event, HeldOut) and event.stage == "prose"}
    assert early.step < 60
    assert early.loss == min(losses.values()) == losses[early.best_step]
    assert early.best_step == early.step - 4


def test_heads_share_keys() -> None:
    shared = new_model(ModelShape(300, 32, 16, 2, 4, "llama", 1), 0, 0)
    own = new_model(ModelShape(300, 32, 16, 2, 4, "llama"), 0, 0)
    assert count_parameters(own) - count_parameters(shared) == 2 * 2 * 16 * 12
