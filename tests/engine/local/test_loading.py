"""Loading: progress, what does not match is refused, where and in what precision the weights go."""

import json
import os
import signal
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from msgspec import structs
from safetensors.torch import load_file, save_file
from transformers import core_model_loading

from chatdesk.engine.api import DEFAULT_SAMPLING, DeviceMemory, DraftFinished, Failed, Generate, Load, Loaded, Progress
from chatdesk.engine.local import LocalEngine, loading, placement
from chatdesk.errors import Fault, UserError
from chatdesk.library.fit import LARGE, Place, Plan, Word
from tests.engine.checkpoints import make_checkpoint
from tests.engine.local.driving import GREEDY, generate, ids_of, load
from tests.engine.test_out_of_memory import WITHOUT_MEMORY

HERE = Place("cpu", "CPU", 1 << 34, 1 << 34, "float32")


@pytest.fixture
def engine():
    """An engine that is closed."""
    engine = LocalEngine()
    yield engine
    engine.close()


def events_of(engine: LocalEngine, folder: Path, **more):
    return list(engine.run(Load(1, str(folder), **{"device": "cpu", **more})))


def failure(engine: LocalEngine, folder: Path) -> Failed:
    """The load's only failure; nothing is loaded after it."""
    event = events_of(engine, folder)[-1]
    assert isinstance(event, Failed), event
    (answer,) = engine.run(Generate(2, "a"))
    assert answer.fault == "no_model"
    return event


