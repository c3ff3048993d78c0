"""Each operation by itself."""

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage.records import Attachment


def talk(conversations, *texts):
    """A conversation with one branch."""
    conversation = conversations.create("Talk")
    parent = None
    messages = []
    for number, text in enumerate(texts):
        role = ("user", "assistant")[number % 2]
        messages.append(conversations.add_message(conversation.id, parent, role, text))
        parent = messages[-1].id
    return conversation.id, messages


def test_new_conversation_is_kept(conversations):
    settings = {"seed": 2**64 - 1, "sampling": {"temperature": 0.7}, "system_prompt": "天气\n"}
    made = conversations.create("Title", settings)
    assert conversations.get(made.id) == made
    assert conversations.list() == [made]
    assert made.settings == settings


def test_list_begins_with_the_newest_message_and_a_draft_does_not_move_it(conversations):
    first, second = conversations.create("first"), conversations.create("second")
    assert [c.id for c in conversations.list()] == [second.id, first.id]
    conversations.add_message(first.id, None, "user", "up")
    conversations.set_draft(second.id, "not sent")
    conversations.rename(second.id, "renamed")
    assert [c.title for c in conversations.list()] == ["first", "renamed"]
    assert conversations.get(second.id).draft == "not sent"


def test_trash_can_be_undone_and_purging_removes_everything(conversations, database):
    id, messages = talk(conversations, "hello", "hi")
    partial = conversations.begin_reply(id, messages[1].id, {"model": "m"})
    conversations.set_unsent_attachments(id, [Attachment("a.txt", "a")])
    conversations.delete(id)
    assert conversations.list() == []
    assert [c.id for c in conversations.list(include_deleted=True)] == [id]
    conversations.restore(id)
    assert conversations.branch(id) == messages
    conversations.purge(id)
    for table in ("conversations", "messages", "partials", "provenance", "unsent_attachments"):
        assert database.query(f"SELECT count(*) FROM {table}") == [(0,)]
    with pytest.raises(KeyError):
        conversations.extend_reply(partial.id, "late", ())


def test_sending_takes_the_draft_with_it(conversations):
    id, _ = talk(conversations)
    conversations.set_draft(id, "hello")
    conversations.add_message(id, None, "user", "hello", clear_draft=True)
    assert conversations.get(id).draft == ""


def test_unsent_attachments_are_kept_in_order_until_they_are_sent(conversations):
    id, _ = talk(conversations, "hello")
    other, _ = talk(conversations)
    files = (Attachment("b.txt", "二\r\n\0"), Attachment("a.md", ""), Attachment("b.txt", "the same name"))
    conversations.set_unsent_attachments(id, files)
    conversations.set_unsent_attachments(other, files[:1])
    assert conversations.unsent_attachments(id) == files
    conversations.set_draft(id, "read these")
    sent = conversations.add_message(id, None, "user", "read these", clear_draft=True, attachments=files)
    assert conversations.message(sent.id).attachments == files
    assert conversations.unsent_attachments(id) == ()
    assert conversations.unsent_attachments(other) == files[:1]
    conversations.set_unsent_attachments(other, ())
    assert conversations.unsent_attachments(other) == ()


def test_unsent_attachments_need_a_conversation_and_survive_flipped_bits(conversations, database):
    with pytest.raises(KeyError):
        conversations.set_unsent_attachments("nobody", [])
    id, _ = talk(conversations)
    conversations.set_unsent_attachments(id, [Attachment("a.txt", "a")])
    database.execute("UPDATE unsent_attachments SET text = CAST(? AS TEXT)", b"\xff")
    assert conversations.unsent_attachments(id) == (Attachment("a.txt", "\ufffd"),)


def test_editing_and_regenerating_make_siblings(conversations):
    id, (question, answer) = talk(conversations, "hello", "hi")
    edited = conversations.add_message(id, None, "user", "hello!")
    assert conversations.siblings(question.id) == [question, edited]
    assert conversations.branch(id) == [edited]
    again = conversations.add_message(id, question.id, "assistant", "hi there")
    assert conversations.children(question.id) == [answer, again]
    assert conversations.branch(id) == [question, again]


def test_choosing_goes_down_to_the_newest_leaf(conversations):
    id, (question, answer) = talk(conversations, "hello", "hi")
    again = conversations.add_message(id, question.id, "assistant", "hi there")
    deep = conversations.add_message(id, answer.id, "user", "well")
    edited = conversations.add_message(id, None, "user", "hello!")
    conversations.choose(question.id)
    assert conversations.branch(id) == [question, answer, deep]
    conversations.choose(again.id)
    assert conversations.branch(id) == [question, again]
    conversations.choose(edited.id)
    assert conversations.get(id).tip == edited.id


