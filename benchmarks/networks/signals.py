"""Networks for sound and for series of numbers."""

from __future__ import annotations

import torch
import transformers
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from networks.common import LAYERS, TEXT, Made, model

SOUND, MEL = torch.randn(2, 4000), torch.randn(2, 80, 200)

NETWORKS: dict[str, Made] = {
    "Wav2Vec2": model(
        "Wav2Vec2ForSequenceClassification",
        "Wav2Vec2Config",
        torch.randn(2, 4000),
        conv_dim=(32, 32),
        conv_stride=(5, 4),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        **{**TEXT, "vocab_size": 32},
    ),
    "HuBERT": model(
        "HubertForSequenceClassification",
        "HubertConfig",
        SOUND,
        conv_dim=(32, 32),
        conv_stride=(5, 4),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        num_feat_extract_layers=2,
        **{**TEXT, "vocab_size": 32},
    ),
    "Whisper's encoder": (
        lambda: WhisperEncoder(
            transformers.WhisperConfig(
                d_model=64, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=128, max_source_positions=100
            )
        ),
        MEL,
        None,
    ),
    "audio spectrogram transformer": model(
        "ASTForAudioClassification", "ASTConfig", torch.randn(2, 64, 32), num_mel_bins=32, max_length=64, **LAYERS
    ),
    "PatchTST": model(
        "PatchTSTForPrediction",
        "PatchTSTConfig",
        torch.randn(2, 64, 3),
        ("prediction_outputs",),
        num_input_channels=3,
        context_length=64,
        prediction_length=8,
        patch_length=8,
        patch_stride=8,
        d_model=32,
        num_attention_heads=4,
        num_hidden_layers=2,
        ffn_dim=64,
    ),
    "PatchTSMixer": model(
        "PatchTSMixerForPrediction",
        "PatchTSMixerConfig",
        torch.randn(2, 64, 3),
        ("prediction_outputs",),
        num_input_channels=3,
        context_length=64,
        prediction_length=8,
        patch_length=8,
        patch_stride=8,
        d_model=16,
        num_layers=2,
    ),
}
