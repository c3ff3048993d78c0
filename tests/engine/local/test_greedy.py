"""Greedy output equals that of transformers' own `generate`, token for token, in float32."""

import pytest

from chatdesk.engine.api import DeviceMemory
from chatdesk.library import safety
from chatdesk.library.fit import plans_of
from tests.engine.checkpoints import CORE, SIZES, make_checkpoint
from tests.engine.local.greedy import compare


@pytest.mark.parametrize("model_type", CORE)
def test_greedy_equals_generate(checkpoint, model_type):
    """Short, and longer than one chunk of the prefill and than the sliding window."""
    assert compare(checkpoint(model_type), [1, 130], 8) <= 1


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model_type", list(SIZES))
@pytest.mark.parametrize("prompts", [40])
def test_greedy_equals_generate_widely(checkpoint, model_type, prompts):
    """Prompts of 1 to 300 tokens on every architecture there is a checkpoint for."""
    lengths = [1, 2, 3, 300, *(1 + 299 * i // prompts for i in range(prompts))]
    assert compare(checkpoint(model_type), lengths, 32) <= len(lengths) // 10


FORMS = [(shard, dtype) for shard in ("50GB", "30KB") for dtype in ("bfloat16", "float16", "float32")]
QUICK = [("llama", *FORMS[3]), ("gpt2", *FORMS[4]), ("qwen2", *FORMS[5]), ("bloom", *FORMS[0]), ("phi", *FORMS[1])]
ALL = [pytest.param(m, *form, marks=pytest.mark.soak) for m in SIZES for form in FORMS if (m, *form) not in QUICK]
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


@pytest.mark.parametrize(("model_type", "shard_size", "dtype"), [*QUICK, *ALL])
def test_every_form_of_a_checkpoint(tmp_path, model_type, shard_size, dtype):
    """One file or several, in each precision, with or without a chat template: planned, loaded, greedy."""
    for template in (None, TEMPLATE):
        folder = tmp_path / ("chat" if template else "base")
        make_checkpoint(folder, model_type, dtype=dtype, shard_size=shard_size, chat_template=template)
        checked = safety.check(folder)
        assert (len(checked.weight_files) > 1) == (shard_size == "30KB")
        assert (checked.dtype, checked.has_chat_template) == (dtype, template is not None)
        best = plans_of(checked, "model", [DeviceMemory("cpu", "CPU", 8 << 30, 8 << 30, True)])[0]
        assert (best.precision, best.context, best.words) == ("float32", checked.context_length or 8192, ())
        assert compare(folder, [1, 100], 8) <= 1
