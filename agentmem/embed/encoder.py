"""The transformer with its pooling as one torch module: token ids in, unit vectors out. Imports torch; import late."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from agentmem.errors import BadInput, ModelError


class Encoder(nn.Module):
    """input_ids: (batch, seq) without padding -> (batch, d_model), rows of length one."""

    def __init__(self, transformer: Any, first_token: bool) -> None:
        super().__init__()
        self.transformer = transformer
        self.first_token = first_token

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.transformer(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).last_hidden_state
        pooled = hidden[:, 0] if self.first_token else hidden.mean(dim=1)
        return nn.functional.normalize(pooled, dim=-1)


def read_encoder(folder: Path) -> Encoder:
    """The encoder in a folder, pooled as its 1_Pooling/config.json says (mean when there is none)."""
    first_token = False
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file():
        wanted = json.loads(pooling.read_text(encoding="utf-8"))
        first_token = bool(wanted.get("pooling_mode_cls_token"))
        if not first_token and not wanted.get("pooling_mode_mean_tokens"):
            raise BadInput(f"{pooling} asks for a pooling that is not known; mean and first-token pooling are")
    transformers.utils.logging.disable_progress_bar()  # a library does not draw on the terminal
    try:
        # eager attention: the only form that exports to plain matrix products
        model = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, attn_implementation="eager", dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"the model in {folder} cannot be read: {error}") from error
    return Encoder(model.eval(), first_token).eval()
