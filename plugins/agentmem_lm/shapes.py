"""Models of well-known shapes with random weights and a byte tokenizer: for tests, and for measuring cost by shape.

They know nothing; they load, stream and take edits as real ones do. Nothing is downloaded.
"""

from __future__ import annotations

from typing import Any

import torch

from agentmem.errors import UnknownName
from agentmem_lm.model import CausalModel, Padding

TINY: dict[str, tuple[str, dict[str, Any]]] = {
    # family: (its configuration class, sizes); every one of them has three layers of width 64
    "gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128}),
    "gptj": ("GPTJConfig", {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128, "rotary_dim": 8}),
    "opt": (
        "OPTConfig",
        {
            "hidden_size": 64,
            "word_embed_proj_dim": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "ffn_dim": 256,
            "max_position_embeddings": 128,
        },
    ),
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {"head_dim": 32}),
    "mistral": ("MistralConfig", {"sliding_window": None}),
    "gemma2": ("Gemma2Config", {"head_dim": 32}),
    "phi": ("PhiConfig", {"num_key_value_heads": 4}),
}

_LIKE_LLAMA = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}

QWEN_05B = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}
"""The sizes of Qwen2.5-0.5B, with a shorter context."""

GPT2_SMALL = {"n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50_257}
"""The sizes of GPT-2 (124 million parameters)."""

FULL: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2.5-0.5b": ("Qwen2Config", QWEN_05B),
    "gpt2-124m": ("GPT2Config", GPT2_SMALL),
}


def byte_tokenizer() -> Any:
    """One token a byte, after `<pad>`, `<bos>` and `<eos>`; 259 in all."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<bos>", "<eos>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>")


def random_model(family: str, *, seed: int = 0, dtype: str = "float32", padding: Padding = "left") -> CausalModel:
    """A model of that shape with weights from `seed`; families are the keys of `TINY` and `FULL`."""
    import transformers

    if family not in TINY and family not in FULL:
        raise UnknownName(f"no shape named {family!r}; known: {', '.join([*TINY, *FULL])}")
    tokenizer = byte_tokenizer()
    name, sizes = TINY.get(family) or FULL[family]
    if family in TINY:
        base = _LIKE_LLAMA if name not in ("GPT2Config", "GPTJConfig", "OPTConfig") else {}
        sizes = {**base, **sizes, "vocab_size": len(tokenizer)}
    config = getattr(transformers, name)(
        **{**sizes, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "attn_implementation": "eager"}
    )
    before = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        net = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    finally:
        torch.random.set_rng_state(before)
    with torch.no_grad():
        # Tokens that the tokenizer lacks would be written as nothing; rows of zeros are next to never the likeliest.
        net.get_output_embeddings().weight[len(tokenizer) :] = 0
    return CausalModel(net, tokenizer, family, padding)
