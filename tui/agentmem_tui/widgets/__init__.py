"""Widgets of the chat, one a file: messages go up, methods go down."""