def test_a_finished_reply_is_a_message_with_provenance(conversations):
    id, (question,) = talk(conversations, "hello")
    known = {"model": "Small", "model_path": "/m", "device": "cpu", "seed": 7, "sampling": {"top_k": 5}}
    partial = conversations.begin_reply(id, question.id, known)
    conversations.extend_reply(partial.id, "hi", (1, 2))
    assert conversations.branch(id) == [question]
    done = conversations.finish_reply(
        partial.id, "hi there", (1, 2, 70000), "stop", {"new_tokens": 3, "ttft_s": 0.5, "tokens_per_s": float("nan")}
    )
    assert done.id == partial.id
    assert conversations.branch(id) == [question, done]
    assert (done.role, done.text, done.token_ids, done.finish_reason) == (
        "assistant", "hi there", (1, 2, 70000), "stop",
    )  # fmt: skip
    provenance = conversations.provenance([question.id, done.id])
    assert list(provenance) == [done.id]
    found = provenance[done.id]
    assert (found.model, found.seed, found.sampling, found.new_tokens) == ("Small", 7, {"top_k": 5}, 3)
    assert (found.ttft_s, found.tokens_per_s, found.prompt_tokens) == (0.5, None, None)
    assert conversations.recover() == []


def test_recovering_keeps_what_was_written_and_drops_empty_replies(conversations):
    id, (question,) = talk(conversations, "hello")
    conversations.begin_reply(id, question.id, {})
    partial = conversations.begin_reply(id, question.id, {"model": "Small"})
    conversations.extend_reply(partial.id, "so far", (4, 5))
    (recovered,) = conversations.recover()
    assert (recovered.id, recovered.text, recovered.token_ids) == (partial.id, "so far", (4, 5))
    assert recovered.finish_reason == "interrupted"
    assert conversations.branch(id) == [question, recovered]
    assert conversations.provenance([recovered.id])[recovered.id].model == "Small"
    assert conversations.children(question.id) == [recovered]
    assert conversations.recover() == []


def test_an_empty_reply_can_be_dropped(conversations):
    id, (question,) = talk(conversations, "hello")
    partial = conversations.begin_reply(id, question.id, {})
    conversations.drop_reply(partial.id)
    assert conversations.recover() == []
    with pytest.raises(KeyError):
        conversations.drop_reply(partial.id)


def test_a_wrong_provenance_is_refused_before_the_reply(conversations):
    id, (question,) = talk(conversations, "hello")
    with pytest.raises(ValueError, match="seed"):
        conversations.begin_reply(id, question.id, {"seed": "seven"})
    assert conversations.recover() == []


@pytest.mark.parametrize("text", ["", "\0 in the middle", "\r\n\t", "天气 🙂", "e\u0301", "\ufeff", "x" * 2_000_000])
def test_text_comes_back_as_it_was(conversations, text):
    id, (message,) = talk(conversations, text)
    assert conversations.message(message.id).text == text
    assert conversations.message(message.id).damaged is False
    conversations.set_draft(id, text)
    assert conversations.get(id).draft == text


def test_halves_of_a_pair_are_joined_and_lone_ones_replaced(conversations):
    _, (message,) = talk(conversations, "\ud83d\ude42 and \ud83d")
    assert conversations.message(message.id) == message
    assert message.text == "🙂 and \ufffd"


def test_unknown_ids_are_key_errors_and_change_nothing(conversations):
    id, (message,) = talk(conversations, "hello")
    other, (foreign,) = talk(conversations, "other")
    for work in (
        lambda: conversations.get("x"),
        lambda: conversations.message("x"),
        lambda: conversations.choose("x"),
        lambda: conversations.siblings("x"),
        lambda: conversations.children("x"),
        lambda: conversations.rename("x", "t"),
        lambda: conversations.purge("x"),
        lambda: conversations.add_message("x", None, "user", "t"),
        lambda: conversations.add_message(id, "x", "user", "t"),
        lambda: conversations.add_message(id, foreign.id, "user", "t"),
        lambda: conversations.begin_reply(id, foreign.id, {}),
        lambda: conversations.finish_reply("x", "t", (), "stop", {}),
    ):
        with pytest.raises(KeyError):
            work()
    assert conversations.branch(id) == [message]
    assert conversations.branch(other) == [foreign]


def test_a_missing_message_is_an_error_with_a_name(conversations, database):
    id, messages = talk(conversations, "a", "b", "c")
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("DELETE FROM messages WHERE id = ?", messages[0].id)
    with pytest.raises(UserError) as caught:
        conversations.branch(id)
    assert caught.value.fault is Fault.DATABASE_CORRUPT
    assert messages[0].id in caught.value.fields["reason"]
