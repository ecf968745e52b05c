"""Asks a model of this home how sure it is of a question, by itself and with what was recalled: a signal for routers.

The local model is asked when there is one; a chat model behind a server only when the settings say so, since each look
is two calls. Knows how to ask, and in what time; what the answers mean is the router's matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentmem.contract import Capability
from agentmem.deadline import Call, Overdue
from agentmem.errors import AgentmemError, BadInput, ModelError
from agentmem.gain import Weighed
from agentmem.home import Home
from agentmem.likeness import nearness
from agentmem.models.protocol import GivesProbabilities
from agentmem.records import Query
from agentmem.settings import explain


class RoutingSettings(BaseModel):
    """The section ``[routing]`` of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    confidence_gain: Literal["local", "any", "off"] = Field(
        default="local",
        description="which model may be asked whether recalled text bears on a question: the local one, any, none",
    )
    seconds: float = Field(
        default=20.0, gt=0, description="that a question may wait for it; the first one waits until a model is loaded"
    )


def settings_of(home: Home) -> RoutingSettings:
    try:
        return RoutingSettings.model_validate(home.settings.section("routing"))
    except ValidationError as error:
        raise BadInput(f"in the section of 'routing': {explain(error, RoutingSettings)}") from error


class Weighing:
    """One home's looks at its models; one look at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._hanging: Call[Weighed | None] | None = None

    @property
    def model(self) -> GivesProbabilities | None:
        """The model that is asked. None when there is none: nothing is ever loaded for this alone."""
        local, chat = self._home.local_model, self._home.chat
        models: dict[str, tuple[object, ...]] = {"local": (local,), "any": (local, chat), "off": ()}
        may_be_asked = models[settings_of(self._home).confidence_gain]
        return next((model for model in may_be_asked if isinstance(model, GivesProbabilities)), None)

    def weigh(self, query: Query, passages: Sequence[str]) -> Weighed | None:
        """What the model makes of the question, within ``routing.seconds``; ModelError when it is too slow."""
        model, timeout_s = self.model, settings_of(self._home).seconds
        if model is None:
            return None
        if self._hanging is not None and self._hanging.running:
            raise ModelError("an earlier look at the model has not come back yet")
        call = Call(lambda: model.weigh(query.text, passages, namespace=query.namespace), "weigh")
        try:
            return call.result(timeout_s)
        except Overdue as error:
            self._hanging = call
            raise ModelError(f"the model did not say within {timeout_s:g} s how sure it is") from error
        except AgentmemError:
            raise
        except Exception as error:  # the core's call into a plugin
            raise ModelError(
                f"the model could not be asked how sure it is ({type(error).__name__}: {error})"
            ) from error

    def likeness(self, query: Query, passages: Sequence[str]) -> float | None:
        """How near the nearest passage comes to the question, names aside; None where no embedder is in use."""
        in_use = self._home.chat is None or any(
            Capability.NEEDS_EMBED in view.memory.capabilities for view in self._home.views.usable()
        )
        return nearness(self._home.embedder, query.text, passages) if in_use and passages else None
