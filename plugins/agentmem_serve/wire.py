"""Between values and bytes: JSON out (by orjson where it is installed), and every error as one sentence with a status.

Knows no route.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from agentmem.errors import (
    AgentmemError,
    BadInput,
    BudgetExceeded,
    HomeBusy,
    HomeDamaged,
    Missing,
    ModelError,
    NotFound,
    PluginError,
    Refused,
)

try:
    import orjson
except ImportError:  # a third of the speed, the same bytes to whoever reads them
    orjson = None  # type: ignore[assignment]


class NotJson(AgentmemError):
    """The body is of another content type."""


STATUSES: tuple[tuple[type[AgentmemError], int], ...] = (
    (NotFound, 404),
    (NotJson, 415),
    (BadInput, 400),
    (Refused, 409),
    (HomeBusy, 409),
    (PluginError, 409),
    (Missing, 409),
    (BudgetExceeded, 429),
    (ModelError, 502),
    (HomeDamaged, 500),
)
"""What an error of the package means to a client; the first that fits."""

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}


def dumps(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    if orjson is not None:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return json.dumps(value, separators=(",", ":")).encode()


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dumps(value), status, headers=headers, media_type="application/json")


def refusal(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the shape that OpenAI's clients read; its message is one sentence."""
    return answer(fault(status, sentence), status, headers)


def fault(status: int, sentence: str) -> dict[str, Any]:
    kind = _TYPES.get(status, "server_error")
    line = " ".join(sentence.split())  # whatever of the request it quotes
    return {"error": {"message": line, "type": kind, "param": None, "code": None}}


def status_of(error: AgentmemError) -> int:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 400)
