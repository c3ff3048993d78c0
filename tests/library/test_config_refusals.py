"""Configs, tokenizers and templates that ask for code, lead elsewhere or are broken: each refused, nothing runs."""

from collections.abc import Callable
from typing import Any

import pytest

from chatdesk.errors import Fault
from chatdesk.library import safety

CASES: list[Any] = []


def config_case(name: str, fault: Fault, mention: str, file: str = "config.json", /, **entries: object) -> None:
    """Registers entries added to a good JSON file; the sentence must name ``mention``."""
    CASES.append(pytest.param(lambda f: f.change(file, **entries), fault, (mention,), id=name))


def text_case(name: str, file: str, text: str, fault: Fault, mention: str) -> None:
    CASES.append(pytest.param(lambda f: f.text(file, text), fault, (file, mention), id=name))


text_case("config_cut", "config.json", '{"model_type": "gp', Fault.BROKEN_CONFIG, "not valid JSON")
text_case("config_empty", "config.json", "", Fault.BROKEN_CONFIG, "not valid JSON")
text_case("config_list", "config.json", "[]", Fault.BROKEN_CONFIG, "no JSON object")
text_case("config_twice", "config.json", '{"n_embd": 1, "n_embd": 2}', Fault.BROKEN_CONFIG, "not valid JSON")
text_case("config_deep", "config.json", '{"a":' * 200 + "1" + "}" * 200, Fault.LIMIT_EXCEEDED, "nested deeper")
text_case("config_very_deep", "config.json", "[" * 400_000, Fault.LIMIT_EXCEEDED, "nested deeper")
text_case("tokenizer_cut", "tokenizer_config.json", "{", Fault.BROKEN_CONFIG, "not valid JSON")
text_case("generation_cut", "generation_config.json", "{", Fault.BROKEN_CONFIG, "not valid JSON")
text_case("special_tokens_cut", "special_tokens_map.json", "{", Fault.BROKEN_CONFIG, "not valid JSON")

config_case("no_model_type", Fault.BROKEN_CONFIG, "model_type", model_type=None)
config_case("architectures_text", Fault.BROKEN_CONFIG, "list of names", architectures="GPT2LMHeadModel")
config_case(
    "remote_architecture",
    Fault.UNKNOWN_ARCHITECTURE,
    "ChatGLMModel",
    model_type="chatglm",
    architectures=["ChatGLMModel"],
)
config_case("no_language_model", Fault.UNKNOWN_ARCHITECTURE, "vit", model_type="vit", architectures=None)
config_case("classifier", Fault.UNKNOWN_ARCHITECTURE, "GPT2ForSequ", architectures=["GPT2ForSequenceClassification"])
config_case("other_architecture", Fault.UNKNOWN_ARCHITECTURE, "LlamaForCausalLM", architectures=["LlamaForCausalLM"])
config_case("path_as_type", Fault.UNKNOWN_ARCHITECTURE, "../../x", model_type="../../x", architectures=None)
config_case("a_billion_layers", Fault.LIMIT_EXCEEDED, "n_layer is more", n_layer=10**9)
config_case("endless_layers", Fault.LIMIT_EXCEEDED, "n_layer is more", n_layer=10**400)
config_case("layers_below", Fault.LIMIT_EXCEEDED, "num_hidden_layers", text_config={"num_hidden_layers": 10**9})

UNSAFE = Fault.UNSAFE_CONFIG
REPOSITORY = "someone/kernel"
config_case("trust", UNSAFE, "trust_remote_code", trust_remote_code=True)
config_case("trust_below", UNSAFE, "text_config.trust_remote_code", text_config={"trust_remote_code": True})
config_case("trust_in_a_list", UNSAFE, "a.trust_remote_code", a=[[{"trust_remote_code": "yes"}]])
config_case("attention_kernel", UNSAFE, "attn_implementation", attn_implementation=REPOSITORY)
config_case("attention_internal", UNSAFE, "_attn_implementation_internal", _attn_implementation_internal=REPOSITORY)
config_case("attention_private", UNSAFE, "_attn_implementation", _attn_implementation=f"flash|{REPOSITORY}")
config_case("attention_map", UNSAFE, "attn_implementation", attn_implementation={"": "sdpa", "text_config": REPOSITORY})
config_case("attention_below", UNSAFE, "vision_config.attn", vision_config={"attn_implementation": REPOSITORY})
config_case("experts_kernel", UNSAFE, "_experts_implementation", _experts_implementation=REPOSITORY)
config_case("attention_number", UNSAFE, "attn_implementation", attn_implementation=1)
config_case(
    "quantizer", UNSAFE, "quantization_config", quantization_config={"quant_method": "x", "modules": REPOSITORY}
)
for method in ("awq", "gptq", "fp8", "mxfp4", "bitsandbytes"):
    quantised = {"quantization_config": {"quant_method": method, "modules_to_not_convert": None}}
    config_case(f"quantised_by_{method}", Fault.QUANTISED, method, **quantised)
