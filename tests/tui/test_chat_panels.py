"""Panels through the real screens: a graph to walk in, edits to decide on, and plugins that raise or hang."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from chatting import ask, chatting, until
from textual.pilot import Pilot
from textual.widgets import Static

from agentmem import registry
from agentmem.agent import Agent
from agentmem.contract import Capability, Memory
from agentmem.panels import Edge, Graph, Table
from agentmem.records import Draft, Query, Recall, Status
from agentmem_tui import panelsdata
from agentmem_tui.app import ChatApp
from agentmem_tui.screens.panels import PanelsScreen
from agentmem_tui.screens.record import RecordScreen
from agentmem_tui.widgets.graphview import GraphView
from agentmem_tui.widgets.pluginpane import PluginPane

WORLD = {"ann": ("bob", "cleo"), "bob": ("ann",), "cleo": ("ann", "bob")}


class World:
    title: ClassVar[str] = "world"
    asks: ClassVar[str] = "a name"
    record_id: ClassVar[str] = ""

    def table(self, home: Any, namespace: Any) -> Table:
        return Table(("name", "friends"), tuple((name, str(len(near))) for name, near in WORLD.items()))

    def about(self, home: Any, namespace: Any, text: str) -> Graph:
        edges = [Edge(n, "friend", told=f"{text} knows {n}", record_id=self.record_id) for n in WORLD.get(text, ())]
        return Graph(text, tuple(edges))


class Raises:
    title: ClassVar[str] = "raises"

    def table(self, home: Any, namespace: Any) -> Table:
        raise RuntimeError("out of luck")


class Hangs:
    title: ClassVar[str] = "hangs"

    def table(self, home: Any, namespace: Any) -> Table:
        time.sleep(3.0)
        return Table()


class Babbles:
    title: ClassVar[str] = "babbles"

    def table(self, home: Any, namespace: Any) -> Any:
        return "a text"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"babbles": Babbles, "hangs": Hangs, "raises": Raises, "world": World}
    names, load = registry.names, registry.load_all
    monkeypatch.setattr(registry, "names", lambda group: sorted(kinds) if group == "panels" else names(group))
    monkeypatch.setattr(registry, "load_all", lambda g, w=None: (kinds, {}) if g == "panels" else load(g, w))
    monkeypatch.setattr(panelsdata, "_WAIT_S", 0.2)


async def pane(app: ChatApp, pilot: Pilot[None], name: str) -> PluginPane:
    """Go to a plugin's panel by keys."""
    if not isinstance(app.screen, PanelsScreen):
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, PanelsScreen) and len(app.screen.query(PluginPane)) == 4)
    found = next(p for p in app.screen.query(PluginPane) if p.shown.name == name)
    for _ in range(6):
        await pilot.press("tab")
        await pilot.pause(0.05)
        if found.region.area:
            break
    await until(pilot, lambda: "asking" not in told(found))
    return found


def told(shown: PluginPane) -> str:
    return str(shown.query_one("#lines", Static).render())


@pytest.mark.usefixtures("plugins")
async def test_one_walks_from_name_to_name_by_keys_and_back(home: Path, agent: Agent) -> None:
    World.record_id = agent.remember("Ann knows Bob.").record_id
    async with chatting(home, agent=agent) as (app, pilot):
        world = await pane(app, pilot, "world")
        graph = world.query_one(GraphView)
        await until(pilot, lambda: world.place().rows)  # type: ignore[union-attr]
        await pilot.press("enter")
        await until(pilot, lambda: graph.display and graph.edge() and graph.edge().name == "bob")  # type: ignore[union-attr]
        await pilot.press("down", "enter")
        await until(pilot, lambda: graph._centre == "cleo")
        assert "cleo knows ann" in str(world.query_one("#about", Static).render())
        assert [strip.text.split("─ ")[-1].split()[-1] for strip in drawn(graph)] == ["ann", "bob"]
        await pilot.press("backspace")
        await until(pilot, lambda: graph._centre == "ann")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, RecordScreen) and app.screen.view().looked)


def drawn(graph: GraphView) -> list[Any]:
    return [graph.render_line(y) for y in range(2)]


@pytest.mark.usefixtures("plugins")
async def test_one_walks_from_name_to_name_by_the_mouse(home: Path, agent: Agent) -> None:
    async with chatting(home, agent=agent) as (app, pilot):
        world = await pane(app, pilot, "world")
        table, graph = world.place(), world.query_one(GraphView)
        await until(pilot, lambda: table.rows)  # type: ignore[union-attr]
        await pilot.click(table, offset=(3, 1), times=2)
        await until(pilot, lambda: graph.display and graph._centre == "ann")
        await pilot.pause(0.05)
        await pilot.click(graph, offset=(30, 1), times=2)
        await until(pilot, lambda: graph._centre == "cleo")


@pytest.mark.usefixtures("plugins")
async def test_a_panel_that_fails_hangs_or_babbles_is_told_by_its_name_and_others_work(
    home: Path, agent: Agent
) -> None:
    async with chatting(home, agent=agent) as (app, pilot):
        assert "'babbles' failed: TypeError: it returned a str" in told(await pane(app, pilot, "babbles"))
        assert "'hangs' took longer than 0.2 s" in told(await pane(app, pilot, "hangs"))
        assert "'raises' failed: RuntimeError: out of luck" in told(await pane(app, pilot, "raises"))
        world = await pane(app, pilot, "world")
        await until(pilot, lambda: len(world.place().rows) == 3)  # type: ignore[union-attr]


@pytest.mark.usefixtures("plugins")
async def test_edits_are_decided_on_while_plugins_have_tables_of_their_own(home: Path, agent: Agent) -> None:
    agent.home.write([Draft(body="It is so.", kind="fact")], verb="remember", actor="agent", status=Status.PENDING)
    figures = {"rewrite": 1.0, "locality": 0.5, "perplexity": 1.01}
    kept = {"memory": "wise", "admission": {"accepted": True, "reason": "", "figures": figures}}
    agent.home.write([Draft(body="Edited.", kind="edit", attributes=kept)])
    async with chatting(home, agent=agent) as (app, pilot):
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, PanelsScreen) and len(app.screen._table.rows) == 2)
        assert isinstance(app.screen, PanelsScreen)
        assert app.screen._table.rows[1].cells[2].endswith("locality 0.50")
        await pilot.press("a")
        await until(pilot, lambda: not agent.pending())


class Broken(Memory):
    """Raises in recall; ``hangs`` makes it wait instead."""

    name = "broken"
    kinds = frozenset({"fact", "turn"})
    capabilities = Capability.NONE
    hangs = False

    def apply(self, changes: Any) -> None:
        del changes

    def recall(self, query: Query) -> Recall:
        if self.hangs:
            time.sleep(4.0)
        raise RuntimeError("the index is upside down")


@pytest.mark.parametrize("hangs", [False, True], ids=["raises", "hangs"])
async def test_a_memory_that_fails_in_recall_is_named_in_the_chat_and_the_others_answer(
    home: Path, hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broken, "hangs", hangs)
    plugins = {"broken": Broken, "bm25": registry.load_memory("bm25")}
    with Agent.open(home, embedder="hash", plugins=plugins, recall_timeout_s=0.5) as agent:
        agent.remember("The harbour office is on Pier 4.")
        async with chatting(home, agent=agent) as (app, pilot):
            assert "Pier 4" in await ask(app, pilot, "Where is the harbour office?")
            notes = [entry.text for entry in app.chat.transcript.entries if entry.role == "notice"]
            assert any("broken" in note for note in notes), notes
