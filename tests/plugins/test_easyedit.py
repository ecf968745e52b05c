"""agentmem_easyedit: somebody else's algorithms under our requests, admission and undo.

Against a stand-in with EasyEdit's interface (scripted): `ALG_DICT`, a class of settings, functions that edit in place.
For real when `easyeditor` is installed: its names must be there.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem import Agent  # noqa: E402
from agentmem.errors import AgentmemError, Missing  # noqa: E402
from agentmem_easyedit import ALGORITHMS, EasyEditMemory  # noqa: E402
from agentmem_lm.model import CausalModel  # noqa: E402
from agentmem_lm.shapes import random_model  # noqa: E402

TEXTS = ["The capital of Velmark is", "Some other text"]
EASYEDIT = find_spec("easyeditor") is not None


class Wrapped(torch.nn.Module):  # what GRACE and WISE put in a layer's place
    def __init__(self, layer: torch.nn.Module, bias: float) -> None:
        super().__init__()
        self.layer, self.bias = layer, bias

    def forward(self, x: Any) -> Any:
        return self.layer(x) + self.bias


class Settings:
    @classmethod
    def from_hparams(cls, path: str) -> Settings:
        assert Path(path).is_file()
        return cls()


def apply_rome(model: Any, tok: Any, request: list[dict[str, Any]], hparams: Settings, **keywords: Any) -> Any:
    assert not keywords["copy"]
    assert len(request) == 1, "ROME takes one request"
    assert request[0]["subject"] in request[0]["prompt"]
    weight = model.get_parameter("model.layers.1.mlp.down_proj.weight")
    with torch.no_grad():
        weight += 0.1 * len(request[0]["target_new"]) * torch.randn(weight.shape)
    return model, {}


def apply_grace(model: Any, tok: Any, request: list[dict[str, Any]], hparams: Settings, **keywords: Any) -> Any:
    mlp = model.get_submodule("model.layers.1.mlp")
    mlp.down_proj = Wrapped(mlp.down_proj, float(len(request[0]["target_new"])))
    return model, {}


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    package, util, table = (ModuleType(name) for name in ("easyeditor", "easyeditor.util", "easyeditor.util.alg_dict"))
    package.__spec__ = ModuleSpec("easyeditor", None, is_package=True)
    package.__path__ = util.__path__ = []  # type: ignore[attr-defined]
    for algorithm in ALGORITHMS.values():
        setattr(package, algorithm.settings, Settings)
    table.ALG_DICT = {"ROME": apply_rome, "GRACE": apply_grace}  # type: ignore[attr-defined]
    for module in (package, util, table):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    path = tmp_path / "hparams.yaml"
    path.write_text("alg_name: ROME\n")
    return path


@pytest.fixture
def model() -> CausalModel:
    return random_model("llama")


def opened(model: CausalModel, home: Path, hparams: object, name: str, **more: object) -> Agent:
    section = {"hparams": str(hparams), "examine": False, "layer": 1, **more}
    return Agent.open(home, local_model=model, memories=name, embedder="hash", **{name: section})


def tell(agent: Agent, name: str, subject: str, target: str) -> Any:
    return agent.edit(subject, "The capital of {} is", target, memory=name)


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["easyedit:ROME", "easyedit:GRACE"])
def test_an_algorithm_edits_and_its_edits_come_off_bit_for_bit_in_any_order(
    name: str, stand_in: Path, model: CausalModel, tmp_path: Path
) -> None:
    bare, modules = model.logits(TEXTS), dict(model.net.named_modules())
    with opened(model, tmp_path / "home", stand_in, name) as agent:
        first = tell(agent, name, "Velmark", "Osterby")
        one = model.logits(TEXTS)
        assert not same(one, bare)
        assert same(model.logits(TEXTS, base=True), bare)
        second = tell(agent, name, "Zurkia", "Dorn")
        both = model.logits(TEXTS)
        assert not same(both, one)
        agent.undo(second)
        assert same(model.logits(TEXTS), one)
        undone = agent.undo(first)
        assert same(model.logits(TEXTS), bare)
        agent.undo(undone)
        assert same(model.logits(TEXTS), one), "made again from the same originals and the same seed"
    assert same(model.logits(TEXTS), bare)
    assert dict(model.net.named_modules()) == modules
    assert not any(parameter.requires_grad for parameter in model.net.parameters())


def test_a_failing_algorithm_leaves_the_model_as_it_was(
    stand_in: Path, model: CausalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(net: Any, *given: Any, **keywords: Any) -> Any:
        apply_rome(net, *given, **keywords)
        raise RuntimeError("out of memory")

    monkeypatch.setitem(sys.modules["easyeditor.util.alg_dict"].ALG_DICT, "ROME", broken)
    bare = model.logits(TEXTS)
    with opened(model, tmp_path / "home", stand_in, "easyedit:ROME") as agent:
        tell(agent, "easyedit:ROME", "Velmark", "Osterby")
        with pytest.raises(RuntimeError, match="out of memory"):
            model.logits(TEXTS)
        assert same(model.logits(TEXTS, base=True), bare)


def test_an_edit_that_the_model_does_not_say_is_not_admitted(
    stand_in: Path, model: CausalModel, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(f"Line {i} of an ordinary text about harbours" for i in range(64)))
    bare = model.logits(TEXTS)
    with opened(model, tmp_path / "home", stand_in, "easyedit:ROME", examine=True, background=str(lines)) as agent:
        receipt = tell(agent, "easyedit:ROME", "Velmark", "Osterby")
        (verdict,) = receipt.verdicts.values()
        assert not verdict.accepted
        assert "rewrite" in verdict.reason
        assert same(model.logits(TEXTS), bare)


def test_settings_are_asked_for_before_anything_is_written(stand_in: Path, model: CausalModel, tmp_path: Path) -> None:
    with opened(model, tmp_path / "home", "nowhere.yaml", "easyedit:ROME") as agent:
        with pytest.raises(AgentmemError, match=r"easyedit:ROME\.hparams"):
            tell(agent, "easyedit:ROME", "Velmark", "Osterby")
        assert not list(agent.records())


@pytest.mark.skipif(EASYEDIT, reason="easyeditor is installed")
def test_without_easyeditor_an_edit_and_the_doctor_say_how_to_get_it(
    model: CausalModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from agentmem.cli import main

    assert "pip install easyeditor" in EasyEditMemory.missing()
    with (
        opened(model, tmp_path / "home", "x.yaml", "easyedit:ROME") as agent,
        pytest.raises(Missing, match="pip install easyeditor"),
    ):
        tell(agent, "easyedit:ROME", "Velmark", "Osterby")
    main(["--home", str(tmp_path / "other"), "--memories", "bm25", "--set", "embedder=hash", "doctor"])
    said = capsys.readouterr().out
    assert "easyedit:ROME" in said
    assert "pip install easyeditor" in said


@pytest.mark.skipif(not EASYEDIT, reason="easyeditor is not installed: the stand-in tests the rest")
def test_the_real_easyeditor_has_every_algorithm_that_is_offered() -> None:
    from importlib import import_module

    table = import_module("easyeditor.util.alg_dict").ALG_DICT
    assert set(ALGORITHMS) <= set(table)
    assert all(hasattr(import_module("easyeditor"), algorithm.settings) for algorithm in ALGORITHMS.values())
