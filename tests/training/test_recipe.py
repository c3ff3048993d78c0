"""A recipe is read whole or refused with a sentence that names the key."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from chatdesk.cli import cli
from chatdesk.errors import Fault, UserError
from chatdesk.tasks.lab_runs import copy_recipe
from chatdesk.training.recipe import (
    Lora,
    ModelShape,
    Recipe,
    SamplingDefaults,
    Stage,
    Start,
    find_file,
    find_folder,
    load_recipe,
)
from chatdesk.training.recipe import write_recipe as save

WriteRecipe = Callable[..., Path]
START = "[start]\ncheckpoint = 'base'\n"
ADAMW = ('optimizer = "muon"\n', "")


def test_a_good_recipe(write_recipe: WriteRecipe) -> None:
    recipe = load_recipe(write_recipe())
    assert [stage.name for stage in recipe.stages] == ["prose", "talk"]
    assert [stage.step_count for stage in recipe.stages] == [40, 10]
    assert recipe.token_count == 40 * 32 + 640


def test_the_hash_is_of_the_meaning(write_recipe: WriteRecipe) -> None:
    plain = load_recipe(write_recipe()).hash
    assert load_recipe(write_recipe(("seed = 3", "# a note\nseed =  3"))).hash == plain
    assert load_recipe(write_recipe(("seed = 3", "seed = 4"))).hash != plain


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("seed = 3", "sed = 3", "`sed`"),
        ("width = 16", "", "width"),
        ("width = 16", "width = 16\nbreadth = 2", "breadth"),
        ("batch = 2", "batch = 0", "stages[0].batch"),
        ("batch = 2", 'batch = "two"', "stages[0].batch"),
        ("batch = 2", "batch = 2\ndropout = 0.1", "dropout"),
        ('loss = "replies"', 'loss = "some"', "stages[1].loss"),
        ("[model]", "[sampling]\ntop_k = -1\n[model]", "sampling.top_k"),
        ("[model]", "[sampling]\ntyped = 1\n[model]", "typed"),
        ("steps = 40", "steps = 40\ntokens = 99", "stages[0]: give either tokens or steps"),
        ("steps = 40", "", "stages[0]: give either tokens or steps"),
        ("sequence = 32", "sequence = 33", "stages[1].sequence (33) is longer than model.context (32)"),
        ("heads = 2", "heads = 3", "model.width (16) is not a multiple of model.heads (3)"),
        ("vocabulary = 320", "vocabulary = 260", "model.vocabulary (260) is below 261"),
        ("heads = 2", "heads = 2\nkey_value_heads = 1", "is for kind = llama"),
        ("heads = 2", 'heads = 2\nkind = "llama"\nkey_value_heads = 3', "not a multiple of model.key_value_heads (3)"),
        ("heads = 2", 'heads = 16\nkind = "llama"', "is odd"),
        ("heads = 2", 'heads = 2\nkind = "bert"', "model.kind"),
        ("[model]", f"{START}[model]", "give either model, for a new one, or start"),
        ("[model]", "[lora]\n[model]", "lora needs start"),
        ("batch = 2", "batch = 2\naccumulate = 3", "stages[0].batch (2) is not a multiple of accumulate (3)"),
        ("seed = 3", "seed = 3\npatience = 2", "patience needs held_out in every stage"),
        ('name = "talk"', 'name = "prose"', "stages[1].name (prose) is used twice"),
        ('[{ file = "talks.jsonl" }]', "[]", "stages[1].sources"),
        ("version = 1", "version = 2", "version 2; this program reads version = 1"),
        ("version = 1", "", "no version"),
        ("version = 1", "version = ", "not valid TOML"),
        ("seed = 3", f"seed = {'1' * 5000}", "not valid TOML"),
        ("seed = 3", f"seed = {1 << 64}", "seed"),
        ("seed = 3", f"deep = {'[' * 3000}{']' * 3000}", "not valid TOML"),
        ("steps = 40", "steps = 900_000_000", "stages[0]: 900000000 steps of 2 rows are more than can be planned"),
        ("weight = 3", "weight = inf", "stages[0].sources[0].weight"),
        ("learning_rate = 1e-2", "learning_rate = nan", "stages[0].learning_rate"),
        ("width = 16", "width = 1_000_000_000_000", "model.width"),
        ('name = "talk"', 'name = "../talk"', "stages[1].name: a file is called by it"),
        ('name = "talk"', f'name = "{"x" * 61}"', "at most 60 letters"),
    ],
)
def test_a_bad_recipe(write_recipe: WriteRecipe, old: str, new: str, reason: str) -> None:
    path = write_recipe((old, new))
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    assert caught.value.fault == Fault.BAD_RECIPE
    assert reason in caught.value.fields["reason"]
    assert caught.value.fields["path"] == str(path)


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(tmp_path / "none.toml")
    assert caught.value.fault == Fault.FILE_NOT_FOUND


def test_files_are_found_in_the_text_folder_then_beside_the_recipe(tmp_path: Path, text: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    (tmp_path / "own.jsonl").write_text("")
    assert find_file("plain.txt", recipe, text) == text / "plain.txt"
    assert find_file("own.jsonl", recipe, text) == tmp_path / "own.jsonl"
    with pytest.raises(UserError) as caught:
        find_file("none.txt", recipe, text)
    assert caught.value.fault == Fault.FILE_NOT_FOUND


def test_odd_names_are_looked_for_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    recipe = tmp_path / "deep" / "recipe.toml"
    (tmp_path / "own.txt").write_text("")
    assert find_file("~/own.txt", recipe, None) == tmp_path / "own.txt"
    for name in ("~nobody-of-that-name/a.txt", "x" * 400, "a\0b"):
        with pytest.raises(UserError) as caught:
            find_file(name, recipe, None)
        assert caught.value.fault == Fault.FILE_NOT_FOUND
    assert find_folder("~nobody-of-that-name", recipe) == tmp_path / "deep" / "~nobody-of-that-name"
    with pytest.raises(UserError, match="cannot be"):
        find_folder("a\0b", recipe)


def test_reading_a_recipe_needs_no_torch() -> None:
    code = (
        "import sys, chatdesk.training.recipe, chatdesk.training.order, chatdesk.training.events;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'accelerate', 'tokenizers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_written_recipe_is_the_same(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    shape = "[model]\nvocabulary = 320\ncontext = 32\nwidth = 16\nlayers = 1\nheads = 2\n"
    for changes in ((), ((shape, f"{START}[lora]\nrank = 3\n"), ADAMW)):
        read = load_recipe(write_recipe(*changes))
        save(read, tmp_path / "again.toml")
        assert load_recipe(tmp_path / "again.toml") == read
    assert "rank = 3" in (tmp_path / "again.toml").read_text()
    assert "top_k" not in (tmp_path / "again.toml").read_text()  # what is as usual is left out


def test_the_example_explains_every_key(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["train", "--example"])
    path = tmp_path / "recipe.toml"
    path.write_text(shown.stdout)
    recipe = load_recipe(path)
    assert (shown.exit_code, recipe.token_count) == (0, 1_998_848)
    keys = {
        name for kind in (Recipe, ModelShape, Start, Lora, Stage, SamplingDefaults) for name in kind.__struct_fields__
    }
    told = re.findall(r"^(?:# )?\[*(\w+)(?: =|\]+$)", shown.stdout, re.MULTILINE)
    assert sorted(told) == sorted([*keys, "layers"])  # of the model and of a stage
    for line in shown.stdout.splitlines():  # what may be left out has the value that is shown
        if usual := re.match(r"# (\w+ = [^#]*?) *(#.*)?$", line):
            key = usual[1].split(" = ")[0]
            kinds = [kind for kind in (Recipe, ModelShape, Lora, SamplingDefaults, Stage) if key in _defaults(kind)]
            if kinds and key not in ("layers", "steps", "tokenizer", "held_out"):
                assert tomllib.loads(usual[1])[key] == _plain(_defaults(kinds[0])[key])


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _defaults(kind: type[msgspec.Struct]) -> dict[str, object]:
    return {field.name: field.default for field in msgspec.structs.fields(kind) if not field.required}


def test_no_recipe_is_a_sentence() -> None:
    failed = CliRunner().invoke(cli, ["train"])
    assert (failed.exit_code, "--example" in failed.stderr) == (2, True)


def test_a_recipe_elsewhere_names_the_same_folders(write_recipe: WriteRecipe, tmp_path: Path) -> None:
    content = write_recipe().read_text(encoding="utf-8")
    model = content[content.index("[model]") : content.index("[[stages]]")]
    run = tmp_path / "other" / "run"
    run.mkdir(parents=True)
    copy_recipe(write_recipe((model, '[start]\ncheckpoint = "mine/small"\n'), ('optimizer = "muon"', "")), run)
    copied = load_recipe(run / "recipe.toml")
    assert copied.start is not None
    assert copied.start.checkpoint == str((tmp_path / "mine" / "small").resolve())
    copy_recipe(write_recipe(("vocabulary = 320", 'vocabulary = 0\ntokenizer = "mine"')), run)
    assert load_recipe(run / "recipe.toml").shape.tokenizer == str((tmp_path / "mine").resolve())
    plain = write_recipe(("seed = 3", "seed = 3  # a remark"))
    copy_recipe(plain, run)
    assert (run / "recipe.toml").read_bytes() == plain.read_bytes()


def test_a_recipe_that_cannot_be_written_is_told(write_recipe: WriteRecipe, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        save(load_recipe(write_recipe()), tmp_path / "none" / "recipe.toml")
    assert caught.value.fault == Fault.CANNOT_WRITE
