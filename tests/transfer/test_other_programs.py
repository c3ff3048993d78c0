"""What other programs export, whole and damaged."""

import copy
import json
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.storage.transfer import files, stepwise
from chatdesk.storage.transfer.reading import read
from chatdesk.storage.transfer.store import store
from chatdesk.storage.transfer.trees import Reason
from tests.transfer.samples import (
    ANSWER,
    FILES,
    OTHER,
    QUESTION,
    chatgpt,
    jan_folder,
    jan_in_one,
    jan_messages,
    jan_thread,
    lm_studio,
    open_webui,
    outcome,
)


def shape(tree):
    """Each message as (index of its parent, role, text)."""
    places = {node.id: number for number, node in enumerate(tree.messages)}
    return [(places.get(node.parent_id), node.role, node.text) for node in tree.messages]


def counts(found):
    return {skipped.reason: skipped.count for skipped in found.skipped}


def refusal(path):
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value)
    return caught.value


def test_chatgpt(read_document):
    found = read_document(chatgpt(), "conversations.json")
    (tree,) = found.conversations
    assert found.source == "chatgpt"
    assert shape(tree) == [
        (None, "user", QUESTION),
        (0, "assistant", ANSWER),
        (0, "assistant", OTHER),
        (2, "user", "[image]\nAnd this?"),
        (3, "assistant", "```python\nprint(1)\n```"),
    ]
    assert (tree.title, tree.created_at, tree.changed_at, tree.tip) == ("Salt", 99.5, 107.0, tree.messages[-1].id)
    assert tree.settings == {"system_prompt": "Be brief."}
    assert (tree.messages[1].provenance, tree.messages[1].finish_reason) == ({"model": "gpt-4o"}, "stop")
    assert [node.created_at for node in tree.messages] == [100.0, 101.0, 105.0, 106.0, 107.0]
    assert counts(found) == {Reason.THOUGHT: 1, Reason.TOOL: 2}


def test_custom_instructions_of_chatgpt_are_the_system_prompt(read_document):
    document = chatgpt()
    content = {"content_type": "user_editable_context", "user_profile": "I cook.", "user_instructions": "Rhyme."}
    document[0]["mapping"]["sys"]["message"] = {"author": {"role": "user"}, "content": content}
    (tree,) = read_document(document).conversations
    assert tree.settings == {"system_prompt": "I cook.\n\nRhyme."}


def test_open_webui(read_document):
    found = read_document(open_webui())
    (tree,) = found.conversations
    assert found.source == "open-webui"
    assert shape(tree) == [
        (None, "user", QUESTION),
        (0, "assistant", ANSWER),
        (0, "assistant", OTHER),
        (2, "user", "Thanks"),
    ]
    assert tree.settings == {"system_prompt": "Be brief."}
    assert tree.messages[1].provenance == {"model": "m:1b"}
    assert counts(found) == {Reason.THOUGHT: 1}


def test_an_old_chat_of_open_webui_is_a_list(read_document):
    document = open_webui()
    chat = document[0]["chat"]
    chat["messages"] = [chat["history"]["messages"][id] for id in ("q", "a1")]
    del chat["history"]
    (tree,) = read_document(document).conversations
    assert shape(tree) == [(None, "user", QUESTION), (0, "assistant", ANSWER)]


def test_lm_studio(read_document):
    found = read_document(lm_studio(), "1736789912980.conversation.json")
    (tree,) = found.conversations
    assert found.source == "lm-studio"
    assert shape(tree) == [
        (None, "user", QUESTION),
        (0, "assistant", ANSWER),
        (0, "assistant", OTHER),
        (2, "user", "Thanks"),
    ]
    assert tree.settings == {"system_prompt": "Be brief."}
    assert (tree.messages[2].finish_reason, tree.messages[2].provenance) == ("stop", {"model": "some/model"})
    assert tree.created_at == 1_736_789_912.980
    assert counts(found) == {Reason.THOUGHT: 1}


def test_jan(tmp_path, read_document):
    folder = jan_folder(tmp_path / "threads" / "jan_1704487430")
    of_folder = read(tmp_path / "threads")
    (tree,) = of_folder.conversations
    assert shape(tree) == [(None, "user", QUESTION), (0, "assistant", ANSWER)]
    assert tree.settings == {"system_prompt": "Be brief."}
    assert tree.messages[1].provenance == {"model": "some-model"}
    assert tree.messages[1].created_at == 1704487431.123
    for path in (folder, folder / "thread.json", folder / "messages.jsonl"):
        assert read(path) == of_folder
    assert read_document(jan_in_one()).conversations == of_folder.conversations


