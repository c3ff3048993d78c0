"""The memory of a training, added up in one place. No torch here: a slider in the window is answered by it."""

LIBRARIES = 136_000_000
"""What torch and the others load and set aside with the first steps, whatever the model; measured on CPUs."""

SAMPLE_BYTES = 20_000_000
"""Of text to train a tokenizer on: enough for stable merges in vocabularies of up to about 50,000."""

LONG_SHARE = 0.1
"""Of `SAMPLE_BYTES`: the most that is read of runs without a space, such as Chinese; see `tokenizer.sample`."""

_READING = 20_000_000  # of a tokenizer's trainer, whatever the text; measured on English and Chinese, as the next two
_PER_BYTE, _PER_LONG_BYTE = 2.5, 165

_LOGIT = 8  # a float32 each for a logit and its gradient, or for two gradients in turn


def peak_bytes(
    resting: int, gradients: int, copies: int, kept: int, logits: int, libraries: int = LIBRARIES, parts: int = 1
) -> int:
    """The most that is held at once, above what the imports take.

    ``resting`` bytes, weights and the optimizer's states, are always there. A step has its peaks at the beginning of
    the backward pass, when all that is ``kept`` of the forward pass and two more numbers for each of the ``logits``
    are held, and at its end, when there are ``gradients``; in between the one shrinks as the other grows. ``copies``:
    weights in another precision. ``parts``: of a batch; from the second on the gradients are there from the beginning.
    """
    forward = kept + _LOGIT * logits
    step = forward + gradients if parts > 1 else max(forward, gradients)
    return libraries + resting + copies + step


def tokenizer_bytes(text_bytes: float, long_share: float) -> int:
    """The most that training a tokenizer takes, before there is a model. ``long_share``: as of `tokenizer.long_share`.

    Words come again and are kept once; long runs are kept as they stand.
    """
    read = min(text_bytes, SAMPLE_BYTES * min(1.0, LONG_SHARE / max(long_share, 1e-9)))
    return round(_READING + _PER_BYTE * read + _PER_LONG_BYTE * long_share * read)
