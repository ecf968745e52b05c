"""The terminal chat of agentmem. It listens to events, calls the agent's verbs on threads, and knows no model."""
