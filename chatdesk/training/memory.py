"""The memory of a training step, added up in one place. No torch here: a slider in the window is answered by it."""

LIBRARIES = 136_000_000
"""What torch and the others load and set aside with the first steps, whatever the model; measured on CPUs."""

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
