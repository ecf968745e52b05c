"""The routers that come along: which memories a question goes to, decided in stages, each cheaper than the next.

    rules ▶ features ▶ probes (when the best two are close) ▶ choice ▶ one escalation

Rules decide alone where there is nothing to weigh; features cost no call of anything; probes ask memories early.
"""

from agentmem.routing.calibrated import CalibratedRouter
from agentmem.routing.chat import ChatRouter
from agentmem.routing.rules import RulesRouter, StaticRouter

__all__ = ["CalibratedRouter", "ChatRouter", "RulesRouter", "StaticRouter"]
