"""Good checkpoints of every layout pass, and what is reported of them is true."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.library import headers, safety

PARAMETERS = 16 * 4 + 8 * 4 + 4 + 4


@pytest.mark.parametrize(
    ("dtype", "name", "size"), [("F32", "float32", 4), ("F16", "float16", 2), ("BF16", "bfloat16", 2)]
)
def test_single_file(make: Any, dtype: str, name: str, size: int) -> None:
    folder = make(dtype=dtype)
    checked = safety.check(folder.path)
    assert checked.folder == folder.path
    assert (checked.architecture, checked.model_type) == ("GPT2LMHeadModel", "gpt2")
    assert (checked.dtype, checked.parameters, checked.weight_bytes) == (name, PARAMETERS, PARAMETERS * size)
    assert checked.weight_files == (folder.path / "model.safetensors",)
    assert (checked.context_length, checked.has_chat_template) == (8, False)
    assert checked.config["n_embd"] == 4
    assert checked.dropped_keys == ()


def test_shards_in_the_order_of_their_names(make: Any, shapes: dict[str, list[int]]) -> None:
    folder = make()
    names = ["model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors"]
    folder.shards(dict(zip(shapes, names * 2, strict=True)), shapes, PARAMETERS * 4)
    checked = safety.check(folder.path)
    assert [path.name for path in checked.weight_files] == sorted(names)
    assert (checked.parameters, checked.weight_bytes) == (PARAMETERS, PARAMETERS * 4)


def test_a_wrong_total_is_only_logged(
    make: Any, shapes: dict[str, list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    folder = make()
    folder.shards(dict.fromkeys(shapes, "model-00001-of-00001.safetensors"), shapes, total=7)
    assert safety.check(folder.path).weight_bytes == PARAMETERS * 4
    assert "says 7 bytes" in caplog.text


def test_one_file_goes_before_an_index(make: Any) -> None:
    folder = make()
    folder.json("model.safetensors.index.json", {"weight_map": {"a": "../elsewhere"}})
    assert [path.name for path in safety.check(folder.path).weight_files] == ["model.safetensors"]


def test_the_original_names_of_gpt2(make: Any, shapes: dict[str, list[int]]) -> None:
    folder = make()
    folder.weights({name.removeprefix("transformer."): shape for name, shape in shapes.items()})
    assert safety.check(folder.path).parameters == PARAMETERS


def test_metadata_in_a_header(make: Any) -> None:
    folder = make()
    tensor = {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}
    empty = {"dtype": "F32", "shape": [0, 5], "data_offsets": [6, 6]}
    folder.header({"__metadata__": {"format": "pt"}, "a": tensor, "b": empty}, bytes(6))
    checked = safety.check(folder.path)
    assert (checked.dtype, checked.parameters) == ("bfloat16", 3)


def test_pickles_and_scripts_beside_safetensors_stay_closed(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    monkeypatch.chdir(folder.path)
    for name in ("pytorch_model.bin", "optimizer.pt", "rng_state.pth", "training_args.bin"):
        (folder.path / name).write_bytes(pickle.dumps(print))
        (folder.path / name).chmod(0)
    folder.text("modeling_gpt2.py", "open('canary', 'w')")
    folder.text("custom_generate/generate.py", "open('canary', 'w')")
    folder.change("config.json", auto_map={"AutoModelForCausalLM": "modeling_gpt2.Mine"})
    checked = safety.check(folder.path)
    assert checked.dropped_keys == ("auto_map",)
    assert "auto_map" not in checked.config
    assert not Path("canary").exists()


def test_what_is_left_out_is_named_and_logged(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    folder = make()
    known = {"rope_theta": 1e4, "id2label": {"0": "name_or_path"}, "attn_pdrop": 0.0, "use_cache": True}
    unknown = {
        "_name_or_path": "/srv/someone",
        "trust_remote_code": False,
        "attn_implementation": "sdpa",
        "_attn_implementation_internal": None,
        "quantization_config": None,
        "transformers_weights": "../other.safetensors",
        "extra_files": ["../x"],
        "invented": {"anything": 1},
    }
    folder.change("config.json", torch_dtype="load", **known, **unknown)
    with caplog.at_level("INFO"):
        checked = safety.check(folder.path)
    assert set(checked.dropped_keys) == {*unknown, "torch_dtype"}
    assert known.items() <= checked.config.items()
    assert not checked.config.keys() & checked.dropped_keys
    assert "left out of config.json" in caplog.text
    assert "invented" in caplog.text


def test_sub_configs_are_cleaned_by_their_own_type(make: Any) -> None:
    folder = make()
    text = {"model_type": "gemma3_text", "hidden_size": 4, "max_position_embeddings": 77, "invented": 1}
    vision = {"model_type": "siglip_vision_model", "patch_size": 14, "auto_map": {"a": "b.c"}, "name_or_path": "x"}
    folder.json(
        "config.json",
        {
            "model_type": "gemma3",
            "architectures": ["Gemma3ForConditionalGeneration"],
            "text_config": text,
            "vision_config": vision,
        },
    )
    checked = safety.check(folder.path)
    assert set(checked.dropped_keys) == {"text_config.invented", "vision_config.auto_map", "vision_config.name_or_path"}
    assert checked.config["text_config"] == {k: v for k, v in text.items() if k != "invented"}
    assert checked.config["vision_config"] == {"model_type": "siglip_vision_model", "patch_size": 14}
    assert checked.context_length == 77


def test_tokenizer_and_generation_files_come_back_clean(make: Any) -> None:
    folder = make()
    folder.change(
        "tokenizer_config.json",
        tokenizer_class="GPT2TokenizerFast",
        auto_map={"AutoTokenizer": ["t.Mine", None]},
        chat_template="{{ messages }}",
        name_or_path="/srv/someone",
        special_tokens_map_file="/srv/someone/map.json",
        tokenizer_file=None,
        model_max_length=1000000000000000019884624838656,
        added_tokens_decoder={"0": {"content": "<s>", "__type": "AddedToken"}},
    )
    folder.json(
        "generation_config.json",
        {"temperature": 0.6, "eos_token_id": [1, 2], "do_sample": True, "cache_implementation": "x", "top_k": "many"},
    )
    checked = safety.check(folder.path)
    assert checked.has_chat_template
    assert checked.tokenizer_config.keys() == {
        "tokenizer_class",
        "chat_template",
        "model_max_length",
        "added_tokens_decoder",
    }
    assert checked.generation_config == {"temperature": 0.6, "eos_token_id": [1, 2], "do_sample": True}


@pytest.mark.parametrize(
    "name", ["LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast", "Qwen2Tokenizer", "TikTokenTokenizer"]
)
def test_tokenizer_classes(make: Any, name: str) -> None:
    folder = make()
    folder.change("tokenizer_config.json", tokenizer_class=name)
    assert safety.check(folder.path).tokenizer_config["tokenizer_class"] == name


@pytest.mark.parametrize("files", [["tokenizer.model"], ["vocab.json", "merges.txt"], ["qwen.tiktoken"]])
def test_tokenizers_without_json(make: Any, files: list[str]) -> None:
    folder = make()
    (folder.path / "tokenizer.json").unlink()
    (folder.path / "tokenizer_config.json").unlink()
    for file in files:
        folder.text(file, "x")
    assert safety.check(folder.path).tokenizer_config == {}


def test_a_chat_template_in_a_file_of_its_own(make: Any) -> None:
    folder = make()
    folder.text("chat_template.jinja", "{{ messages }}")
    assert safety.check(folder.path).has_chat_template


@pytest.mark.parametrize("named", [None, [], ["GPT2LMHeadModel", "Other"], ["gpt2lmheadmodel"]])
def test_the_class_follows_from_the_type(make: Any, named: list[str] | None) -> None:
    folder = make()
    folder.change("config.json", architectures=named)
    assert safety.check(folder.path).architecture == "GPT2LMHeadModel"


@pytest.mark.parametrize("infinity", ["Infinity", '{"__float__": "Infinity"}'])
def test_infinity_in_a_config(make: Any, infinity: str) -> None:
    """As older transformers wrote it, and as newer ones do."""
    folder, size = make(), '"num_hidden_layers": 2'
    folder.text("config.json", f'{{"model_type": "mamba2", "time_step_limit": [0.0, {infinity}], {size}}}')
    assert safety.check(folder.path).config["time_step_limit"] == [0.0, float("inf")]


def test_a_snapshot_in_the_cache(snapshot: Any) -> None:
    folder = snapshot("owner/small")
    checked = safety.check(folder)
    assert checked.weight_files == (folder / "model.safetensors",)
    assert safety.snapshot_name(folder) == "owner/small"


def test_a_snapshot_whose_blobs_are_shared_between_repositories(snapshot: Any) -> None:
    folder = snapshot("owner/small")
    blob = folder.parent.parent / "blobs" / Path(folder / "model.safetensors").readlink().name
    shared = folder.parent.parent.parent / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(Path("../../blobs/ab") / shared.name)
    assert safety.check(folder).parameters == PARAMETERS


def test_a_link_to_the_folder_and_links_within_it(make: Any, tmp_path: Path) -> None:
    folder = make()
    (folder.path / "model.safetensors").rename(folder.path / "weights")
    (folder.path / "model.safetensors").symlink_to("weights")
    (tmp_path / "link").symlink_to(folder.path)
    assert safety.check(tmp_path / "link").parameters == PARAMETERS


def test_a_relative_path(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    monkeypatch.chdir(folder.path.parent)
    assert safety.check(Path("model")).folder == folder.path


def _file() -> bytes:
    a = b'"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'
    b = b'"b":{"dtype":"U8","shape":[3],"data_offsets":[24,27]}'
    header = b"{" + a + b"," + b + b"}"
    return len(header).to_bytes(8, "little") + header + bytes(27)


@given(data=st.data())
def test_a_cut_file_is_always_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.safetensors"
    whole = _file()
    length = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:length])
    if length == len(whole):
        assert headers.read(path).keys() == {"a", "b"}
    else:
        with pytest.raises(UserError) as caught:
            headers.read(path)
        assert caught.value.fault == Fault.BROKEN_SAFETENSORS


@given(data=st.data())
def test_a_damaged_header_never_reads_outside_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    damaged = bytearray(_file())
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 28), min_size=1, max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    error, length = None, 27
    try:
        length = sum(tensor.end - tensor.begin for tensor in headers.read(path).values())
    except UserError as caught:
        error = caught
    assert length == 27
    assert error is None or (error.fault == Fault.BROKEN_SAFETENSORS and str(error).isprintable())