config_case("compression", UNSAFE, "compression_config", compression_config={"format": "x"})
config_case("kernels", UNSAFE, "use_kernels", use_kernels=True)
config_case("kernel_mapping", UNSAFE, "kernel_config", kernel_config={"kernel_mapping": {"RMSNorm": REPOSITORY}})
config_case("hub_kernels", UNSAFE, "layers.hub_kernels", layers={"hub_kernels": [REPOSITORY]})
config_case("class_swap", UNSAFE, "__class__", **{"__class__": "os.system"})
config_case("generate", UNSAFE, "custom_generate", "generation_config.json", custom_generate=REPOSITORY)
config_case("generate_trust", UNSAFE, "trust_remote_code", "generation_config.json", trust_remote_code=True)
config_case("tokenizer_trust", UNSAFE, "trust_remote_code", "tokenizer_config.json", trust_remote_code=True)
config_case(
    "tokenizer_code",
    UNSAFE,
    "auto_map",
    "tokenizer_config.json",
    tokenizer_class="MyTokenizer",
    auto_map={"AutoTokenizer": ["t.MyTokenizer", None]},
)
config_case(
    "tokenizer_code_unnamed",
    UNSAFE,
    "auto_map",
    "tokenizer_config.json",
    tokenizer_class=None,
    auto_map=["t.MyTokenizer", None],
)
config_case(
    "tokenizer_is_a_model",
    UNSAFE,
    "AutoModelForCausalLM",
    "tokenizer_config.json",
    tokenizer_class="AutoModelForCausalLM",
)
config_case("tokenizer_is_auto", UNSAFE, "AutoTokenizer", "tokenizer_config.json", tokenizer_class="AutoTokenizer")
config_case("tokenizer_in_config", UNSAFE, "Trainer", tokenizer_class="Trainer")
config_case("tokenizer_path", UNSAFE, "os.path", "tokenizer_config.json", tokenizer_class="os.pathTokenizer")
config_case("tokenizer_not_text", UNSAFE, "tokenizer_class", "tokenizer_config.json", tokenizer_class=["GPT2Tokenizer"])
config_case("vocabulary_outside", Fault.UNSAFE_PATH, "vocab_file", "tokenizer_config.json", vocab_file="/etc/passwd")
config_case("merges_outside", Fault.UNSAFE_PATH, "merges_file", "tokenizer_config.json", merges_file="..\\x")
config_case(
    "template_in_config",
    Fault.LIMIT_EXCEEDED,
    "longer than 256 KB",
    "tokenizer_config.json",
    chat_template="x" * 300_000,
)
config_case(
    "templates_in_config",
    Fault.LIMIT_EXCEEDED,
    "longer",
    "tokenizer_config.json",
    chat_template=[{"name": "a", "template": "x" * 300_000}],
)
config_case(
    "template_with_half_a_character", Fault.BROKEN_CONFIG, "not valid", "tokenizer_config.json", chat_template="\ud800"
)
config_case(
    "added_words_are_a_number", Fault.BROKEN_CONFIG, "no object", "tokenizer_config.json", added_tokens_decoder=5
)
config_case("template_is_a_number", Fault.BROKEN_CONFIG, "no text", "tokenizer_config.json", chat_template=[1])


def test_unknown_tokenizer_without_its_file(make: Any, refused: Callable[..., None]) -> None:
    folder = make()
    (folder.path / "tokenizer.json").unlink()
    folder.text("vocab.txt", "a")
    folder.change("tokenizer_config.json", tokenizer_class="OldTokenizer")
    refused(folder, Fault.UNSAFE_CONFIG, "tokenizer_class: OldTokenizer")


@pytest.mark.parametrize(("damage", "fault", "mentions"), CASES)
def test_refused(
    damage: Callable[[Any], None], fault: Fault, mentions: tuple[str, ...], make: Any, refused: Callable[..., None]
) -> None:
    folder = make()
    safety.check(folder.path)
    damage(folder)
    refused(folder, fault, *mentions)
