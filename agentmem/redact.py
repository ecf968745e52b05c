"""Takes secrets out of text before anything is stored: keys, tokens, passwords, card numbers. Knows no store.

Patterns are of published formats; a card number must pass the Luhn check. What is not recognised is not redacted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Redacted:
    """The text without its secrets, and what kinds of secrets they were (never the secrets)."""

    text: str
    kinds: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What the user is told; empty when nothing was taken out."""
        if not self.kinds:
            return ""
        counts = {kind: self.kinds.count(kind) for kind in self.kinds}
        named = ", ".join(kind if n == 1 else f"{kind} (×{n})" for kind, n in counts.items())
        return f"redacted before storing: {named}"


def _luhn(match: re.Match[str]) -> bool:
    digits = [int(c) for c in match.group() if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if i % 2 == 0 else d * 2 - 9 * (d > 4) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _always(_: re.Match[str]) -> bool:
    return True


def _looks_random(match: re.Match[str]) -> bool:
    """An assigned value is a secret rather than a word: it has a digit or a sign, or mixes cases."""
    value = match.group("secret").rstrip(".,:;!?)\"'")
    return bool(re.search(r"[\d\W_]", value)) or (value != value.lower() and value != value.capitalize())


_Rule = tuple[str, re.Pattern[str], Callable[[re.Match[str]], bool]]
_RULES: tuple[_Rule, ...] = (
    (
        "private key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        _always,
    ),
    ("token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _always),  # JSON web token
    ("API key", re.compile(r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}"), _always),
    ("API key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), _always),  # AWS access key ids
    ("API key", re.compile(r"\bAIza[\w-]{35}"), _always),  # Google
    ("API key", re.compile(r"\b(?:hf|npm|dop_v1|glpat|pypi)[-_][A-Za-z0-9_-]{16,}"), _always),
    ("token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"), _always),
    ("token", re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"), _always),  # Slack
    ("token", re.compile(r"(?i)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/-]{16,}=*)"), _always),
    ("password", re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@]+:(?P<secret>[^\s/@]+)@"), _always),
    (
        "password",
        re.compile(
            r"(?i)\b(?:password|passwort|passwd|pwd|passphrase|secret|api[_ -]?key|access[_ -]?token|auth[_ -]?token)"
            r"(?:\s+is|\s*[:=])\s*[\"']?(?P<secret>[^\s\"',;\[][^\s\"',;]{5,})"
        ),
        _looks_random,
    ),
    ("card number", re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]\d)"), _luhn),
)


def redact(text: str) -> Redacted:
    """The text with each secret replaced by ``[kind removed]``."""
    kinds: list[str] = []
    for kind, pattern, is_secret in _RULES:

        def replace(match: re.Match[str], kind: str = kind, check: Callable[..., bool] = is_secret) -> str:
            if not check(match) or "removed]" in match.group():
                return match.group()
            kinds.append(kind)
            mark = f"[{kind} removed]"
            if "secret" not in match.re.groupindex:
                return mark
            start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
            whole = match.group()
            return whole[:start] + mark + whole[end:]

        text = pattern.sub(replace, text)
    return Redacted(text, tuple(kinds))