def edit(folder: Path, change) -> Path:
    """Change the dict of a checkpoint's tensors."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_progress_counts_the_bytes_read(engine, checkpoint):
    """It grows to the total, which is the size of all tensors."""
    folder = checkpoint("llama")
    *progress, last = events_of(engine, folder)
    assert isinstance(last, Loaded)
    assert all(isinstance(event, Progress) for event in progress)
    done = [event.done for event in progress]
    total = sum(tensor.nbytes for tensor in load_file(folder / "model.safetensors").values())
    assert done == sorted(done)
    assert (done[-1], {event.total for event in progress}) == (total, {total})


def test_experts_are_joined_as_they_are_read(engine, checkpoint, monkeypatch):
    """Read ahead, all of them would lie in memory twice."""
    pools = []
    monkeypatch.setattr(core_model_loading, "ThreadPoolExecutor", lambda **_: pools.append(1) or ThreadPoolExecutor(1))
    load(engine, checkpoint("qwen3_moe"))
    assert (pools, loading._NO_READING_AHEAD in os.environ) == ([], False)
    load(engine, checkpoint("llama"))
    assert pools == [1]


def test_model_info(engine, checkpoint):
    """What is said about a loaded model."""
    model = load(engine, checkpoint("gpt2")).model
    assert (model.architecture, model.device, model.dtype) == ("GPT2LMHeadModel", "cpu", "float32")
    assert (model.context_length, model.has_chat_template) == (512, False)
    assert model.sampling == DEFAULT_SAMPLING
    assert model.parameters == sum(p.numel() for p in engine._loaded().checkpoint.model.parameters())
    assert model.load_s > 0


def test_cancelled_load(engine, checkpoint):
    """Ends before the next tensor, with the fault that says so; another load works."""
    engine.cancel(1)
    assert events_of(engine, checkpoint("gpt2"))[-1].fault == "cancelled"
    running = engine.run(Load(3, str(checkpoint("llama")), "cpu"))
    first = next(running)
    engine.cancel(3)
    assert isinstance(first, Progress)
    assert list(running)[-1].fault == "cancelled"
    load(engine, checkpoint("gpt2"))
    assert len(ids_of(generate(engine, "a"))) > 0


def test_closing_the_iterator_cancels_a_load(engine, checkpoint):
    """Nothing is loaded then, and another load works."""
    running = engine.run(Load(3, str(checkpoint("llama")), "cpu"))
    assert isinstance(next(running), Progress)
    running.close()
    (answer,) = engine.run(Generate(2, "a"))
    assert answer.fault == "no_model"
    load(engine, checkpoint("gpt2"))


def test_ctrl_c_cancels_a_load(engine, checkpoint, monkeypatch):
    """It is heard at once, though another thread reads: on the command line nobody else would cancel."""
    is_asked = []

    def endless(_checked, _config, _how, report, is_cancelled):
        report(1)
        os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + 30
        while not is_cancelled() and time.monotonic() < until:
            time.sleep(0.01)
        is_asked.append(is_cancelled())
        raise UserError(Fault.CANCELLED)

    monkeypatch.setattr(loading, "_load_model", endless)
    with pytest.raises(KeyboardInterrupt):
        list(loading.load(Load(3, str(checkpoint("gpt2")), "cpu"), lambda: False))
    assert is_asked == [True]


def test_broken_tokenizer(engine, tmp_path):
    """No bare exception of the Rust side."""
    folder = make_checkpoint(tmp_path)
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "Nothing"}}')
    assert failure(engine, folder).fault in ("no_tokenizer", "broken_config")


def test_original_gpt2_names(engine, tmp_path, checkpoint):
    """The first release has no prefix and holds mask buffers; the same tokens come out."""
    plain = LocalEngine()
    load(plain, checkpoint("gpt2"))
    load(engine, make_checkpoint(tmp_path / "old", original_gpt2_names=True))
    assert ids_of(generate(engine, "Hello")) == ids_of(generate(plain, "Hello"))
    plain.close()


def test_missing_tensor(engine, tmp_path):
    """Named, and nothing is made up for it."""
    folder = edit(make_checkpoint(tmp_path), lambda weights: weights.pop("transformer.h.1.mlp.c_fc.weight"))
    failed = failure(engine, folder)
    assert failed.fault == "tensors_do_not_match"
    assert "missing: transformer.h.1.mlp.c_fc.weight" in failed.fields["reason"]


def test_renamed_tensor(engine, tmp_path):
    """Both names are said."""

    def rename(weights):
        weights["transformer.h.0.attn.c_wrong.weight"] = weights.pop("transformer.h.0.attn.c_proj.weight")

    reason = failure(engine, edit(make_checkpoint(tmp_path), rename)).fields["reason"]
    assert "missing: transformer.h.0.attn.c_proj.weight" in reason
    assert "not in the model: transformer.h.0.attn.c_wrong.weight" in reason


def test_wrong_shape(engine, tmp_path):
    """With the shape that is there and the one that is wanted."""

    def reshape(weights):
        weights["transformer.wpe.weight"] = weights["transformer.wpe.weight"][:500].clone()

    reason = failure(engine, edit(make_checkpoint(tmp_path), reshape)).fields["reason"]
    assert "wrong shape: transformer.wpe.weight (500, 32), not (512, 32)" in reason


def test_fewer_layers_than_the_file_holds(engine, tmp_path):
    """A config that leaves weights out describes another model."""
    folder = make_checkpoint(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": 1}))
    assert "not in the model: transformer.h.1" in failure(engine, folder).fields["reason"]


def test_an_untied_head_must_be_there(engine, tmp_path):
    """Where config.json ties no weights, a file without lm_head is refused, not filled at random."""
    folder = make_checkpoint(tmp_path, "llama")
    edit(folder, lambda weights: weights.pop("lm_head.weight"))
    assert "missing: lm_head.weight" in failure(engine, folder).fields["reason"]


def test_nan_weights(engine, tmp_path):
    """An error with a name, when they are used."""

    def poison(weights):
        weights["transformer.ln_f.weight"][0] = torch.nan

    load(engine, edit(make_checkpoint(tmp_path), poison))
    assert generate(engine, "Hello")[-1].fault == "not_finite"


@pytest.mark.parametrize("error", WITHOUT_MEMORY, ids=str)
@pytest.mark.parametrize("place", ["safe_open", "_config"])
def test_memory_that_ends_while_files_are_opened(engine, checkpoint, monkeypatch, error, place):
    """It is neither a mistake of the program nor a broken file; the next load succeeds."""

    def fails(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        if place == "safe_open":
            patch.setattr(loading, "safe_open", fails)
        else:
            patch.setattr("transformers.GPT2LMHeadModel.__init__", fails)
        assert list(engine.run(Load(1, str(checkpoint("gpt2")))))[-1].fault == "out_of_memory"
    load(engine, checkpoint("gpt2"))


def test_closing_frees_the_model(checkpoint):
    """At once, without the garbage collector."""
    engine = LocalEngine()
    load(engine, checkpoint("gpt2"))
    list(engine.run(Generate(2, "Hello")))
    model = weakref.ref(engine._loaded().checkpoint.model)
    engine.close()
    assert model() is None


def test_no_tokenizer(engine, tmp_path):
    """Asked for, never guessed."""
    folder = make_checkpoint(tmp_path)
    (folder / "tokenizer.json").unlink()
    assert failure(engine, folder).fault == "no_tokenizer"


def test_a_tokenizer_that_needs_more_packages(engine, tmp_path):
    """What would help is said: not the name of a package."""
    folder = make_checkpoint(tmp_path)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"sentencepiece")
    assert failure(engine, folder).fault == "no_tokenizer"


def test_no_folder(engine, tmp_path):
    """A name that leads nowhere is a user error."""
    assert failure(engine, tmp_path / "nowhere").fault in ("not_a_checkpoint", "file_not_found")


def test_generation_config_is_taken_as_it_is(engine, tmp_path):
    """Values in the file are the defaults; nothing is added that it does not say. Its end tokens end a reply."""
    folder = make_checkpoint(tmp_path, generation_config={"temperature": 0.4, "eos_token_id": [5, 7], "top_p": 0.8})
    model = load(engine, folder).model
    assert (model.sampling.temperature, model.sampling.top_p, model.sampling.top_k) == (0.4, 0.8, 0)
    assert engine._loaded().checkpoint.eos_ids >= {5, 7}


def test_auto_precision_on_the_cpu_is_float32_for_small_models(engine, tmp_path):
    """Stored in bfloat16, computed in float32."""
    folder = make_checkpoint(tmp_path, dtype="bfloat16")
    assert events_of(engine, folder)[-1].model.dtype == "float32"
    assert events_of(engine, folder, dtype="bfloat16")[-1].model.dtype == "bfloat16"
    assert len(ids_of(generate(engine, "Hello"))) > 0


@pytest.mark.parametrize(
    ("stored", "parameters", "has_bfloat16", "expected"),
    [
        ("bfloat16", LARGE + 1, True, torch.bfloat16),
        ("bfloat16", LARGE + 1, False, torch.float32),
        ("bfloat16", LARGE, True, torch.float32),
        ("float32", LARGE + 1, True, torch.float32),
        ("float16", LARGE + 1, True, torch.float32),
        (None, LARGE + 1, True, torch.float32),
    ],
)
def test_rule_of_precision_on_the_cpu(monkeypatch, stored, parameters, has_bfloat16, expected):
    """As the module says it."""
    monkeypatch.setattr(placement, "_has_bfloat16", lambda device: has_bfloat16)
    assert placement.choose_dtype("auto", torch.device("cpu"), stored, parameters) is expected


@pytest.mark.parametrize(
    ("stored", "has_bfloat16", "expected"),
    [("bfloat16", True, torch.bfloat16), ("float32", False, torch.float16), ("float16", True, torch.float16)],
)
def test_rule_of_precision_on_a_gpu(monkeypatch, stored, has_bfloat16, expected):
    """As the module says it."""
    monkeypatch.setattr(placement, "_has_bfloat16", lambda device: has_bfloat16)
    assert placement.choose_dtype("auto", torch.device("cuda"), stored, 1) is expected


def test_no_device(monkeypatch):
    """A device that is not there is refused with those that are."""
    monkeypatch.setattr(placement, "available", lambda: ("cpu",))
    with pytest.raises(UserError) as caught:
        placement.choose_device("cuda")
    assert caught.value.fault is Fault.NO_DEVICE
    assert caught.value.fields == {"device": "cuda", "available": "cpu"}
    assert placement.choose_device("auto").type == "cpu"


@pytest.mark.parametrize(("model_type", "blocks"), [("gpt2", "transformer.h"), ("llama", "model.layers")])
def test_layers_beside_the_device(engine, checkpoint, model_type, blocks):
    """Every weight is placed once, those of the last block on the CPU."""
    load(engine, checkpoint(model_type))
    model = engine._generator.checkpoint.model
    places = placement.device_map(model, 1, torch.device("cuda"))
    assert places[f"{blocks}.0"].type == "cuda"
    assert places[f"{blocks}.1"].type == "cpu"
    for name, _ in model.named_parameters():
        assert sum(name.startswith(f"{known}.") for known in places) == 1, name


def test_a_shorter_context(engine, checkpoint):
    """The model sees no more than it was loaded for."""
    loaded = events_of(engine, checkpoint("llama"), context=100)[-1]
    assert loaded.model.context_length == 100
    events = generate(engine, "word " * 10, structs.replace(GREEDY, max_new_tokens=500))
    assert [event.reason for event in events if isinstance(event, DraftFinished)] == ["context"]


def test_what_is_left_to_the_program_follows_the_plan(engine, checkpoint, monkeypatch):
    """A model that does not fit in its usual precision is loaded in a smaller one; an explicit wish stands."""
    folder = checkpoint("llama")
    monkeypatch.setattr(loading, "plans_of", lambda *_: [Plan(HERE, "int8", 64, 0, 2, 0, 0, 0, (Word.SHORT,))])
    loaded = events_of(engine, folder, device="auto")[-1].model
    assert (loaded.device, loaded.dtype, loaded.context_length) == ("cpu", "int8", 64)
    assert events_of(engine, folder, dtype="float32")[-1].model.context_length == 512


def test_what_cannot_fit_is_refused_before_anything_is_read(engine, checkpoint, monkeypatch):
    """With what it needs and what there is."""
    small = (DeviceMemory("cpu", "CPU", 8 << 20, 4 << 20, False),)
    monkeypatch.setattr(loading, "memory", lambda _: small)
    failed = failure(engine, checkpoint("llama"))
    assert failed.fault == "does_not_fit"
    assert failed.fields["total"] == "8.4 MB (CPU)"


def test_a_wrong_folder_does_not_cost_the_loaded_model(engine, checkpoint, tmp_path):
    """It is refused before anything is given up."""
    load(engine, checkpoint("llama"))
    failed = events_of(engine, tmp_path)[-1]
    assert (failed.fault, failed.keeps_model) == ("not_a_checkpoint", True)
    assert len(ids_of(generate(engine, "Hello"))) > 0


def test_what_is_quantised_counts_as_free_too(engine, checkpoint):
    """The next model takes its place."""
    load(engine, checkpoint("llama"), dtype="int8")
    model = engine._generator.checkpoint.model
    held = sum(part.nbytes for part in (*model.parameters(), *model.buffers()))
    assert placement._held(model) == held > sum(part.nbytes for part in model.parameters())
