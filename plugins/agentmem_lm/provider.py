"""Opens local models by name: `demo`, or the path of a folder; the entry point `local` of `agentmem.models`.

Knows where the demo model lies and nothing of how a model works. Light to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem.errors import Missing

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentmem_lm.model import CausalModel, Padding


def demo_folder() -> Path:
    """Where the demo model is: model.safetensors, config.json, tokenizer.json and its card."""
    return Path(__file__).parent / "demo" / "model"


def open_model(spec: str, *, device: str = "auto", dtype: str = "auto", padding: Padding = "left") -> CausalModel:
    """The model named `demo` or lying in the folder `spec`; a prefix `local:` is taken off.

    Raises Missing when torch or transformers are not installed, BadInput when the folder holds no model.
    """
    try:
        from agentmem_lm.model import load
    except ImportError as error:
        raise Missing(f"local models need torch and transformers: install the extra 'lm' ({error})") from error
    name = spec.removeprefix("local:")
    folder = demo_folder() if name == "demo" else Path(name).expanduser()
    return load(folder, device=device, dtype=dtype, padding=padding, name=name)


class LocalModels:
    """The provider behind `local:demo` and `local:/path`."""

    prefix = "local"

    @staticmethod
    def local(spec: str, **settings: Any) -> CausalModel:
        """A model whose weights can be edited (`agentmem.contract.LocalModel`)."""
        return open_model(spec, **settings)

    @staticmethod
    def chat(spec: str, *, local_model: Any = None, **settings: Any) -> BaseChatModel:
        """A chat model; with `local_model` it speaks through that one, so that its edits are heard."""
        from agentmem_lm.chat import LocalChatModel

        model_settings = {key: settings.pop(key) for key in ("device", "dtype", "padding") if key in settings}
        return LocalChatModel(model=local_model or open_model(spec, **model_settings), **settings)
