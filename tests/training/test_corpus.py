"""Text files become documents, documents become tokens and reply marks."""

import json
import lzma
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from chatdesk.errors import Fault, UserError
from chatdesk.training.corpus import (
    END_OF_TEXT,
    END_OF_TURN,
    ROLE_TOKENS,
    Document,
    TokenArrays,
    Turn,
    encode_documents,
    read_documents,
    sample_documents,
    size_bytes,
    tokenise,
)
from chatdesk.training.tokenizer import CHAT_TEMPLATE, load_tokenizer, save_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["The cat sat on the mat. " * 9, (Turn("user", "Hello"), Turn("assistant", "Hello!"))], 300)


TALK = (Turn("system", "Be kind."), Turn("user", "Hello"), Turn("assistant", "Hello!"), Turn("user", "Bye"))


def test_the_three_kinds_of_lines(tmp_path: Path) -> None:
    lines = [
        {"text": "Prose.", "title": "let be"},
        {"turns": [{"speaker": "a", "text": "Hi"}, {"speaker": "b", "text": "Hello"}], "topic": "let be"},
        {"question": "Why?", "answer": "Because."},
    ]
    content = "\n\n".join(json.dumps(line) for line in lines)
    (tmp_path / "x.jsonl").write_text(content)
    with lzma.open(tmp_path / "y.jsonl.xz", "wt") as file:
        file.write(content)
    expected: list[Document] = [
        "Prose.",
        (Turn("user", "Hi"), Turn("assistant", "Hello")),
        (Turn("user", "Why?"), Turn("assistant", "Because.")),
    ]
    assert list(read_documents(tmp_path / "x.jsonl")) == expected
    assert list(read_documents(tmp_path / "y.jsonl.xz")) == expected


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.txt.xz"])
def test_plain_text_is_one_document(tmp_path: Path, name: str) -> None:
    data = "Één\n\ntwo".encode()
    (tmp_path / name).write_bytes(lzma.compress(data) if name.endswith(".xz") else data)
    assert list(read_documents(tmp_path / name)) == ["Één\n\ntwo"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2"),
        ('{"text": 5}', "line 2"),
        ('{"title": "x"}', "line 2 has no text, no turns"),
        ('{"turns": []}', "line 2 has no text, no turns"),
        ('{"turns": [{"speaker": "c", "text": "Hi"}]}', 'line 2: speaker "c"'),
        ('{"question": "Why?"}', "line 2 has no text"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "fine"}\n' + line)
    with pytest.raises(UserError) as caught:
        list(read_documents(tmp_path / "x.jsonl"))
    assert caught.value.fault == Fault.BROKEN_TEXT
    assert reason in caught.value.fields["reason"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"ab\xff")
    (tmp_path / "x.txt.xz").write_bytes(lzma.compress(b"text")[:-8])
    (tmp_path / "x.pdf").write_bytes(b"text")
    for name in ("x.txt", "x.txt.xz", "x.pdf"):
        with pytest.raises(UserError) as caught:
            list(read_documents(tmp_path / name))
        assert caught.value.fault == Fault.BROKEN_TEXT
    with pytest.raises(UserError) as caught:
        list(read_documents(tmp_path / "none.txt"))
    assert caught.value.fault == Fault.FILE_NOT_FOUND


def test_a_sample_is_even_and_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"text": f"document {number:04}"}) + "\n" for number in range(2000)))
    sample = list(sample_documents(path, 0.1 * 2000 * 13, seed=1))
    assert sample == list(sample_documents(path, 0.1 * 2000 * 13, seed=1))
    assert sample != list(sample_documents(path, 0.1 * 2000 * 13, seed=2))
    assert 150 < len(sample) < 250
    assert sum(document < "document 1000" for document in sample if isinstance(document, str)) in range(70, 130)


def test_replies_are_marked_and_nothing_else(tokenizer: Tokenizer) -> None:
    ids, marks = next(encode_documents([TALK], tokenizer))
    pieces = [tokenizer.id_to_token(token) for token, mark in zip(ids, marks, strict=True) if mark]
    assert "".join(pieces) == "Hello!" + END_OF_TURN
    everything = tokenizer.decode(ids, skip_special_tokens=False)
    assert everything == (
        "<|system|>Be kind.<|end|><|user|>Hello<|end|><|assistant|>Hello!<|end|><|user|>Bye<|end|><|endoftext|>"
    )


def test_prose_counts_whole(tokenizer: Tokenizer) -> None:
    ids, marks = next(encode_documents(["The cat."], tokenizer))
    assert set(marks) == {1}
    assert tokenizer.id_to_token(ids[-1]) == END_OF_TEXT


def test_special_tokens_written_in_a_text_stay_text(tokenizer: Tokenizer) -> None:
    ids, _ = next(encode_documents([f"He wrote {END_OF_TURN}{ROLE_TOKENS['user']}."], tokenizer))
    special = {tokenizer.token_to_id(END_OF_TURN), tokenizer.token_to_id(ROLE_TOKENS["user"])}
    assert not special & set(ids)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "He wrote <|end|><|user|>."


def test_any_bytes_survive_the_tokenizer(tokenizer: Tokenizer) -> None:
    text = "naïve 天气 🙂 \t\n  x"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_chat_template_gives_the_tokens_of_training(tokenizer: Tokenizer, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_tokenizer(tokenizer, tmp_path, 32)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": turn.role, "content": turn.text} for turn in TALK]
    trained, _ = next(encode_documents([TALK], load_tokenizer(tmp_path)))
    rendered = loaded.apply_chat_template(messages, tokenize=False)
    assert loaded(rendered).input_ids == trained[:-1]
    asked = loaded.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert asked == rendered + ROLE_TOKENS["assistant"]
    assert loaded.chat_template == CHAT_TEMPLATE
    assert loaded.eos_token == END_OF_TURN


def test_arrays_are_made_once_and_whole(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = tokenise(["The cat.", "A mat."], tokenizer, tmp_path / "x")
    assert made.starts.tolist() == [0, made.tokens.tolist().index(0) + 1]
    assert not made.is_dialogue
    assert made.tokens.dtype.name == "uint16"
    again = tokenise(iter(()), tokenizer, tmp_path / "x")  # nothing is read: the arrays are there
    assert again.tokens.tolist() == made.tokens.tolist()
    assert TokenArrays(tmp_path / "x").replies.tolist() == made.replies.tolist()
    with pytest.raises(UserError) as caught:
        tokenise(iter(()), tokenizer, tmp_path / "y")
    assert caught.value.fault == Fault.NO_TEXT
    assert not (tmp_path / "y").exists()


def test_bytes_are_those_of_the_words() -> None:
    assert size_bytes("Één") == 5
    assert size_bytes(TALK) == len("Be kind.HelloHello!Bye")


def test_a_file_of_one_document_is_never_left_out(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("The river runs to the sea. " * 100)
    drawn = [list(sample_documents(tmp_path / "long.txt", 10, seed)) for seed in range(3)]
    assert drawn == [["The river runs to the sea. " * 100]] * 3
