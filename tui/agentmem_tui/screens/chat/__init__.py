"""The conversation screen, one idea a file; each part adds handlers to the same screen."""

from agentmem_tui.screens.chat.screen import ChatScreen

__all__ = ["ChatScreen"]
