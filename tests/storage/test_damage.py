"""Flipped bits: in a column of a row, and anywhere in the file. Text never changes without a word about it."""

import contextlib
import random
import shutil

import msgspec
import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage.backups import Damaged, _connect, _damage
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.rows import HASHED, conversation_values

TEXT = "The quick brown fox jumps over the lazy dog. 敏捷的棕色狐狸。"
COLUMNS = [column for column in HASHED["messages"] if column != "id"]


def fill(conversations, count=8):
    """One branch of messages in which every column has a value; returns the conversation and what is in it."""
    id = conversations.create("Foxes", {"seed": 1}).id
    parent = conversations.add_message(id, None, "user", TEXT, (5, 6), "stop").id
    for number in range(count):
        partial = conversations.begin_reply(id, parent, {"model": "Small"})
        parent = conversations.finish_reply(partial.id, f"{number} {TEXT}", range(40), "stop", {}).id
    return id, conversations.branch(id)


def flip(value, random_bit):
    """The same value with one bit changed, as a damaged page would give it back."""
    if isinstance(value, float):
        return value + 2.0 ** -(random_bit % 10)
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    bit = random_bit % (8 * len(raw))
    raw[bit // 8] ^= 1 << bit % 8
    return bytes(raw)


def flip_in_rows(database, times, seed=1):
    conversations = Conversations(database)
    id, messages = fill(conversations)
    dice = random.Random(seed)
    database.execute("PRAGMA foreign_keys = OFF")
    for _ in range(times):
        message = dice.choice(messages[1:])
        column = dice.choice([*COLUMNS, "digest"])
        ((value,),) = database.query(f"SELECT {column} FROM messages WHERE id = ?", message.id)
        changed = flip(value, dice.getrandbits(16))
        write = f"UPDATE messages SET {column} = {'CAST(? AS TEXT)' if isinstance(value, str) else '?'} WHERE id = ?"
        database.execute(write, changed, message.id)
        assert conversations.message(message.id).damaged, (column, changed)
        assert any(found.damaged and found.id == message.id for found in conversations.branch(id))
        last = conversations.branch_view(id, most=3)
        above = conversations.branch_view(id, last[0].message.id)
        assert [shown.message for shown in above + last] == conversations.branch(id)
        database.execute(write, value, message.id)
        assert conversations.message(message.id) == message
    assert conversations.branch(id) == messages
    return times


def test_a_flipped_bit_in_a_row_marks_the_message(database):
    assert flip_in_rows(database, 40) == 40


@pytest.mark.soak
@pytest.mark.parametrize("times", [600])
def test_every_flipped_bit_in_a_row_marks_the_message(database, times):
    assert flip_in_rows(database, times, seed=2) == times


def read_everything(path, id, messages):
    """What a reader is told: "unchanged", "marked", or the code of the error."""
    try:
        with contextlib.closing(open_database(path, path.parent)) as database:
            assert database.read_only is None
            conversations = Conversations(database)
            conversation = conversations.get(id)
            found = conversations.branch(id)
            provenance = conversations.provenance([message.id for message in found])
    except UserError as error:
        return error.fault
    except KeyError:
        return "not found"
    if conversation.damaged or any(record.damaged for record in (*found, *provenance.values())):
        return "marked"
    assert found == messages
    assert conversation.title == "Foxes"
    return "unchanged"


def flip_in_file(tmp_path, times, seed=1):
    original = tmp_path / "original.db"
    with contextlib.closing(open_database(original, tmp_path)) as database:
        id, messages = fill(Conversations(database))
    size = original.stat().st_size
    dice = random.Random(seed)
    outcomes = {}
    for _ in range(times):
        path = tmp_path / "flipped.db"
        shutil.copyfile(original, path)
        with path.open("rb+") as file:
            offset = dice.randrange(size)
            file.seek(offset)
            byte = file.read(1)[0] ^ 1 << dice.randrange(8)
            file.seek(offset)
            file.write(bytes([byte]))
        outcome = read_everything(path, id, messages)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        assert path.exists()
    return outcomes


def test_a_flipped_bit_in_the_file_never_changes_text_silently(tmp_path):
    outcomes = flip_in_file(tmp_path, 100)
    assert "marked" in outcomes
    assert sum(outcomes.values()) == 100


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [600, 20_000])
def test_no_flipped_bit_in_the_file_changes_text_silently(tmp_path, times):
    outcomes = flip_in_file(tmp_path, times, seed=2)
    print(outcomes)
    assert sum(outcomes.values()) == times


def test_a_damaged_message_is_read_as_far_as_it_goes_and_lends_no_tokens(database):
    conversations = Conversations(database)
    id, messages = fill(conversations, 1)
    database.execute("UPDATE messages SET text = CAST(? AS TEXT) WHERE id = ?", b"Th\xe5 fox", messages[1].id)
    found = conversations.branch(id)[1]
    assert (found.text, found.token_ids, found.damaged) == ("Th\ufffd fox", None, True)


def test_damage_is_not_hidden_by_writing_again(database):
    conversations = Conversations(database)
    id, messages = fill(conversations, 1)
    partial = conversations.begin_reply(id, messages[-1].id, {"model": "Small"})
    conversations.extend_reply(partial.id, "half a reply", (1, 2))
    database.execute("UPDATE partials SET text = 'half a repxy'")
    database.execute("UPDATE conversations SET draft = 'flipped'")
    conversations.rename(id, "Wolves")
    (recovered,) = conversations.recover()
    assert recovered.damaged
    assert conversations.branch(id)[-1] == recovered
    assert conversations.provenance([recovered.id])[recovered.id].damaged
    assert conversations.get(id).damaged