def test_a_broken_line_of_jan_is_noted_and_the_rest_comes_in(tmp_path):
    folder = jan_folder(tmp_path / "thread")
    with (folder / "messages.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "3", "role": "user", "cont')
    found = read(folder)
    assert len(found.conversations[0].messages) == 2
    assert counts(found) == {Reason.NOT_A_MESSAGE: 1}


def test_a_zip_of_chatgpt_is_read_and_nothing_else_of_it(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "not even JSON")
        archive.writestr("__MACOSX/conversations.json", "junk")
        archive.writestr("export/conversations-000.json", json.dumps(chatgpt()))
        second = chatgpt()
        second[0] |= {"conversation_id": "other", "title": "Pepper"}
        archive.writestr("export/conversations-001.json", json.dumps(second))
    found = read(path)
    assert [tree.title for tree in found.conversations] == ["Salt", "Pepper"]
    assert set(counts(found)) == {Reason.THOUGHT, Reason.TOOL}


def test_a_zip_of_jan(tmp_path):
    path = tmp_path / "jan.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("threads/a/thread.json", json.dumps(jan_thread()))
        archive.writestr("threads/a/messages.jsonl", "\n".join(map(json.dumps, jan_messages())))
    assert [len(tree.messages) for tree in read(path).conversations] == [2]


@pytest.mark.parametrize("megabytes", [20, 100])
def test_a_zip_bomb_is_refused(tmp_path, megabytes):
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("conversations.json", "w") as file,
    ):
        for _ in range(megabytes):
            file.write(bytes(2**20))
    assert refusal(path).fields["reason"] == Reason.ZIP_BOMB


def test_the_header_of_a_zip_is_not_believed(tmp_path, monkeypatch):
    """Members that together are more than the cap are not read, however little each says it is."""
    monkeypatch.setattr(files, "LARGEST", 1000)
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps(chatgpt()))
    assert refusal(path).fields["reason"] == Reason.TOO_LARGE


def test_a_file_of_two_gigabytes_is_refused_by_its_size(tmp_path):
    path = tmp_path / "conversations.json"
    with path.open("wb") as file:
        file.truncate(2 * 2**30)  # sparse
    error = refusal(path)
    assert (error.fault, error.fields["size"]) == (Fault.IMPORT_TOO_LARGE, "2.0")


