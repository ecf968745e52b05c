"""``openai:NAME``: OpenAI, or by ``base_url`` any compatible server (Ollama, vLLM, llama.cpp). Imported late."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from agentmem.errors import Missing
from agentmem.models.langchain import LangChainChat

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class OpenAIModels:
    """The provider behind the prefix ``openai``."""

    prefix = "openai"

    @staticmethod
    def chat(
        name: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        prices: dict[str, Any] | None = None,
        **options: Any,
    ) -> LangChainChat:
        """A chat model. The key is read from the environment variable ``api_key_env`` at the first call.

        Raises Missing then when there is no key and no ``base_url`` (servers of one's own mostly need none).
        """

        def make() -> BaseChatModel:
            try:
                from langchain_openai import ChatOpenAI
            except ImportError as error:
                raise Missing(f"model 'openai:{name}' needs the extra 'openai'; install it") from error
            key = os.environ.get(api_key_env, "")
            if not key and base_url is None:
                raise Missing(f"model 'openai:{name}' needs a key; set {api_key_env}, or base_url for another server")
            given = {"max_retries": 1, "timeout": 120.0, "stream_usage": True, **options}
            return ChatOpenAI(model=name, base_url=base_url, api_key=key or "none", **given)

        return LangChainChat(make, f"openai:{name}", prices=prices, json_mode=True, takes_max_tokens=True)
