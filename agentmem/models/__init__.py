"""Chat models and local models by prefix: ``extractive``, ``openai:NAME``, ``local:PATH``, ``provider:NAME``.

A prefix is an entry point of the group ``agentmem.models``: a callable ``(name, settings) -> model``. Secrets are read
from the environment at the call and never stored, shown or logged.
"""

from __future__ import annotations
