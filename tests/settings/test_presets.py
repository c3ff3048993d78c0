import tomllib

import pytest

from chatdesk import paths
from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import CHAT
from chatdesk.settings.presets import NAMES, Presets, own_key

SUPPLIED = paths.resources() / "presets" / "presets.toml"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "presets.toml"


@pytest.mark.parametrize(("language", "first"), [("en", "Assistant"), ("zh_CN", "助手"), ("xx", "Assistant")])
def test_five_come_with_the_program(path, language, first):
    found = Presets(SUPPLIED, path, language).all()
    assert [preset.key for preset in found] == ["assistant", "brainstorm", "precise", "translator", "editor"]
    assert found[0].name == first
    assert all(preset.values["system_prompt"] and not preset.is_own for preset in found)
    assert len({tuple(sorted(preset.values.items())) for preset in found}) == 5
    assert not path.exists()


def test_every_supplied_text_is_there_in_both_languages():
    for entry in tomllib.loads(SUPPLIED.read_text("utf-8"))["preset"]:
        assert set(entry["name"]) == set(entry["system_prompt"]) == {"en", "zh_CN"}


def test_own_ones_are_kept(path):
    presets = Presets(SUPPLIED, path)
    presets.save("Zebra", {"temperature": 0.5, "seed": 7, "system_prompt": "Be brief.", "top_p": None})
    presets.save("apple", {"top_k": 20})
    again = Presets(SUPPLIED, path)
    assert [preset.name for preset in again.all()][5:] == ["apple", "Zebra"]
    assert again.all()[6].values == {"temperature": 0.5, "system_prompt": "Be brief."}
    assert again.complaints == []


def test_the_same_name_is_replaced_and_one_can_be_deleted(path):
    presets = Presets(SUPPLIED, path)
    presets.save("A", {"top_k": 20})
    presets.save("A", {"top_k": 30})
    presets.set_default(own_key("A"))
    assert Presets(SUPPLIED, path).default.values == {"top_k": 30}
    presets.delete(own_key("A"))
    again = Presets(SUPPLIED, path)
    assert (len(again.all()), again.default) == (5, None)


def test_a_supplied_one_can_be_for_new_conversations(path):
    Presets(SUPPLIED, path).set_default("precise")
    assert Presets(SUPPLIED, path, "zh_CN").default.name == "严谨"


def test_matching_does_not_look_at_the_seed(path):
    presets = Presets(SUPPLIED, path)
    precise = presets.all()[2]
    assert presets.matching(precise.values | {"seed": 5}) == precise
    assert presets.matching(precise.values | {"top_k": 5}) is None
    assert presets.matching({}) is None
    assert set(NAMES) == set(CHAT) - {"seed", "overflow"}


def test_a_damaged_file_is_kept_aside(path):
    path.write_bytes(b"\xff not toml")
    presets = Presets(SUPPLIED, path)
    assert len(presets.all()) == 5
    assert path.with_suffix(".damaged.toml").read_bytes() == b"\xff not toml"
    assert "damaged" in str(presets.complaints[0])


@pytest.mark.parametrize(
    "text",
    ['preset = 7', 'default = 7', '[[preset]]\nname = "A"', '[[preset]]\nname = "A"\nvalues = 7',
     '[[preset]]\nname = "A"\nvalues = { temperature = "hot" }', "preset = [7]"],
)  # fmt: skip
def test_what_cannot_be_used_is_left_out(path, text):
    path.write_text(text)
    presets = Presets(SUPPLIED, path)
    assert len(presets.all()) == 5
    assert presets.default is None


def test_one_bad_entry_does_not_cost_the_others(path):
    good = '[[preset]]\nname = "Good"\nvalues = { top_k = 20 }\n'
    path.write_text(good + good.replace("Good", "Bad").replace("20", "-1"))
    presets = Presets(SUPPLIED, path)
    assert [preset.name for preset in presets.all()][5:] == ["Good"]
    assert len(presets.complaints) == 1


def test_what_is_left_out_stays_in_the_file(path):
    """With its prompt, typed by hand or by a newer program, until one of its name is saved."""
    Presets(SUPPLIED, path).save("Mine", {"temperature": 0.5, "system_prompt": "Long and my own."})
    path.write_text(path.read_text("utf-8").replace("0.5", "50"), "utf-8")
    presets = Presets(SUPPLIED, path)
    presets.save("Other", {})
    assert "Long and my own." in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace("50", "0.5"), "utf-8")
    assert [preset.name for preset in Presets(SUPPLIED, path).all()][5:] == ["Mine", "Other"]
    presets.save("Mine", {"temperature": 1.0})
    assert "Long and my own." not in path.read_text("utf-8")


def test_a_file_that_cannot_be_written_is_said_and_the_preset_holds(tmp_path):
    (tmp_path / "file").write_text("")
    presets = Presets(SUPPLIED, tmp_path / "file" / "presets.toml")
    with pytest.raises(UserError) as caught:
        presets.save("A", {"top_k": 20})
    assert caught.value.fault is Fault.CANNOT_WRITE
    assert presets.all()[5].name == "A"
