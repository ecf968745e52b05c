"""The two themes of the chat; every other theme of Textual can be chosen too."""

from __future__ import annotations

from textual.theme import Theme

from agentmem_tui.preferences import DARK, LIGHT

THEMES = (
    Theme(
        name=DARK,
        primary="#7aa2f7",
        secondary="#9ece6a",
        accent="#e0af68",
        foreground="#d5daf0",
        background="#16161e",
        surface="#1b1d2a",
        panel="#24273a",
        success="#9ece6a",
        warning="#e0af68",
        error="#f7768e",
        dark=True,
    ),
    Theme(
        name=LIGHT,
        primary="#2f5fd0",
        secondary="#3f7d20",
        accent="#9a5b00",
        foreground="#22252f",
        background="#fbfbfd",
        surface="#f1f2f7",
        panel="#e3e6f0",
        success="#3f7d20",
        warning="#9a5b00",
        error="#c0263c",
        dark=False,
    ),
)
