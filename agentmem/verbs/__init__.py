"""The verbs of an agent, by what they are for: writing, weights, reading, the home as a whole, conversation.

Each verb is short: what it does is told in the modules it calls. Beside every verb that waits for a disk or a model
stands its async twin, the same name with an `a` before it.
"""
