"""Reader of source code: where functions and classes begin, by the words that begin them and by indentation.

No grammar is loaded: parsers of some hundred languages are 20 MB, and all that is wanted is a good place to cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentmem.ingest.decoding import decode
from agentmem.ingest.document import CODE, Document, Section, Unreadable, one_line, whole

LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".pyx": "cython",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".java": "java",
    ".kt": "kotlin",
    ".scala": "scala",
    ".go": "go",
    ".rs": "rust",
    ".c": "c",
    ".h": "c",
    ".cc": "c++",
    ".cpp": "c++",
    ".cxx": "c++",
    ".hpp": "c++",
    ".cu": "cuda",
    ".cuh": "cuda",
    ".cs": "c#",
    ".swift": "swift",
    ".rb": "ruby",
    ".php": "php",
    ".pl": "perl",
    ".lua": "lua",
    ".r": "r",
    ".jl": "julia",
    ".ex": "elixir",
    ".exs": "elixir",
    ".erl": "erlang",
    ".hs": "haskell",
    ".ml": "ocaml",
    ".sh": "shell",
    ".bash": "shell",
    ".zsh": "shell",
    ".ps1": "powershell",
    ".sql": "sql",
    ".proto": "protobuf",
    ".vue": "vue",
    ".svelte": "svelte",
    ".css": "css",
    ".scss": "css",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".ini": "ini",
    ".cfg": "ini",
    ".conf": "ini",
    ".xml": "xml",
    ".cmake": "cmake",
    ".tf": "terraform",
    ".gradle": "gradle",
}

_PYTHON = re.compile(r"[ \t]*(?:async\s+def|def|c?p?def|(?:cdef\s+)?class)\s+\w+\s*[(:\[]")
_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|override|virtual|inline|open"
    r"|sealed|data|unsafe|pub(?:\([^)]*\))?|declare|local|extern(?:\s+\"C\")?|suspend)\s+)*"
)
_WORDS = re.compile(
    rf"[ \t]*{_MODIFIERS}(?:def|class|func|function\*?|fn|fun|interface|trait|impl|enum|struct|module|namespace|object"
    r"|sub|protocol|extension|record|union|type|message|service|defmodule|defp|macro_rules!"
    r"|(?:CREATE|create)\s+\w+)(?:\s+[\w&*\[\"(]|<)[^.]*[^.\s][ \t]*\n?"
)
# Functions of C and its kin have no word of their own: a type, a name, arguments and mostly a brace.
_AT_MARGIN = re.compile(
    r"(?!(?:return|else|if|for|while|switch|case)\b)[A-Za-z_][\w:<>,*&~ \t]*\([^;{}]*\)[^;{}=]*\{?\s*"
)
_METHOD = re.compile(r"[ \t]*(?:public|private|protected|internal)\s[\w<>,\[\]?. \t]+\([^;]*\)[^;]*\{?\s*")
_SHELL = re.compile(r"(?:function\s+)?[\w-]+\s*\(\)\s*\{?\s*|function\s+[\w-]+\s*\{\s*")
_OWN = {
    "python": (_PYTHON,),
    "cython": (_PYTHON,),
    "shell": (_SHELL,),
    "c": (_WORDS, _AT_MARGIN),
    "c++": (_WORDS, _AT_MARGIN),
    "cuda": (_WORDS, _AT_MARGIN),
    "java": (_WORDS, _METHOD),
    "c#": (_WORDS, _METHOD),
}
_WITHOUT_FUNCTIONS = frozenset({"yaml", "toml", "ini", "xml", "css", "cmake", "terraform", "gradle", "vue", "svelte"})
_LEADS = re.compile(r"[ \t]*(?:@|#|//|/\*|\*|--|\[)")  # comments and decorators belong to what follows them
_MINIFIED = 2000  # mean characters a line


def read_code(data: bytes, language: str) -> Document:
    """Source text; each function or class that begins a line is a section, with what it is nested in as heading."""
    text, _ = decode(data)
    if len(text) / (text.count("\n") + 1) > _MINIFIED:
        raise Unreadable("minified: lines of thousands of characters are not for reading")
    sections = whole(text, CODE) if language in _WITHOUT_FUNCTIONS else tuple(_outline(text, language))
    return Document(text, sections, "", language)


def _outline(text: str, language: str) -> Iterator[Section]:
    stack: list[tuple[int, str]] = []  # (indentation, signature) of what is open
    start, position, lead = 0, 0, -1
    for line in text.splitlines(keepends=True):
        signature = _signature(line, language)
        if signature:
            begins = lead if lead >= 0 else position
            yield from _piece(text, start, begins, stack)
            indent = len(line) - len(line.lstrip())
            while stack and stack[-1][0] >= indent:
                stack.pop()
            stack.append((indent, signature))
            start, lead = begins, -1
        elif _LEADS.match(line):
            lead = lead if lead >= 0 else position
        else:
            lead = -1
            indent = len(line) - len(line.lstrip())
            if stack and line.strip() and indent <= stack[-1][0] and line.strip()[0] not in "})]":
                yield from _piece(text, start, position, stack)
                while stack and stack[-1][0] >= indent:
                    stack.pop()
                start = position
        position += len(line)
    yield from _piece(text, start, len(text), stack)


def _signature(line: str, language: str) -> str:
    """What a definition calls itself, on one line; empty for other lines."""
    if len(line) < 400 and any(pattern.match(line) for pattern in _OWN.get(language, (_WORDS,))):
        return one_line(line.strip().rstrip("{:").rstrip())[:100]
    return ""


def _piece(text: str, start: int, end: int, stack: list[tuple[int, str]]) -> Iterator[Section]:
    if text[start:end].strip():
        heading = tuple(name for _, name in stack[:-1])
        yield Section(start, end, heading, CODE, stack[-1][1] if stack else "")
