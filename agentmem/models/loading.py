"""From the text of a setting (``openai:gpt-4o``, ``local:demo``) to a model. Knows prefixes, not providers."""

from __future__ import annotations

from typing import Any, cast

from agentmem import registry
from agentmem.budget import HomeBudget
from agentmem.contract import ChatModel, LocalModel
from agentmem.errors import BadInput, Missing
from agentmem.models.protocol import StreamingModel
from agentmem.settings import Settings

EXTRACTIVE = "extractive"


def load_chat_model(
    settings: Settings, *, local_model: LocalModel | None = None, budget: HomeBudget | None = None
) -> ChatModel | None:
    """The chat model of the settings, or None for ``extractive``, which needs none.

    ``local_model`` is the one whose weights are edited: ``local:`` speaks through it. Calls are charged to ``budget``.
    """
    spec = settings.model.strip()
    if spec == EXTRACTIVE:
        return None
    prefix, colon, name = spec.partition(":")
    if not colon or not prefix or not name:
        raise BadInput(f"model '{spec}' is not right; give extractive, openai:NAME, local:PATH or provider:NAME")
    options: dict[str, Any] = {**settings.section(prefix)}
    if prefix in registry.names("models"):
        provider = registry.load("models", prefix)
        if prefix == "openai":
            own = {
                "base_url": settings.base_url,
                "api_key_env": settings.api_key_env,
                "prices": settings.section("prices"),
            }
            options = {**own, **options}
        elif prefix == "local":
            options["local_model"] = local_model
        found = provider.chat(name, **options)
    else:
        from agentmem.models.langchain import of_any_provider

        if settings.base_url:
            options["base_url"] = settings.base_url
        found = of_any_provider(spec, options)
    return speaking(found, spec, settings, budget)


def speaking(model: Any, spec: str, settings: Settings, budget: HomeBudget | None = None) -> StreamingModel:
    """Whatever a provider gave (a LangChain chat model, one of ours) as a model that streams and is charged for."""
    from agentmem.models.charged import Charged
    from agentmem.models.langchain import LangChainChat, is_langchain
    from agentmem.models.protocol import as_streaming

    prices = settings.section("prices")
    spoken = LangChainChat(lambda: model, spec, prices=prices) if is_langchain(model) else cast(ChatModel, model)
    return Charged(as_streaming(spoken), budget)


def load_local_model(settings: Settings) -> LocalModel | None:
    """The local model of the settings (``demo`` or a folder); None when none is set."""
    spec = settings.local_model
    if spec in (None, "", "none"):
        return None
    if "local" not in registry.names("models"):
        raise Missing(f"local model '{spec}' needs the package agentmem_lm and its extra 'lm'; install them")
    provider = registry.load("models", "local")
    return cast(LocalModel, provider.local(spec, **settings.section("local")))
