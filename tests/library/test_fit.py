"""The plan: what fits where, in which order, and when it is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.library.fit import KERNELS, Place, Word, plans
from chatdesk.library.footprint import Footprint, Layer

GB = 10**9


def model(billions: float, blocks: int = 32, width: int = 4096) -> Footprint:
    """A model of so many parameters, a tenth of them outside the blocks."""
    numbers = int(billions * GB)
    return Footprint(
        matrices=numbers * 9 // 10,
        rows=numbers // width,
        others=numbers // 10,
        layers=(Layer(2048),) * blocks,
        blocks=blocks,
        width=width,
        vocabulary=32_000,
    )


def gpu(total: float, free: float | None = None) -> Place:
    return Place("cuda", "NVIDIA", int(total * GB), int((total if free is None else free) * GB), "bfloat16")


def cpu(total: float, free: float | None = None) -> Place:
    return Place("cpu", "CPU", int(total * GB), int((total if free is None else free) * GB), "float32")


def test_a_model_that_fits_keeps_its_precision_and_context() -> None:
    first = plans("m", model(7), [gpu(24), cpu(32)], 8192)[0]
    assert (first.place.device, first.precision, first.context, first.words) == ("cuda", "bfloat16", 8192, ())
    assert (first.gpu_layers, first.layers) == (32, 32)
    assert first.needed == pytest.approx(14 * GB + 8192 * 2048 * 32 * 2, rel=0.03)


def test_the_kernels_of_the_processor_are_counted_where_it_needs_them() -> None:
    by_precision = {p.precision: p.work_bytes for p in plans("m", model(1), [cpu(32)], 2048)}
    assert by_precision["int8"] - by_precision["float32"] == by_precision["int4"] - by_precision["float32"] == KERNELS
    assert plans("m", model(1), [gpu(24)], 2048)[0].work_bytes == by_precision["float32"]


def test_the_context_is_cut_before_the_precision() -> None:
    """14 GB of weights and 17 GB of keys and values in 24 GB: less context, and that is said."""
    first = plans("m", model(7), [gpu(24), cpu(32)], 131_072)[0]
    assert (first.precision, first.context, first.words) == ("bfloat16", 32_768, (Word.SHORT,))


def test_a_larger_model_is_offered_in_smaller_numbers_then_beside_the_gpu() -> None:
    found = plans("m", model(13), [gpu(24), cpu(64)], 4096)
    assert [(p.place.device, p.precision, Word.ON_CPU in p.words) for p in found] == [
        ("cuda", "int8", False),
        ("cuda", "int4", False),
        ("cuda", "bfloat16", True),
        ("cpu", "float32", True),
        ("cpu", "int8", True),
        ("cpu", "int4", True),
    ]
    shared = found[2]
    assert 0 < shared.gpu_layers < shared.layers


def test_what_takes_more_than_is_free_says_that_it_swaps() -> None:
    [first, *_] = plans("m", model(7), [cpu(16, free=2)], 4096)
    assert first.words == (Word.SWAPS,)
    assert first.precision == "int8"


def test_what_cannot_fit_is_refused_with_the_sum() -> None:
    with pytest.raises(UserError) as caught:
        plans("Big", model(70), [gpu(8), cpu(16)], 4096)
    assert caught.value.fault == Fault.DOES_NOT_FIT
    assert str(caught.value) == (
        "Big needs at least 54 GB of memory, and there are 16 GB (CPU). Choose a smaller model."
    )


@given(
    st.floats(0.01, 80),
    st.integers(1, 80),
    st.floats(1, 200),
    st.floats(0, 1),
    st.floats(2, 500),
    st.floats(0, 1),
    st.integers(1, 200_000),
)
def test_every_plan_keeps_to_the_memory(
    billions: float, blocks: int, vram: float, free: float, ram: float, free_ram: float, context: int
) -> None:
    """On one device within what is usable, on two within both; never twice the same; the context never too long."""
    places = [gpu(vram, vram * free), cpu(ram, ram * free_ram)]
    try:
        found = plans("m", model(billions, blocks), places, context)
    except UserError:
        assert ram < 2 * billions + 1  # four bits and the embeddings would have fitted
        return
    for plan in found:
        assert 1 <= plan.context <= context
        assert (plan.context < context) == (Word.SHORT in plan.words) or Word.SWAPS in plan.words
        if Word.SWAPS in plan.words:
            assert places[1].usable < plan.needed <= places[1].total
        elif 0 < plan.gpu_layers < plan.layers:
            assert plan.needed <= places[0].usable + places[1].usable
        else:
            assert plan.needed <= plan.place.usable
    keys = [(p.place.device, p.precision, p.gpu_layers, Word.SWAPS in p.words) for p in found]
    assert len(set(keys)) == len(keys)
    whole = [p for p in found if p.place.device == "cuda" and p.gpu_layers == p.layers]
    assert all(a.weight_bytes >= b.weight_bytes for a, b in pairwise(whole))
