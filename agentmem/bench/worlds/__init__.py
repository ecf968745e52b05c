"""Small worlds whose truth is known at every step: planning domains to act in, stories and programs to read.

They know nothing of memories, agents or models; the measuring commands of the plugins put the two together.
"""
