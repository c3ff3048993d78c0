"""What a model is told beside the words; prompts that can be changed; what differs between two texts."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatdesk.engine.api import BANNED, Bias
from chatdesk.errors import UserError
from chatdesk.paths import resources
from chatdesk.tasks import diffing, guidance
from chatdesk.tasks.diffing import Piece
from chatdesk.tasks.writing_prompts import WritingPrompts, fill, for_selection, for_template


def test_memory_leads_and_the_note_stands_a_few_paragraphs_from_the_end():
    values = {"memory": " Ann is tall. ", "note": "Write\nsadly.", "note_depth": 2, "stop": "END\n\\n\\n"}
    asked = guidance.asked("One.\nTwo.\n\nThree.", "", values, 100, can_fill=True)
    assert asked.lead == "Ann is tall.\n\n"
    assert asked.prompt == "One.\n[Write sadly.]\nTwo.\n\nThree."
    assert asked.stop == ("END", "\n\n")
    assert (asked.suffix, asked.unseen) == ("", 0)


@pytest.mark.parametrize(
    ("depth", "expected"), [(1, "a\nb\n[n]\nc"), (2, "a\n[n]\nb\nc"), (3, "[n]\na\nb\nc"), (9, "[n]\na\nb\nc")]
)
def test_the_depth_counts_paragraphs_from_the_end(depth, expected):
    assert guidance.with_note("a\nb\nc", "n", depth) == expected
    assert guidance.with_note("a\nb\nc", " ", depth) == "a\nb\nc"


def test_what_follows_goes_along_only_where_the_model_can_fill():
    assert guidance.asked("a", "after", {}, 100, can_fill=True).suffix == "after"
    assert guidance.asked("a", "after", {}, 100, can_fill=False).suffix == ""
    assert guidance.asked("a", " \n", {}, 100, can_fill=True).suffix == ""


def test_a_text_far_longer_than_the_context_is_cut_and_that_is_said():
    asked = guidance.asked("x" * 5000, "y" * 5000, {}, 100, can_fill=True)
    assert (len(asked.prompt), asked.unseen, len(asked.suffix)) == (1200, 3800, 1200)


def test_banned_and_wished_for_words():
    found = guidance.biases({"banned": "very\n\n really ", "bias": "river = 2.5\nstone=-3"})
    assert found == (Bias("very", BANNED), Bias("really", BANNED), Bias("river", 2.5), Bias("stone", -3.0))


@pytest.mark.parametrize("line", ["river", "river = much", "= 3", "river = 101"])
def test_a_line_without_a_number_is_named(line):
    with pytest.raises(UserError, match="a number from -100 to 100"):
        guidance.biases({"bias": line})


@pytest.fixture(params=["en", "zh_CN"])
def prompts(request, tmp_path):
    return WritingPrompts(resources() / "prompts", tmp_path / "prompts.toml", request.param)


def test_every_prompt_can_be_sent_to_either_kind_of_model(prompts):
    selections, templates = prompts.all("selection"), prompts.all("template")
    assert len(selections) == 9
    assert [template.key for template in templates] == ["story", "letter", "email", "news", "product"]
    for prompt in selections:
        (message,), stop = for_selection(prompt, " words \n", is_chat=True)
        assert message.text.endswith("\n\nwords")
        assert message.text.startswith(prompt.instruction)
        few, stop = for_selection(prompt, "words", is_chat=False)
        assert few.endswith(f"Text: words{stop}{prompt.name}:")
        assert few.count(stop) == 2 * len(prompt.examples) + 1
    for prompt in templates:
        filled = {name: f"<{name}>" for name, _ in prompt.fields}
        (message,), begins = for_template(prompt, filled, is_chat=True)
        assert all(value in message.text for value in filled.values())
        assert begins == ""
        text, begins = for_template(prompt, filled, is_chat=False)
        assert text == begins
        assert "{" not in text


def test_the_examples_are_in_two_languages(tmp_path):
    of = {
        language: WritingPrompts(resources() / "prompts", tmp_path / "p.toml", language) for language in ("en", "zh_CN")
    }
    for kind in ("selection", "template"):
        for one, other in zip(of["en"].all(kind), of["zh_CN"].all(kind), strict=True):
            assert (one.key, one.kind) == (other.key, other.kind)
            assert one.name != other.name
            assert one.instruction != other.instruction
            assert [name for name, _ in one.fields] == [name for name, _ in other.fields]


def test_a_line_whose_field_is_empty_goes():
    assert fill("To: {to}\nTone: {tone}\nEnd {", {"to": "Ann", "tone": ""}) == "To: Ann\nEnd {"


def test_changed_words_are_kept_and_the_supplied_come_back(tmp_path):
    path = tmp_path / "prompts.toml"
    prompts = WritingPrompts(resources() / "prompts", path)
    supplied = prompts["news"]
    prompts.change("news", "My own {headline}", "")
    again = WritingPrompts(resources() / "prompts", path)
    assert again["news"].instruction == "My own {headline}"
    assert again["news"].beginning == supplied.beginning
    assert again.is_changed("news")
    assert WritingPrompts(resources() / "prompts", path, "zh_CN").is_changed("news") is False
    again.change("news", "", "")
    assert WritingPrompts(resources() / "prompts", path)["news"] == supplied


@pytest.mark.parametrize("content", ["not toml [", "en = 3", "[en]\nnews = 4", "[en.news]\ninstruction = 5"])
def test_a_damaged_file_of_changes_hinders_nothing(tmp_path, content):
    path = tmp_path / "prompts.toml"
    path.write_text(content)
    prompts = WritingPrompts(resources() / "prompts", path)
    assert prompts["news"].instruction
    assert bool(prompts.complaints) == (content == "not toml [")


WORDS = st.lists(st.sampled_from(["the", "cat", "sat", " ", "\n", ".", "天", "气", "on"]), max_size=40).map("".join)


@given(WORDS, WORDS)
def test_the_pieces_make_up_both_texts(old, new):
    found = diffing.pieces(old, new)
    assert "".join(piece.old for piece in found) == old
    assert "".join(piece.new for piece in found) == new
    changes = [i for i, piece in enumerate(found) if piece.is_change]
    assert diffing.chosen(found, changes) == new
    assert diffing.chosen(found, ()) == old
    assert all(b - a > 1 for a, b in itertools.pairwise(changes))


def test_words_and_chinese_characters_are_compared():
    assert diffing.pieces("The quick fox.", "The slow fox.") == [
        Piece("The ", "The "),
        Piece("quick", "slow"),
        Piece(" fox.", " fox."),
    ]
    assert diffing.pieces("今天下雨", "今天下雪")[-1] == Piece("雨", "雪")
    assert diffing.pieces("a b c d", "a x y d")[1] == Piece("b c", "x y")


def test_long_texts_are_compared_by_line_first():
    dice = random.Random(1)
    lines = [" ".join(f"word{dice.randrange(500)}" for _ in range(12)) + "\n" for _ in range(4000)]
    other = [*lines[:100], "A new line.\n", *lines[100:3000], lines[3000].replace("word", "Word", 1), *lines[3001:]]
    found = diffing.pieces("".join(lines), "".join(other))
    assert "".join(piece.new for piece in found) == "".join(other)
    assert [len(piece.new) < 40 for piece in found if piece.is_change] == [True, True]


WORLD = "Ada, the keeper: She is old.\n\n灯塔、塔：灯塔在北边。\nstorm: It: blows\n"


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ("Then ADA came.", ["She is old."]),
        ("Canada and the keepers", []),  # whole words
        ("the  keeper", ["She is old."]),
        ("走向灯塔。", ["灯塔在北边。"]),
        ("A storm; Ada ran.", ["She is old.", "It: blows"]),
        ("storm" + " word" * 1000, []),  # too far away
        ("", []),
    ],
)
def test_what_is_true_of_the_world_is_told_where_its_names_stand(seen, told):
    assert list(guidance.facts(WORLD, seen)) == told
    asked = guidance.asked(seen, "", {"world": WORLD, "memory": "M"}, 4096, can_fill=False)
    assert asked.lead == "".join(f"{part}\n\n" for part in ("M", "\n".join(told)) if part)


@pytest.mark.parametrize("line", ["Ada", "Ada:", ": old", " , : old", "…: old"])
def test_a_fact_without_names_or_words_is_named(line):
    with pytest.raises(UserError, match="names, a colon") as caught:
        guidance.facts(f"Bo: here\n{line}", "")
    assert caught.value.fields["value"] == line.strip()