@pytest.mark.parametrize(("column", "count"), [("parent_id", 1), ("conversation_id", 0), ("text", 1), ("token_ids", 1)])
def test_a_damaged_unfinished_reply_never_hinders_the_start(database, column, count):
    conversations = Conversations(database)
    id, messages = fill(conversations, 1)
    partial = conversations.begin_reply(id, messages[0].id, {})
    conversations.extend_reply(partial.id, "half", (1,))
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute(f"UPDATE partials SET {column} = {'zeroblob(3)' if column == 'token_ids' else chr(39) * 2}")
    database.execute("PRAGMA foreign_keys = ON")
    recovered = conversations.recover()
    assert [message.damaged for message in recovered] == [True] * count
    assert conversations.branch(id)[-1] == [*messages, *recovered][-1]
    assert database.query("SELECT count(*) FROM partials") == [(1 - count,)]


def test_a_conversation_with_a_damaged_tip_can_be_renamed_and_shown_from_another_message(database):
    conversations = Conversations(database)
    id, messages = fill(conversations, 2)
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("UPDATE conversations SET tip = 'nobody'")
    database.execute("PRAGMA foreign_keys = ON")
    conversations.rename(id, "Wolves")
    with pytest.raises(UserError) as caught:
        conversations.branch(id)
    assert caught.value.fault is Fault.DATABASE_CORRUPT
    conversations.choose(messages[0].id)
    assert conversations.branch(id) == messages


def test_a_branch_ends_where_a_damaged_message_lost_its_parent(database):
    conversations = Conversations(database)
    id, messages = fill(conversations, 3)
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("UPDATE messages SET parent_id = 'nobody' WHERE id = ?", messages[2].id)
    branch = conversations.branch(id)
    assert [message.id for message in branch] == [message.id for message in messages[2:]]
    assert branch[0].damaged


def test_a_circle_of_parents_ends(database):
    conversations = Conversations(database)
    id, messages = fill(conversations, 2)
    database.execute("UPDATE messages SET parent_id = ? WHERE id = ?", messages[2].id, messages[0].id)
    assert len(conversations.branch(id)) == 3
    assert conversations.choose(messages[0].id).tip == messages[2].id


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not a database at all" * 20, "it is not a database"),
        (b"SQLite format 3\0 and then", "it is not a database"),
        (b"x", "it is not a database"),
    ],
)
def test_garbage_is_refused_and_kept(tmp_path, content, reason):
    path = tmp_path / "chatdesk.db"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        open_database(path, tmp_path)
    assert (caught.value.fault, caught.value.fields["reason"]) == (Fault.DATABASE_CORRUPT, reason)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_truncated_file_is_refused_and_kept(tmp_path):
    original = tmp_path / "original.db"
    with contextlib.closing(open_database(original, tmp_path)) as database:
        id, messages = fill(Conversations(database))
    content = original.read_bytes()
    path = tmp_path / "short.db"
    for length in range(4096, len(content), 4096):
        path.write_bytes(content[:length])
        assert read_everything(path, id, messages) is Fault.DATABASE_CORRUPT
        assert path.read_bytes() == content[:length]
    for length in range(4096 + 50, len(content), 4096):  # the cut page may be one that holds nothing
        path.write_bytes(content[:length])
        assert read_everything(path, id, messages) in (Fault.DATABASE_CORRUPT, "marked", "unchanged")
        assert path.exists()


def test_a_log_without_its_file_is_kept(tmp_path):
    path = tmp_path / "chatdesk.db"
    log = tmp_path / "chatdesk.db-wal"
    log.write_bytes(b"all that is left")
    with pytest.raises(UserError) as caught:
        open_database(path, tmp_path)
    assert caught.value.fault is Fault.DATABASE_CORRUPT
    assert log.read_bytes() == b"all that is left"


def test_the_check_of_a_copy_sees_rows_and_structure(tmp_path):
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(open_database(path, tmp_path)) as database:
        _, messages = fill(Conversations(database))
    sound = path.read_bytes()
    assert look(path) == ""
    with contextlib.closing(open_database(path, tmp_path)) as database:
        database.execute("UPDATE messages SET text = 'flipped' WHERE id = ?", messages[3].id)
    assert look(path) == "a row of messages does not match its digest"
    path.write_bytes(sound[: 4096 * 2] + bytes(4096) + sound[4096 * 3 :])
    assert look(path) not in ("", "a row of messages does not match its digest")
    assert issubclass(Damaged, Exception)


def look(path):
    with contextlib.closing(_connect(path)) as copy:
        return _damage(copy, lambda: None)


@pytest.mark.parametrize("time", [1e200, 1e14, -1e10])
def test_a_time_that_no_calendar_has_is_the_beginning_of_time(conversations, database, time):
    fill(conversations, 1)
    document = conversations.documents.create("D", "text")
    conversations.documents.keep(document.id)
    for table in ("conversations", "documents", "document_versions"):
        database.connection.execute(f"UPDATE {table} SET created_at = ?", (time,))
    assert conversations.list()[0].created_at == 0
    assert conversations.documents.list()[0].created_at == 0
    assert conversations.documents.versions(document.id)[0].created_at == 0


def test_such_a_time_in_a_sound_row_goes_with_the_next_change(conversations, database):
    """An earlier version took it over from a file."""
    made = conversations.create("Foxes")
    odd = msgspec.structs.replace(made, changed_at=1e14)
    database.connection.execute("DELETE FROM conversations")
    conversations._insert("conversations", conversation_values(odd))
    conversations.rename(made.id, "Hares")
    found = conversations.get(made.id)
    assert (found.title, found.changed_at, found.damaged) == ("Hares", 0, False)
