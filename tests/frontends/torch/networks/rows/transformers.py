"""transformers' networks from their configurations, small, with masks that hide the padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tests.frontends.torch.networks.network import Network, random
from tests.frontends.torch.networks.prepare import torchvision

WORDS = 100
"""Words of each network."""

TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "vocab_size": WORDS,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
"""What most configurations of text call their sizes."""

GPT: dict[str, Any] = {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": WORDS, "n_positions": 64}
GROUPED: dict[str, Any] = TEXT | {"num_key_value_heads": 2, "head_dim": 16}

ENCODERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertModel", "BertConfig", TEXT),
    "bert_eager": ("BertModel", "BertConfig", TEXT | {"attn_implementation": "eager"}),
    "bert_masked_lm": ("BertForMaskedLM", "BertConfig", TEXT),
    "bert_question": ("BertForQuestionAnswering", "BertConfig", TEXT),
    "roberta": ("RobertaModel", "RobertaConfig", TEXT),
    "xlm_roberta": ("XLMRobertaForSequenceClassification", "XLMRobertaConfig", TEXT | {"num_labels": 3}),
    "distilbert": (
        "DistilBertModel",
        "DistilBertConfig",
        {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96, "vocab_size": WORDS, "max_position_embeddings": 64},
    ),
    "albert": ("AlbertModel", "AlbertConfig", TEXT | {"embedding_size": 32}),
    "electra": ("ElectraModel", "ElectraConfig", TEXT | {"embedding_size": 32}),
    "mpnet": ("MPNetModel", "MPNetConfig", TEXT),
    "modernbert": ("ModernBertModel", "ModernBertConfig", TEXT | {"local_attention": 8}),
    "xlnet": (
        "XLNetModel",
        "XLNetConfig",
        {"vocab_size": WORDS, "d_model": 64, "n_layer": 2, "n_head": 4, "d_inner": 96},
    ),
    "deberta": (
        "DebertaModel",
        "DebertaConfig",
        TEXT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": 16},
    ),
    "deberta_v2": (
        "DebertaV2Model",
        "DebertaV2Config",
        TEXT
        | {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
        },
    ),
}
"""{name: (class of the network, class of its configuration, settings)}; padding stands at the end."""

OPT: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 96,
    "vocab_size": WORDS,
    "max_position_embeddings": 64,
    "word_embed_proj_dim": 64,
}

DECODERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT),
    "gpt_neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", TEXT),
    "gptj": ("GPTJForCausalLM", "GPTJConfig", GPT | {"rotary_dim": 8}),
    "opt": ("OPTForCausalLM", "OPTConfig", OPT),
    "bloom": ("BloomForCausalLM", "BloomConfig", {"hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": WORDS}),
    "falcon": ("FalconForCausalLM", "FalconConfig", TEXT),
    "llama": ("LlamaForCausalLM", "LlamaConfig", GROUPED),
    "mistral": ("MistralForCausalLM", "MistralConfig", GROUPED | {"sliding_window": 4}),
    "mixtral": (
        "MixtralForCausalLM",
        "MixtralConfig",
        GROUPED | {"num_local_experts": 4},
    ),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", GROUPED),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", GROUPED),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", GROUPED | {"num_key_value_heads": 1}),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", GROUPED | {"sliding_window": 4}),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", GROUPED | {"sliding_window": 4}),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", GROUPED),
    "phi": ("PhiForCausalLM", "PhiConfig", TEXT),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", GROUPED),
    "stablelm": ("StableLmForCausalLM", "StableLmConfig", GROUPED),
    "mamba": (
        "MambaForCausalLM",
        "MambaConfig",
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "vocab_size": WORDS},
    ),
    "mamba2": (
        "Mamba2ForCausalLM",
        "Mamba2Config",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "state_size": 8,
            "vocab_size": WORDS,
            "num_heads": 4,
            "head_dim": 16,
            "n_groups": 1,
            "chunk_size": 8,
        },
    ),
}
"""The same of networks that predict the next word; padding stands at the front."""

UNROLLED = ("mamba",)
"""Networks that torch.export writes a step for each word of: their length is no symbol."""

BART: dict[str, Any] = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "vocab_size": WORDS,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
T5: dict[str, Any] = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4, "vocab_size": WORDS}

TRANSLATORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "t5": ("T5ForConditionalGeneration", "T5Config", T5),
    "t5_gated": (
        "T5ForConditionalGeneration",
        "T5Config",
        T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "bart": ("BartForConditionalGeneration", "BartConfig", BART),
    "marian": ("MarianMTModel", "MarianConfig", BART),
    "pegasus": ("PegasusForConditionalGeneration", "PegasusConfig", BART),
    "m2m_100": ("M2M100ForConditionalGeneration", "M2M100Config", BART),
}
"""The same of encoders with decoders."""

PATCHES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "image_size": 32,
    "patch_size": 8,
}
WINDOWS: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}

VISION: dict[str, tuple[str, str, dict[str, Any]]] = {
    "vit": ("ViTForImageClassification", "ViTConfig", PATCHES),
    "deit": ("DeiTModel", "DeiTConfig", PATCHES),
    "beit": ("BeitModel", "BeitConfig", PATCHES),
    "dinov2": ("Dinov2Model", "Dinov2Config", {key: PATCHES[key] for key in PATCHES if key != "intermediate_size"}),
    "swin": ("SwinModel", "SwinConfig", WINDOWS),
    "swinv2": ("Swinv2Model", "Swinv2Config", WINDOWS),
    "convnext": ("ConvNextModel", "ConvNextConfig", {"hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2}),
    "segformer": (
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        {
            "hidden_sizes": [16, 32, 32, 64],
            "depths": [1, 1, 1, 1],
            "decoder_hidden_size": 32,
            "num_attention_heads": [1, 2, 4, 8],
            "num_labels": 5,
        },
    ),
    "siglip_vision": ("SiglipVisionModel", "SiglipVisionConfig", PATCHES),
    "clip_vision": ("CLIPVisionModel", "CLIPVisionConfig", PATCHES),
}
"""The same of networks of pictures [N, 3, 32, 32]."""

PAIRS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "clip": (
        "CLIPModel",
        "CLIPConfig",
        {"text_config": TEXT | {"eos_token_id": WORDS - 1}, "vision_config": PATCHES, "projection_dim": 32},
    ),
    "siglip": ("SiglipModel", "SiglipConfig", {"text_config": TEXT, "vision_config": PATCHES}),
}
"""The same of networks of text and pictures."""

SOUND: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "conv_dim": [16, 16],
    "conv_stride": [5, 2],
    "conv_kernel": [10, 3],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
}
WHISPER: dict[str, Any] = {key: BART[key] for key in BART if key != "max_position_embeddings"} | {
    "num_mel_bins": 8,
    "max_source_positions": 20,
    "max_target_positions": 32,
}

STEPS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT, 4),
    "llama": ("LlamaForCausalLM", "LlamaConfig", GROUPED, 2),
    "mistral": ("MistralForCausalLM", "MistralConfig", GROUPED | {"sliding_window": None}, 2),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", GROUPED, 2),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", GROUPED | {"num_key_value_heads": 1}, 1),
    "phi": ("PhiForCausalLM", "PhiConfig", TEXT, 4),
    "opt": ("OPTForCausalLM", "OPTConfig", OPT, 4),
}
"""{name: (network, configuration, settings, heads of keys and values)} of one step after the words of a cache."""


def _built(network: str, configuration: str, settings: Mapping[str, Any]) -> Any:
    """The network with random weights."""
    torchvision()  # transformers imports it where it is installed
    import transformers

    configured = getattr(transformers, configuration)(**settings)
    return getattr(transformers, network)(configured)


def _words(rows: int, count: int) -> Any:
    import torch

    return torch.randint(3, WORDS, (rows, count))


def _mask(rows: int, count: int, *, front: bool) -> Any:
    """1 for words, 0 for padding: no row of more than one is of the same length."""
    import torch

    places = torch.arange(count).expand(rows, count)
    padding = torch.arange(rows).unsqueeze(1) * 2 % (count - 1)
    return (places >= padding if front else places < count - padding).to(torch.int64)


def _text(sizes: Mapping[str, int], *, front: bool, masked: bool = True) -> dict[str, Any]:
    rows, count = sizes["N"], sizes["t"]
    words = {"input_ids": _words(rows, count)}
    return words | {"attention_mask": _mask(rows, count, front=front)} if masked else words


def _both(sizes: Mapping[str, int]) -> dict[str, Any]:
    decoded = _text({"N": sizes["N"], "t": sizes["u"]}, front=False)
    return _text(sizes, front=False) | {f"decoder_{name}": value for name, value in decoded.items()}


def _pictures(sizes: Mapping[str, int], size: int) -> dict[str, Any]:
    return {"pixel_values": random(sizes["N"], 3, size, size)}


def _paired(sizes: Mapping[str, int]) -> dict[str, Any]:
    """Text that ends with the word that CLIP looks for, and pictures."""
    words = _words(sizes["N"], sizes["t"])
    words[:, -2] = WORDS - 1
    pictures = random(sizes["m"], 3, 32, 32)
    return {"input_ids": words, "pixel_values": pictures, "attention_mask": _mask(sizes["N"], sizes["t"], front=False)}


def _spectra(sizes: Mapping[str, int]) -> dict[str, Any]:
    return {"input_features": random(sizes["N"], 8, 40), "decoder_input_ids": _words(sizes["N"], sizes["u"])}


def _waves(sizes: Mapping[str, int], *, masked: bool) -> dict[str, Any]:
    rows, count = sizes["N"], sizes["t"]
    waves = {"input_values": random(rows, count)}
    return (
        waves | {"attention_mask": _mask(rows, count // 50, front=False).repeat_interleave(50, 1)} if masked else waves
    )


def _step(sizes: Mapping[str, int], *, heads: int) -> dict[str, Any]:
    """One word after `t` others, of which some are padding."""
    from transformers import DynamicCache
    from transformers.integrations.executorch import register_dynamic_cache_export_support

    register_dynamic_cache_export_support()
    rows, count, cache = sizes["N"], sizes["t"], DynamicCache()
    for layer in range(2):
        cache.update(random(rows, heads, count, 16), random(rows, heads, count, 16), layer)
    mask = _mask(rows, count + 1, front=True)
    return {"input_ids": _words(rows, 1), "attention_mask": mask, "past_key_values": cache}


NT = {0: "N", 1: "t"}
BATCHES = {"input_ids": {0: "N"}, "attention_mask": {0: "N"}}
TEXTS = {"input_ids": NT, "attention_mask": NT}
SIZES = {"N": (2, 3), "t": (9, 13)}


def _of_text() -> Iterator[Network]:
    for table, front in ((ENCODERS, False), (DECODERS, True)):
        for name, (network, configuration, settings) in table.items():
            chosen = settings | {"use_cache": False} if front else settings
            build = partial(_built, network, configuration, chosen)
            inputs = partial(_text, front=front)
            axes, sizes = (TEXTS, SIZES) if name not in UNROLLED else (BATCHES, {"N": (2, 3), "t": (9,)})
            yield Network(f"transformers.{name}", build, inputs, axes, sizes, reference=True)
    rwkv = {
        "hidden_size": 32,
        "attention_hidden_size": 32,
        "num_hidden_layers": 2,
        "vocab_size": WORDS,
        "use_cache": False,
    }
    build = partial(_built, "RwkvForCausalLM", "RwkvConfig", rwkv)
    inputs = partial(_text, front=False, masked=False)
    yield Network("transformers.rwkv", build, inputs, {"input_ids": {0: "N"}}, {"N": (2, 3), "t": (9,)}, reference=True)
    for name, (network, configuration, settings) in TRANSLATORS.items():
        build = partial(_built, network, configuration, settings | {"use_cache": False})
        axes = TEXTS | {"decoder_input_ids": {0: "N", 1: "u"}, "decoder_attention_mask": {0: "N", 1: "u"}}
        yield Network(f"transformers.{name}", build, _both, axes, SIZES | {"u": (5, 7)}, reference=True)


def _of_steps() -> Iterator[Network]:
    for name, (network, configuration, settings, heads) in STEPS.items():
        held = [{0: "N", 2: "t"}] * 2
        axes = {"input_ids": {0: "N"}, "attention_mask": {0: "N", 1: "t + 1"}, "past_key_values": [held, held]}
        build = partial(_built, network, configuration, settings)
        inputs = partial(_step, heads=heads)
        yield Network(f"transformers.{name}_step", build, inputs, axes, SIZES, script=None, reference=True)


def _of_pictures() -> Iterator[Network]:
    for name, (network, configuration, settings) in VISION.items():
        build = partial(_built, network, configuration, settings)
        inputs = partial(_pictures, size=64 if name == "segformer" else 32)
        yield Network(f"transformers.{name}", build, inputs, {"pixel_values": {0: "N"}}, {"N": (2, 3)}, reference=True)
    for name, (network, configuration, settings) in PAIRS.items():
        build = partial(_built, network, configuration, settings)
        axes = TEXTS | {"pixel_values": {0: "m"}}
        yield Network(f"transformers.{name}", build, _paired, axes, SIZES | {"m": (3, 4)}, reference=True)


def _of_sound() -> Iterator[Network]:
    axes = {"input_features": {0: "N"}, "decoder_input_ids": {0: "N", 1: "u"}}
    build = partial(_built, "WhisperForConditionalGeneration", "WhisperConfig", WHISPER | {"use_cache": False})
    yield Network("transformers.whisper", build, _spectra, axes, {"N": (2, 3), "u": (5, 7)}, reference=True)
    sizes = {"N": (2, 3), "t": (400, 550)}
    build = partial(_built, "Wav2Vec2ForCTC", "Wav2Vec2Config", SOUND | {"vocab_size": 20})
    yield Network(
        "transformers.wav2vec2", build, partial(_waves, masked=True), {"input_values": NT, "attention_mask": NT}, sizes
    )
    build = partial(_built, "HubertModel", "HubertConfig", SOUND)
    yield Network("transformers.hubert", build, partial(_waves, masked=False), {"input_values": NT}, sizes)


def rows() -> Iterator[Network]:
    """The networks."""
    yield from _of_text()
    yield from _of_steps()
    yield from _of_pictures()
    yield from _of_sound()
