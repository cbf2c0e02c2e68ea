"""Networks for texts: encoders, decoders, both."""

from __future__ import annotations

import torch

from networks.common import IDS, NAMED, TEXT, Made, model

SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
ENDED = {**NAMED, "input_ids": torch.cat((IDS[:, :-1], torch.full((2, 1), 2)), 1)}
"""Each text ends in the one token by which it is classified."""

NETWORKS: dict[str, Made] = {
    "BERT": model("BertForSequenceClassification", "BertConfig", NAMED, **TEXT),
    "RoBERTa": model("RobertaForSequenceClassification", "RobertaConfig", NAMED, **TEXT),
    "XLM-RoBERTa": model("XLMRobertaForSequenceClassification", "XLMRobertaConfig", NAMED, **TEXT),
    "CamemBERT's tagger": model("CamembertForTokenClassification", "CamembertConfig", NAMED, **TEXT),
    "ELECTRA": model("ElectraForSequenceClassification", "ElectraConfig", NAMED, embedding_size=64, **TEXT),
    "ALBERT": model("AlbertForSequenceClassification", "AlbertConfig", NAMED, embedding_size=32, **TEXT),
    "DistilBERT": model(
        "DistilBertForSequenceClassification",
        "DistilBertConfig",
        NAMED,
        vocab_size=100,
        dim=64,
        n_layers=2,
        n_heads=4,
        hidden_dim=128,
    ),
    "MPNet": model("MPNetForSequenceClassification", "MPNetConfig", NAMED, **TEXT),
    "SqueezeBERT": model(
        "SqueezeBertForSequenceClassification",
        "SqueezeBertConfig",
        NAMED,
        embedding_size=64,
        q_groups=1,
        k_groups=1,
        v_groups=1,
        post_attention_groups=1,
        intermediate_groups=1,
        output_groups=1,
        **TEXT,
    ),
    "DeBERTa-v2": model("DebertaV2ForSequenceClassification", "DebertaV2Config", NAMED, **TEXT),
    "RoFormer": model("RoFormerForSequenceClassification", "RoFormerConfig", NAMED, embedding_size=64, **TEXT),
    "ModernBERT": model(
        "ModernBertForSequenceClassification",
        "ModernBertConfig",
        NAMED,
        cls_token_id=1,
        sep_token_id=2,
        **TEXT,
        **SPECIAL,
    ),
    "GPT-2": model(
        "GPT2ForSequenceClassification",
        "GPT2Config",
        NAMED,
        vocab_size=100,
        n_embd=64,
        n_layer=2,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    ),
    "GPT-2 with its cache": model(
        "GPT2LMHeadModel",
        "GPT2Config",
        NAMED,
        vocab_size=100,
        n_embd=64,
        n_layer=2,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "OPT": model(
        "OPTForCausalLM",
        "OPTConfig",
        NAMED,
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=128,
        word_embed_proj_dim=64,
    ),
    "GPT-NeoX": model("GPTNeoXForCausalLM", "GPTNeoXConfig", NAMED, **TEXT),
    "Bloom": model("BloomForCausalLM", "BloomConfig", NAMED, vocab_size=100, hidden_size=64, n_layer=2, n_head=4),
    "Phi": model("PhiForCausalLM", "PhiConfig", NAMED, **TEXT),
    "Llama": model("LlamaForCausalLM", "LlamaConfig", NAMED, num_key_value_heads=2, **TEXT),
    "Mistral": model("MistralForCausalLM", "MistralConfig", NAMED, num_key_value_heads=2, **TEXT),
    "Qwen2": model("Qwen2ForCausalLM", "Qwen2Config", NAMED, num_key_value_heads=2, **TEXT),
    "Qwen3": model("Qwen3ForCausalLM", "Qwen3Config", NAMED, num_key_value_heads=2, head_dim=16, **TEXT),
    "Gemma": model("GemmaForCausalLM", "GemmaConfig", NAMED, num_key_value_heads=2, head_dim=16, **TEXT),
    "T5's encoder": model(
        "T5EncoderModel", "T5Config", NAMED, vocab_size=100, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4
    ),
    "T5": model(
        "T5ForConditionalGeneration",
        "T5Config",
        {"input_ids": IDS, "decoder_input_ids": IDS},
        vocab_size=100,
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    ),
    "BART": model(
        "BartForSequenceClassification",
        "BartConfig",
        ENDED,
        vocab_size=100,
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        eos_token_id=2,
    ),
    "CLIP's text tower": model(
        "CLIPTextModel", "CLIPTextConfig", NAMED, ("pooler_output",), **TEXT, bos_token_id=1, eos_token_id=2
    ),
}
