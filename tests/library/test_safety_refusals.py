"""Hostile and broken folders and weights: each refused with a named fault; nothing runs, nothing outside opens."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import safety

CASES: list[Any] = []
F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def case(fault: Fault, *mentions: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers a function that breaks a good folder; ``mentions``: what the sentence must name."""

    def register(damage: Callable[..., None]) -> Callable[..., None]:
        CASES.append(pytest.param(damage, fault, mentions, id=damage.__name__))
        return damage

    return register


def header_case(name: str, fault: Fault, mention: str, entries: dict[str, Any], data: bytes) -> None:
    CASES.append(pytest.param(lambda f: f.header(entries, data), fault, ("model.safetensors", mention), id=name))


class Payload:
    """A pickle that leaves a canary in the working folder when it is opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("canary",)


def only(folder: Any, *names: str) -> None:
    for path in folder.path.iterdir():
        if path.name not in names:
            path.unlink()


# -- the folder ----------------------------------------------------------------------------------------------------


@case(Fault.NOT_A_CHECKPOINT, "it holds no files")
def empty(folder: Any) -> None:
    only(folder)


@case(Fault.FILE_NOT_FOUND)
def missing(folder: Any) -> None:
    only(folder)
    folder.path.rmdir()


@case(Fault.NOT_A_CHECKPOINT, "config.json is missing")
def no_config(folder: Any) -> None:
    (folder.path / "config.json").unlink()


@case(Fault.NOT_A_CHECKPOINT, "model.safetensors.index.json")
def no_weights(folder: Any) -> None:
    (folder.path / "model.safetensors").unlink()


@case(Fault.NOT_A_CHECKPOINT, "neither model.safetensors nor")
def shard_without_index(folder: Any) -> None:
    (folder.path / "model.safetensors").rename(folder.path / "model-00001-of-00002.safetensors")


@case(Fault.NOT_A_CHECKPOINT, "single file")
def a_safetensors_file(folder: Any) -> None:
    only(folder)
    folder.path.rmdir()
    folder.path.write_bytes(b"")


@case(Fault.IS_ADAPTER, "Load the model it was made for")
def adapter(folder: Any) -> None:
    folder.json("adapter_config.json", {"base_model_name_or_path": "../../elsewhere"})


def test_too_many_files(make: Any, refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    monkeypatch.setattr(safety, "_MAX_ENTRIES", 3)
    refused(folder, Fault.NOT_A_CHECKPOINT, "more than 3 files")


@case(Fault.NOT_A_CHECKPOINT, "config.json is missing")
def config_is_a_folder(folder: Any) -> None:
    (folder.path / "config.json").unlink()
    (folder.path / "config.json").mkdir()


@case(Fault.NOT_A_CHECKPOINT, "config.json is missing")
def config_is_a_pipe(folder: Any) -> None:
    (folder.path / "config.json").unlink()
    os.mkfifo(folder.path / "config.json")


@case(Fault.NO_TOKENIZER)
def no_tokenizer(folder: Any) -> None:
    (folder.path / "tokenizer.json").unlink()


@case(Fault.LIMIT_EXCEEDED, "tokenizer.json", "more than")
def tokenizer_too_large(folder: Any) -> None:
    os.truncate(folder.path / "tokenizer.json", 65 * 2**20)


@case(Fault.LIMIT_EXCEEDED, "config.json")
def config_too_large(folder: Any) -> None:
    folder.change("config.json", filler="x" * 2**20)


@case(Fault.LIMIT_EXCEEDED, "chat_template.jinja")
def template_too_large(folder: Any) -> None:
    folder.text("chat_template.jinja", "x" * 300_000)


@case(Fault.LIMIT_EXCEEDED, "additional_chat_templates/tools.jinja")
def further_template_too_large(folder: Any) -> None:
    folder.text("additional_chat_templates/tools.jinja", "x" * 300_000)


# -- other formats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth", "last.ckpt", "MODEL.BIN"])
def test_only_a_pickle(make: Any, refused: Callable[..., None], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    monkeypatch.chdir(folder.path)
    (folder.path / "model.safetensors").rename(folder.path / name)
    (folder.path / name).write_bytes(pickle.dumps(Payload()))
    refused(folder, Fault.ONLY_PICKLE, name)


@case(Fault.ONLY_PICKLE, "rng_state.pth")
def only_training_state(folder: Any) -> None:
    only(folder, "config.json")
    (folder.path / "rng_state.pth").write_bytes(pickle.dumps(Payload()))


@case(Fault.ONLY_PICKLE, "model.pkl")
def a_single_pickle(folder: Any) -> None:
    only(folder)
    folder.path.rmdir()
    folder.path = folder.path.with_name("model.pkl")
    folder.path.write_bytes(pickle.dumps(Payload()))


@case(Fault.ONLY_GGUF, "model.Q4_0.gguf")
def only_gguf(folder: Any) -> None:
    only(folder)
    (folder.path / "model.Q4_0.gguf").write_bytes(b"GGUF")


@case(Fault.ONLY_GGUF, "model.gguf")
def a_single_gguf(folder: Any) -> None:
    only(folder)
    folder.path.rmdir()
    folder.path = folder.path.with_name("model.gguf")
    folder.path.write_bytes(b"GGUF")


@case(Fault.ONLY_PICKLE, "pytorch_model-00001-of-00001.bin")
def index_names_a_pickle(folder: Any) -> None:
    (folder.path / "model.safetensors").rename(folder.path / "model-00001-of-00001.safetensors")
    (folder.path / "pytorch_model-00001-of-00001.bin").write_bytes(pickle.dumps(Payload()))
    folder.json("model.safetensors.index.json", {"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}})


# -- safetensors ---------------------------------------------------------------------------------------------------


@case(Fault.BROKEN_SAFETENSORS, "ends before its header")
def empty_file(folder: Any) -> None:
    os.truncate(folder.path / "model.safetensors", 0)


@case(Fault.BROKEN_SAFETENSORS, "ends before its header")
def cut_in_the_length(folder: Any) -> None:
    os.truncate(folder.path / "model.safetensors", 5)


@case(Fault.BROKEN_SAFETENSORS, "ends before its header")
def cut_in_the_header(folder: Any) -> None:
    os.truncate(folder.path / "model.safetensors", 40)


@case(Fault.BROKEN_SAFETENSORS, "ends before transformer.h.0.ln_1.bias")
def cut_in_the_data(folder: Any) -> None:
    path = folder.path / "model.safetensors"
    os.truncate(path, path.stat().st_size - 1)


@case(Fault.BROKEN_SAFETENSORS, "ends before its header")
def header_of_all_memory(folder: Any) -> None:
    folder.raw(b"{}", length=2**64 - 1)


@case(Fault.LIMIT_EXCEEDED, "91,226,112 bytes")
def header_of_87_megabytes(folder: Any) -> None:
    path = folder.raw(b"{}", length=87 * 2**20)
    os.truncate(path, 88 * 2**20)


@case(Fault.LIMIT_EXCEEDED, "100,000 tensors")
def a_million_tensors(folder: Any) -> None:
    entry = '"dtype":"U8","shape":[0],"data_offsets":[0,0]'
    folder.raw(("{" + ",".join(f'"{n}":{{{entry}}}' for n in range(250_000)) + "}").encode())


@case(Fault.LIMIT_EXCEEDED, "100,000 tensors")
def a_million_names(folder: Any) -> None:
    folder.raw(("{" + ",".join(f'"{n}":0' for n in range(1_000_000)) + "}").encode())


@case(Fault.LIMIT_EXCEEDED, "100,000 tensors")
def a_list_of_millions(folder: Any) -> None:
    folder.raw(b'{"a":[' + b"0," * 5_000_000 + b"0]}")


@case(Fault.BROKEN_SAFETENSORS, "not valid JSON")
def deep_header(folder: Any) -> None:
    folder.raw(b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}")


@case(Fault.BROKEN_SAFETENSORS, "not valid JSON")
def endless_number(folder: Any) -> None:
    folder.raw(b'{"a":' + b"9" * 1_000_000 + b"}")


@case(Fault.BROKEN_SAFETENSORS, "not valid JSON")
def header_is_not_json(folder: Any) -> None:
    folder.raw(b"{'dtype'}")


@case(Fault.BROKEN_SAFETENSORS, "not valid JSON")
def header_is_not_utf8(folder: Any) -> None:
    folder.raw(b'{"\xff": 1}')


@case(Fault.BROKEN_SAFETENSORS, "not readable")
def header_is_a_list(folder: Any) -> None:
    folder.raw(b"[]")


@case(Fault.BROKEN_SAFETENSORS, "one name twice")
def one_name_twice(folder: Any) -> None:
    entry = json.dumps(F32).encode()
    folder.raw(b'{"a":' + entry + b',"a":' + entry + b"}", bytes(8))


@case(Fault.BROKEN_SAFETENSORS, "no tensors")
def no_tensors(folder: Any) -> None:
    folder.raw(b"{}")


@case(Fault.BROKEN_SAFETENSORS, "?[31m")
def escape_codes_in_a_name(folder: Any) -> None:
    folder.header({"\x1b[31m\u202e" + "x" * 10_000: {**F32, "dtype": "F7"}}, bytes(8))


BROKEN = Fault.BROKEN_SAFETENSORS
header_case("overlap", BROKEN, "lies over another", {"a": F32, "b": {**F32, "data_offsets": [4, 12]}}, bytes(12))
header_case("same_bytes_twice", BROKEN, "lies over another", {"a": F32, "b": F32}, bytes(8))
header_case("gap", BROKEN, "a gap before b", {"a": F32, "b": {**F32, "data_offsets": [12, 20]}}, bytes(20))
header_case("gap_at_the_start", BROKEN, "a gap before a", {"a": {**F32, "data_offsets": [4, 12]}}, bytes(12))
header_case("bytes_left_over", BROKEN, "3 bytes at its end", {"a": F32}, bytes(11))
header_case("outside_the_file", BROKEN, "ends before a", {"a": {**F32, "data_offsets": [2**40, 2**40 + 8]}}, bytes(8))
header_case("backwards", BROKEN, "impossible offsets", {"a": {**F32, "data_offsets": [8, 0]}}, bytes(8))
header_case("negative_offset", BROKEN, "impossible offsets", {"a": {**F32, "data_offsets": [-8, 0]}}, bytes(8))
header_case("three_offsets", BROKEN, "impossible offsets", {"a": {**F32, "data_offsets": [0, 4, 8]}}, bytes(8))
header_case("offset_is_true", BROKEN, "impossible offsets", {"a": {**F32, "data_offsets": [False, 8]}}, bytes(8))
header_case("lying_shape", BROKEN, "does not fit its length", {"a": {**F32, "shape": [3]}}, bytes(8))
header_case("overflowing_shape", BROKEN, "does not fit", {"a": {**F32, "shape": [2**62, 2**62]}}, bytes(8))
header_case("negative_shape", BROKEN, "impossible shape", {"a": {**F32, "shape": [-1, -2]}}, bytes(8))
header_case("shape_of_fractions", BROKEN, "impossible shape", {"a": {**F32, "shape": [2.0]}}, bytes(8))
header_case("rank_of_thousands", BROKEN, "impossible shape", {"a": {**F32, "shape": [1] * 9999}}, bytes(8))
header_case("unknown_dtype", BROKEN, "unknown type F7", {"a": {**F32, "dtype": "F7"}}, bytes(8))
header_case("dtype_is_a_list", BROKEN, "unknown type", {"a": {**F32, "dtype": ["F32"]}}, bytes(8))
header_case("entry_without_shape", BROKEN, "no known way", {"a": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8))
header_case("metadata_of_numbers", BROKEN, "no texts by name", {"a": F32, "__metadata__": {"format": 1}}, bytes(8))
header_case("metadata_is_a_list", BROKEN, "no texts by name", {"a": F32, "__metadata__": ["pt"]}, bytes(8))
header_case("name_with_half_a_character", BROKEN, "not valid JSON", {"\ud800": F32}, bytes(8))
header_case("entry_with_more", BROKEN, "no known way", {"a": {**F32, "code": "x"}}, bytes(8))


# -- shards --------------------------------------------------------------------------------------------------------


def index_case(name: str, fault: Fault, mention: str, shard: object) -> None:
    def damage(folder: Any) -> None:
        (folder.path / "model.safetensors").rename(folder.path / "model-1.safetensors")
        folder.json("model.safetensors.index.json", {"weight_map": {"a": shard}})

    CASES.append(pytest.param(damage, fault, (mention,), id=name))


index_case("index_up", Fault.UNSAFE_PATH, "../outside.safetensors", "../outside.safetensors")
index_case("index_up_again", Fault.UNSAFE_PATH, "x/../../outside", "x/../../outside.safetensors")
index_case("index_absolute", Fault.UNSAFE_PATH, "/etc/passwd", "/etc/passwd")
index_case("index_backslash", Fault.UNSAFE_PATH, "..\\outside", "..\\outside.safetensors")
index_case("index_drive", Fault.UNSAFE_PATH, "C:outside", "C:outside.safetensors")
index_case("index_with_nul", Fault.UNSAFE_PATH, "model-1.safetensors", "model-1.safetensors\0.bin")
index_case("index_empty_name", Fault.UNSAFE_PATH, "index.json", "")
index_case("index_missing_shard", BROKEN, "it is not there", "model-2.safetensors")
index_case("index_other_tensor", BROKEN, "looks for a in it", "model-1.safetensors")
index_case("index_of_numbers", Fault.BROKEN_CONFIG, "no map of tensors", 1)


@case(Fault.BROKEN_CONFIG, "model.safetensors.index.json", "no map of tensors")
def index_without_map(folder: Any) -> None:
    (folder.path / "model.safetensors").unlink()
    folder.json("model.safetensors.index.json", {"metadata": {}})


@case(Fault.BROKEN_SAFETENSORS, "of which the index knows nothing")
def tensor_beside_the_index(folder: Any) -> None:
    folder.shards({"a": "model-1.safetensors", "b": "model-1.safetensors"}, {"a": [2], "b": [2]})
    folder.json("model.safetensors.index.json", {"weight_map": {"a": "model-1.safetensors"}})


@case(Fault.BROKEN_SAFETENSORS, "model-2.safetensors", "of which the index knows nothing")
def tensor_in_two_shards(folder: Any) -> None:
    shapes = {"a": [2], "b": [2]}
    folder.shards({"a": "model-1.safetensors", "b": "model-2.safetensors"}, shapes)
    folder.weights(shapes, name="model-2.safetensors")


@case(Fault.BROKEN_SAFETENSORS, "model-2.safetensors", "ends before its header")
def second_shard_cut(folder: Any) -> None:
    folder.shards({"a": "model-1.safetensors", "b": "model-2.safetensors"}, {"a": [2], "b": [2]})
    os.truncate(folder.path / "model-2.safetensors", 20)


# -- links ---------------------------------------------------------------------------------------------------------


def link_case(name: str) -> None:
    def damage(folder: Any) -> None:
        outside = folder.path.parent / "outside"
        outside.mkdir()
        source = folder.path / name
        target = source.rename(outside / name) if source.exists() else outside
        source.symlink_to(target)

    CASES.append(pytest.param(damage, Fault.UNSAFE_PATH, (name,), id=f"link_out_{name}"))


for linked in (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "additional_chat_templates",
):
    link_case(linked)


@case(Fault.UNSAFE_PATH, "merges.txt")
def link_through_the_folder(folder: Any) -> None:
    (folder.path.parent / "secret").write_text("x")
    (folder.path / "inner").symlink_to("../secret")
    (folder.path / "inner").rename(folder.path / "merges.txt")


@case(Fault.UNSAFE_PATH, "additional_chat_templates/x.jinja")
def link_below(folder: Any) -> None:
    (folder.path.parent / "secret").write_text("x")
    (folder.path / "additional_chat_templates").mkdir()
    (folder.path / "additional_chat_templates" / "x.jinja").symlink_to("../../secret")


@case(Fault.NOT_A_CHECKPOINT, "symbolic links")
def link_to_itself(folder: Any) -> None:
    (folder.path / "config.json").unlink()
    (folder.path / "config.json").symlink_to("config.json")


@pytest.mark.parametrize(
    "target",
    ["../../../outside/x", "../../../models--other--one/blobs/x", "../../blobs/../../x", "../../../blobs/aa/x"],
)
def test_a_snapshot_links_to_blobs_alone(snapshot: Any, target: str) -> None:
    folder = snapshot()
    (folder / "config.json").unlink()
    place = folder / target
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("{}")
    (folder / "config.json").symlink_to(target)
    with pytest.raises(UserError) as caught:
        safety.check(folder)
    assert caught.value.fault == Fault.UNSAFE_PATH


def test_a_folder_with_a_link_and_no_config_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "link").symlink_to(tmp_path.parent)
    with pytest.raises(UserError) as caught:
        safety.check(tmp_path)
    assert caught.value.fault == Fault.NOT_A_CHECKPOINT


def test_a_blob_that_links_away_is_refused(snapshot: Any, tmp_path: Path) -> None:
    folder = snapshot()
    (tmp_path / "secret").write_text("{}")
    blob = folder / os.readlink(folder / "config.json")
    blob.unlink()
    blob.symlink_to(tmp_path / "secret")
    with pytest.raises(UserError) as caught:
        safety.check(folder)
    assert caught.value.fault == Fault.UNSAFE_PATH


@pytest.mark.parametrize(("damage", "fault", "mentions"), CASES)
def test_refused(
    damage: Callable[[Any], None],
    fault: Fault,
    mentions: tuple[str, ...],
    make: Any,
    refused: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = make()
    safety.check(folder.path)
    monkeypatch.chdir(folder.path.parent)
    (folder.path.parent / "outside.safetensors").write_bytes(b"")
    damage(folder)
    refused(folder, fault, *mentions)
