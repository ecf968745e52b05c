"""The memory over HTTP: the same verbs as everywhere, and an OpenAI-compatible chat in front of the agent.

Loopback by default; beyond it a token is required. Knows no other server of the project. ``agentmem_serve.app.build``
makes the application; importing this package loads nothing else, so that the command can still choose how many threads
numerical libraries start.
"""
