"""Patterns of tokenizers: those of published ones pass, those that take for ever are found out."""

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from chatdesk.engine.local import patterns
from chatdesk.engine.local.patterns import require_quick
from chatdesk.engine.local.tokens import Tokens
from chatdesk.errors import Fault, UserError

ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PUBLISHED = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": rf"{ENDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{REST}",
    "qwen2": rf"{ENDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{REST}",
    "o200k": rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDS}?|"
    rf"\p{{N}}{{1,3}}|{REST}",
    "deepseek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "thousands": r"\d{1,3}(?=(?:\d{3})*\b)",
}
SLOW = {
    "doubled": "(?:x|xx)+y",
    "third power": r"[a-z]*[a-z]*[a-z]*\d",
    "looks back": r"(a+)\1b",
    "of a word": "(?:ab)+(?:ab)+(?:ab)+c",
}


def tokenizer(pattern: str) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    return made


@pytest.mark.parametrize("pattern", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_those_of_published_tokenizers_pass(pattern):
    require_quick(tokenizer(pattern))
    assert tokenizer(pattern).pre_tokenizer.pre_tokenize_str("Hello 123 world")


@pytest.mark.parametrize("pattern", SLOW.values(), ids=SLOW.keys())
def test_those_that_take_for_ever_are_refused(pattern):
    with pytest.raises(UserError, match="ever longer") as caught:
        require_quick(tokenizer(pattern))
    assert caught.value.fault is Fault.LIMIT_EXCEEDED


def test_replacements_and_decoders_are_tried_too():
    normalized, decoded = Tokenizer(models.BPE()), Tokenizer(models.BPE())
    normalized.normalizer = normalizers.Replace(Regex(SLOW["third power"]), "")
    decoded.decoder = decoders.Replace(Regex(SLOW["third power"]), "")
    for made in (normalized, decoded):
        with pytest.raises(UserError, match="ever longer"):
            require_quick(made)


def test_what_has_no_patterns_is_not_tried(monkeypatch):
    monkeypatch.setattr(patterns, "_is_slow", lambda *_: True)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    require_quick(made)
    with pytest.raises(UserError):
        require_quick(tokenizer("a"))


def test_a_text_that_nobody_tried_is_an_error_with_a_name():
    """The library panics after ten million steps, which is no `Exception`."""
    tokens = Tokens.__new__(Tokens)
    tokens.backend = tokenizer("(?:é7|é7é7)+y")
    with pytest.raises(UserError, match="ever longer"):
        tokens.encode("é7" * 60)


@pytest.mark.parametrize(("slow", "is_slow"), [({0}, False), ({0, 1}, False), ({0, 1, 2}, True)])
def test_one_slow_answer_of_a_busy_machine_refuses_nothing(monkeypatch, slow, is_slow):
    answers = iter(1.0 if place % 2 and place // 2 in slow else 0.0 for place in range(1000))
    monkeypatch.setattr(patterns.time, "thread_time", lambda: next(answers))
    assert patterns._is_slow(lambda text: None, "a", "!") is is_slow
