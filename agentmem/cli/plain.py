"""``agentmem chat --plain``: a conversation line by line, for pipes, small terminals and screen readers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from agentmem import events
from agentmem.agent import Agent
from agentmem.cli.options import SHORT, Options, shortened
from agentmem.compose import source_of
from agentmem.errors import AgentmemError
from agentmem.slash import SlashCommands


def main(arguments: list[str], options: Options) -> int:
    """The command ``chat`` where there is no other screen."""
    parser = argparse.ArgumentParser(prog="agentmem chat", description="Talk with the agent.")
    parser.add_argument("--plain", action="store_true", help="line by line, also when this is a terminal")
    parser.add_argument("--incognito", action="store_true", help="write nothing down")
    chosen = parser.parse_args(arguments)
    with options.open() as agent:
        chat = PlainChat(agent, sys.stdin, sys.stdout, incognito=chosen.incognito)
        code = chat.run()
        agent.home.watchers.append(chat.leaving)
        return code


class PlainChat:
    """Reads lines, writes lines; no colours, no cursor."""

    def __init__(self, agent: Agent, source: TextIO, target: TextIO, *, incognito: bool = False) -> None:
        self._agent = agent
        self._source = source
        self._target = target
        self._asks = source.isatty() and target.isatty()
        self._commands = SlashCommands(agent)
        self._commands.incognito = incognito

    def run(self) -> int:
        """Until the lines end or the user quits."""
        for cut in self._agent.loop.cut_off(self._commands.thread):
            text = shortened(str(cut.start.get("text", "")))
            self._say(f"A turn was cut off: '{text}'. /resume finishes it, /discard drops it.")
        for line in self._lines():
            if not line.strip():
                continue
            try:
                if self._one(line.strip()):
                    return 0
            except AgentmemError as error:
                self._say(f"! {error}")
            except KeyboardInterrupt:
                self._say("\n! stopped")
        return 0

    def _lines(self) -> Iterator[str]:
        while True:
            if self._asks:
                self._target.write("> ")
                self._target.flush()
            try:
                line = self._source.readline()
            except KeyboardInterrupt:
                self._say("")
                return
            if not line:
                return
            yield line

    def _one(self, line: str) -> bool:
        """One line; True when the chat is over."""
        if not line.startswith("/"):
            place = {"thread": self._commands.thread, "namespace": self._commands.namespace}
            self._follow(self._agent.stream(line, incognito=self._commands.incognito, **place))
            return False
        done = self._commands.run(line)
        if done.text:
            self._say(done.text)
        if done.resume:
            self._follow(self._agent.loop.stream_resumed(self._commands.thread))
        return done.quit

    def _follow(self, stream: Iterable[events.Event]) -> None:
        """Write the answer as it comes, then what it rests on and what was written."""
        after: list[str] = []
        for event in stream:
            match event:
                case events.Token():
                    self._target.write(event.text)
                    self._target.flush()
                case events.Notice():
                    after.append(f"  ! {event.text}")
                case events.Recalled(error=str()):
                    after.append(f"  ! memory '{event.memory}': {event.error}")
                case events.PendingApproval():
                    short = event.change_id[:SHORT]
                    after.append(f"  ? waits for approval: {shortened(event.record.body)} (/approve {short})")
                case events.Answered():
                    self._commands.last = event.answer
                    for citation in event.answer.citations:
                        place = source_of(citation.record)
                        after.append(f"  [{citation.number}] {citation.record_id[:SHORT]}  {place}")
                case events.TurnFailed():
                    again = " (/resume or /discard)" if event.resumable else ""
                    after.append(f"  ! {event.error}{again}")
        self._say("\n" + "\n".join(after) if after else "")

    def leaving(self, kind: str, told: Mapping[str, Any]) -> None:
        """What is done while the home is closed, where it may take a while, and what fails then."""
        if kind == "summarising":
            self._say("summarising this session … (ctrl+c leaves it for later)")
        elif kind == "fault":
            self._say(f"! {told.get('memory')}: {told.get('error')}")

    def _say(self, text: str) -> None:
        self._target.write(text + "\n")
        self._target.flush()
