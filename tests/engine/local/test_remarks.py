"""What a checkpoint leaves open is said, and never guessed in silence."""

import json
from pathlib import Path

import pytest

from chatdesk.engine.api import Load, Loaded
from chatdesk.engine.local import LocalEngine, loading
from chatdesk.library.fit import Place, Plan, Word
from chatdesk.remarks import REMARKS, Remark
from tests.engine.checkpoints import make_checkpoint

HERE = Place("cpu", "CPU", 1 << 34, 1 << 34, "float32")


def said(folder: Path, dtype: str = "float32") -> tuple[set[str], frozenset[int]]:
    """The remarks of a load, and the end tokens that are used."""
    engine = LocalEngine()
    *_, last = engine.run(Load(1, str(folder), "cpu", dtype))
    assert isinstance(last, Loaded), last
    ends = engine._loaded().checkpoint.eos_ids
    engine.close()
    assert len(set(last.model.remarks)) == len(last.model.remarks)
    return set(last.model.remarks), ends


def test_nothing_is_said_where_nothing_is_open(tmp_path):
    folder = make_checkpoint(tmp_path, chat_template="{{ messages }}", generation_config={"temperature": 0.5})
    assert said(folder) == (set(), frozenset([0]))


def test_no_generation_config_and_no_template(tmp_path):
    folder = make_checkpoint(tmp_path)
    (folder / "generation_config.json").unlink()
    assert said(folder)[0] == {Remark.NO_GENERATION_CONFIG, Remark.NO_CHAT_TEMPLATE}


@pytest.mark.parametrize(
    "values",
    [{"temperature": "hot"}, {"top_p": 70}, {"top_k": -1}, {"eos_token_id": ["</s>"]}, {"repetition_penalty": None}],
)
def test_sampling_values_that_cannot_be_used(tmp_path, values):
    folder = make_checkpoint(tmp_path, generation_config=values, chat_template="{{ messages }}")
    assert said(folder)[0] == (set() if None in values.values() else {Remark.ODD_GENERATION_CONFIG})


@pytest.mark.parametrize("named", [10**9, -5, [0, 10**9]])
def test_an_end_token_that_the_model_does_not_have(tmp_path, named):
    folder = make_checkpoint(tmp_path, generation_config={"eos_token_id": named}, chat_template="{{ messages }}")
    assert said(folder) == ({Remark.ODD_END_TOKEN}, frozenset([0]))


def test_no_end_token_at_all(tmp_path):
    folder = make_checkpoint(tmp_path, chat_template="{{ messages }}", config={"eos_token_id": None})
    described = json.loads((folder / "tokenizer_config.json").read_text())
    del described["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    assert said(folder) == ({Remark.NO_END_TOKEN}, frozenset())


def test_words_of_the_plan(tmp_path, monkeypatch):
    words = (Word.SHORT, Word.SWAPS, Word.ON_CPU)
    monkeypatch.setattr(loading, "plans_of", lambda *_: [Plan(HERE, "float32", 64, 0, 2, 0, 0, 0, words)])
    folder = make_checkpoint(tmp_path, chat_template="{{ messages }}")
    assert said(folder, "auto")[0] == {Remark.SHORT_CONTEXT, Remark.SWAPS, Remark.ON_CPU}
    assert said(folder)[0] == set()


def test_every_remark_has_its_sentence():
    assert REMARKS.keys() == set(Remark)
    assert all(sentence.endswith(".") for sentence in REMARKS.values())