def test_a_damaged_zip(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", json.dumps(chatgpt()))
    whole = path.read_bytes()
    reasons = set()
    for size in range(4, len(whole), 37):
        path.write_bytes(whole[:size])
        reasons.add(refusal(path).fields["reason"])
    assert reasons == {Reason.BROKEN_ZIP}
    for at in range(0, len(whole), 23):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        found = outcome(read, path)
        if isinstance(found, UserError):
            assert found.fault in (Fault.IMPORT_UNREADABLE, Fault.IMPORT_TOO_LARGE)
        else:
            assert found.conversations


@pytest.mark.parametrize(("name", "make"), FILES.values())
def test_a_file_that_was_cut_is_refused_with_a_reason(tmp_path, name, make):
    """Where no conversation is whole; of a list the whole ones come in, and the rest is said."""
    path = tmp_path / name
    whole = json.dumps(make()).encode()
    for size in {*range(0, len(whole), 41), *range(len(whole) - 3, len(whole))}:
        path.write_bytes(whole[:size])
        if whole.startswith(b"[") and size == len(whole) - 1:
            found = read(path)
            assert (len(found.conversations), counts(found)[Reason.NOT_JSON]) == (1, 1)
        else:
            assert refusal(path).fields["reason"] in (Reason.NOT_JSON, Reason.UNKNOWN_FORMAT)


def test_memory_that_ends_is_said(tmp_path, monkeypatch):
    (tmp_path / "conversations.json").write_text(json.dumps(chatgpt()), encoding="utf-8")

    def ends(*_):
        raise MemoryError

    monkeypatch.setattr(stepwise, "loads", ends)
    assert refusal(tmp_path / "conversations.json").fields["reason"] == Reason.NO_MEMORY


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings(tmp_path, encoding):
    path = tmp_path / "conversations.json"
    document = chatgpt()
    document[0]["title"] = "盐 🧂"
    path.write_bytes(json.dumps(document, ensure_ascii=False).encode(encoding))
    found = read(path)
    assert (found.conversations[0].title, len(found.conversations[0].messages)) == ("盐 🧂", 5)
    assert Reason.DAMAGED_BYTES not in counts(found)


def test_damaged_utf8_is_read_and_said(tmp_path):
    path = tmp_path / "conversations.json"
    path.write_bytes(json.dumps(chatgpt()).encode().replace(b"Sodium", b"S\xffdium"))
    found = read(path)
    assert found.conversations[0].messages[1].text == "S\ufffddium chloride."
    assert counts(found)[Reason.DAMAGED_BYTES] == 1


def test_lone_surrogates_and_huge_numbers_do_no_harm(read_document, conversations):
    document = chatgpt()
    document[0]["title"] = "half \ud83d of a pair"
    document[0]["mapping"]["q"]["message"]["content"]["parts"] = ["\ud83d\ude00 and \ude00"]
    document[0]["create_time"] = 10**400
    document[0]["update_time"] = float("nan")
    found = read_document(document)
    assert store(conversations, found).new
    assert [conversation.title for conversation in conversations.list()] == ["half \ufffd of a pair"]
    assert found.conversations[0].messages[0].text == "\U0001f600 and \ufffd"


@pytest.mark.parametrize("document", [[], {}, "text", 3, None, [1, 2], {"a": 1}, [[]], {"messages": []}])
def test_json_that_is_no_export(read_document, document):
    with pytest.raises(UserError) as caught:
        read_document(document)
    assert caught.value.fields["reason"] in (Reason.UNKNOWN_FORMAT, Reason.NO_CONVERSATION)


def test_deep_nesting_is_refused(tmp_path):
    path = tmp_path / "conversations.json"
    path.write_text("[" * 200_000 + "]" * 200_000, encoding="utf-8")
    assert refusal(path).fields["reason"] == Reason.TOO_DEEP


def test_what_is_not_there_and_what_is_no_file(tmp_path):
    assert refusal(tmp_path / "nothing.json").fault is Fault.FILE_NOT_FOUND
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").fields["reason"] == Reason.NO_CONVERSATION


def test_a_chain_of_fifty_thousand_messages(read_document, conversations):
    def node(number):
        content = {"parts": [f"{number}"]}
        role = "assistant" if number % 2 else "user"
        return {"message": {"author": {"role": role}, "content": content}, "parent": f"{number - 1}"}

    mapping = {f"{number}": node(number) for number in range(50_000)}
    found = read_document([{"id": "long", "mapping": mapping}])
    (tree,) = found.conversations
    assert len(tree.messages) == 50_000
    assert tree.tip == tree.messages[-1].id
    assert counts(found) == {Reason.NO_PARENT: 1}


def test_what_is_wrong_with_a_tree_is_mended_and_said(read_document, conversations):
    document = chatgpt()
    mapping = document[0]["mapping"]
    mapping["a1"]["parent"] = "nowhere"
    mapping["q2"]["parent"] = "a3"
    found = read_document(document)
    (tree,) = found.conversations
    assert shape(tree) == [
        (None, "user", QUESTION),
        (None, "assistant", ANSWER),
        (0, "assistant", OTHER),
        (None, "user", "[image]\nAnd this?"),
        (3, "assistant", "```python\nprint(1)\n```"),
    ]
    assert counts(found) == {Reason.THOUGHT: 1, Reason.TOOL: 2, Reason.NO_PARENT: 1, Reason.CYCLE: 1}
    assert store(conversations, found).new == (tree.id,)


def test_doubles_inside_a_file(read_document):
    document = [*chatgpt(), *chatgpt(), {"title": "no tree"}]
    found = read_document(document)
    assert len(found.conversations) == 1
    assert counts(found)[Reason.TWICE] == 1
    assert counts(found)[Reason.NOT_A_CONVERSATION] == 1
    twice = jan_in_one()
    twice["messages"] += jan_messages()
    found = read_document(twice)
    assert len(found.conversations[0].messages) == 2
    assert counts(found) == {Reason.MESSAGE_TWICE: 2}


def places(document, at=()):
    """The ways to all values in a document."""
    yield at
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from places(value, (*at, key))


def replaced(document, place, value):
    document = copy.deepcopy(document)
    if not place:
        return value
    holder = document
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return document


WRONG = [None, True, -1, 1.5, 10**30, "", "text", "q", "a3", [], [None], ["x"], {}, {"a": 1}, {"id": []}, [[[]]]]


@pytest.mark.parametrize(("name", "make"), FILES.values())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_wrong_value_at_any_place_is_survived(name, make, read_document, conversations, data):
    document = make()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(places(document))))
        document = replaced(document, place, data.draw(st.sampled_from(WRONG)))
    found = outcome(read_document, document, name)
    if isinstance(found, UserError):
        assert found.fault is Fault.IMPORT_UNREADABLE
        return
    assert found.conversations
    for tree in found.conversations:
        known = {None}
        for node in tree.messages:
            assert node.parent_id in known
            assert node.role in ("user", "assistant")
            known.add(node.id)
        assert tree.tip in known
    store(conversations, found)
    again = store(conversations, found)
    assert (again.new, again.grown) == ((), ())
