"""Local models: their parts are found, they generate the same in any batch, stream, stop, and mount edits cleanly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np
import pytest

from agentmem.contract import LocalModel
from agentmem.errors import BadInput, ModelError
from agentmem.records import Namespace, in_scope
from agentmem_lm.mounting import ORDER_GATED, ORDER_WEIGHTS

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem_lm.model import CausalModel, load  # noqa: E402
from agentmem_lm.shapes import TINY, random_model  # noqa: E402
from agentmem_lm.structure import find_structure  # noqa: E402

PROMPTS = ["The capital of Velmark is", "Q: Who?", "A much longer prompt, which needs more room than the others do:"]


@pytest.fixture(scope="module")
def qwen() -> CausalModel:
    return random_model("qwen2")


@pytest.fixture(scope="module")
def gpt2() -> CausalModel:
    return random_model("gpt2")


class Shift:
    """A weight memory that adds a number to one weight: enough to see mounting."""

    def __init__(
        self, name: str, order: int, by: float, namespace: Namespace = (), seen: list[str] | None = None
    ) -> None:
        self.name, self.mount_order, self.by, self.namespace = name, order, by, namespace
        self.seen = [] if seen is None else seen

    def mount_key(self, namespace: Namespace, as_of: float | None) -> Hashable | None:
        return self.by if self.by and in_scope(self.namespace, namespace) else None

    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        self.seen.append(self.name)
        weight = model.structure.layers[1].down.as_matrix()
        old = weight.clone()
        weight += self.by

        def undo() -> None:
            self.seen.append(f"-{self.name}")
            weight.copy_(old)

        return undo


@pytest.mark.parametrize("family", sorted(TINY))
def test_the_parts_of_every_known_shape_are_found(family: str) -> None:
    model = random_model(family)
    structure = model.structure
    assert len(structure) == 3
    assert structure.d_model == 64
    assert structure.d_inner in (192, 256)
    assert structure.layers[2].down.as_matrix().shape == (64, structure.d_inner)
    assert structure.layers[2].down.name.split(".")[-1] in ("c_proj", "fc_out", "fc2", "down_proj")


def test_an_unknown_shape_is_refused_with_what_was_looked_for() -> None:
    with pytest.raises(ModelError, match=r"embedding table"):
        find_structure(torch.nn.Linear(3, 3))
    plain = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 5))
    with pytest.raises(ModelError, match=r"looked for a list of alike decoder layers"):
        find_structure(plain)


def test_it_is_the_local_model_of_the_contract(qwen: CausalModel) -> None:
    assert isinstance(qwen, LocalModel)


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "qwen3", "gptj", "opt"])
def test_a_batch_with_either_padding_and_a_cache_answers_like_one_at_a_time(family: str) -> None:
    model = random_model(family)
    alone = [model.generate([prompt], max_new_tokens=8, cache=False)[0] for prompt in PROMPTS]
    for padding in ("left", "right"):
        for cache in (True, False):
            assert model.generate(PROMPTS, max_new_tokens=8, padding=padding, cache=cache) == alone


def test_a_stream_gives_the_same_text_piece_by_piece(qwen: CausalModel) -> None:
    pieces = list(qwen.stream(PROMPTS[0], max_new_tokens=12))
    assert len(pieces) > 1
    assert "".join(pieces) == qwen.generate([PROMPTS[0]], max_new_tokens=12)[0]


def test_a_closed_stream_stops_generating_and_frees_the_lock(qwen: CausalModel) -> None:
    stream = qwen.stream("x", max_new_tokens=100)
    next(stream)
    stream.close()
    assert qwen.generate(["x"], max_new_tokens=1)
    asked: list[int] = []
    list(qwen.stream("x", max_new_tokens=100, cancelled=lambda: asked.append(1) or len(asked) >= 3))
    assert len(asked) <= 4


def test_a_stream_without_whole_characters_can_be_cancelled_at_any_token() -> None:
    model = random_model("qwen2")
    model.decode = lambda ids: "\ufffd" * len(ids)  # type: ignore[method-assign]
    asked: list[int] = []
    list(model.stream("x", max_new_tokens=60, cancelled=lambda: asked.append(1) or len(asked) >= 3))
    assert len(asked) == 3


def test_a_stop_text_ends_the_text_and_is_never_streamed(qwen: CausalModel) -> None:
    whole = qwen.generate(["x"], max_new_tokens=20)[0]
    stop = whole[6:9]
    cut = whole[: whole.index(stop)]
    assert qwen.generate(["x"], max_new_tokens=20, stop=[stop])[0] == cut
    assert "".join(qwen.stream("x", max_new_tokens=20, stop=[stop])) == cut


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(qwen: CausalModel) -> None:
    with pytest.raises(ModelError, match=r"tokens .* holds 128"):
        qwen.generate(["x" * 200])


def test_logits_do_not_depend_on_the_other_prompts(qwen: CausalModel) -> None:
    one = qwen.logits([PROMPTS[0]])[0]
    both = qwen.logits([PROMPTS[2], PROMPTS[0]])[1]
    assert one.dtype == np.float32
    assert one.shape == (len(qwen.encode(PROMPTS[0])), 259)
    assert np.array_equal(one, both)


def test_mounting_goes_in_the_fixed_order_and_comes_off_bit_for_bit() -> None:
    model = random_model("qwen2")
    before = {name: value.clone() for name, value in model.net.state_dict().items()}
    bare = model.logits(["x"])[0]
    seen: list[str] = []
    gated, weights = Shift("gated", ORDER_GATED, 0.1, seen=seen), Shift("weights", ORDER_WEIGHTS, 0.3, seen=seen)
    model.mount(gated)
    model.mount(weights)
    edited = model.logits(["x"])[0]
    assert seen == ["weights", "gated"]
    assert not np.array_equal(edited, bare)
    assert np.array_equal(model.logits(["x"], base=True)[0], bare)
    assert seen[2:] == ["-gated", "-weights"]
    assert np.array_equal(model.logits(["x"])[0], edited)
    model.unmount(gated)
    model.unmount(weights)
    assert all(torch.equal(value, before[name]) for name, value in model.net.state_dict().items())


def test_what_is_mounted_already_is_not_mounted_again() -> None:
    model = random_model("gpt2")
    memory = Shift("one", ORDER_GATED, 0.2)
    model.mount(memory)
    for _ in range(3):
        model.generate(["x"], max_new_tokens=1)
    assert memory.seen == ["one"]
    memory.by = 0.4
    model.generate(["x"], max_new_tokens=1)
    assert memory.seen == ["one", "-one", "one"]


def test_an_edit_is_mounted_only_where_its_namespace_is_in_scope() -> None:
    model = random_model("gpt2")
    bare = model.logits(["x"])[0]
    model.mount(Shift("alice", ORDER_GATED, 0.5, namespace=("alice", "work")))
    assert np.array_equal(model.logits(["x"], namespace=("bob",))[0], bare)
    assert not np.array_equal(model.logits(["x"], namespace=("alice",))[0], bare)


def test_a_mount_as_a_context_manager_ends_with_its_block() -> None:
    model = random_model("gpt2")
    bare = model.logits(["x"])[0]
    with model.mount(Shift("brief", ORDER_GATED, 0.5)):
        assert not np.array_equal(model.logits(["x"])[0], bare)
    assert np.array_equal(model.logits(["x"])[0], bare)
    with pytest.raises(BadInput, match="cannot be mounted"):
        model.mount(object())


def test_the_fingerprint_is_that_of_the_base_whatever_is_mounted() -> None:
    model, again, other = random_model("gpt2"), random_model("gpt2"), random_model("gpt2", seed=1)
    model.mount(Shift("one", ORDER_GATED, 0.5))
    model.generate(["x"], max_new_tokens=1)
    assert model.fingerprint == again.fingerprint != other.fingerprint


def test_two_threads_that_stream_and_generate_do_not_mix_their_edits() -> None:
    model = random_model("gpt2")
    bare = model.generate(["hello"], max_new_tokens=10, base=True)[0]
    model.mount(Shift("one", ORDER_GATED, 0.5))
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(5):
            got = model.generate(["hello"], max_new_tokens=10, base=True)[0]
            wrong.extend([got] if got != bare else [])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        list(model.stream("hello", max_new_tokens=10))
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_saved_model_is_loaded_again_and_other_formats_are_refused(gpt2: CausalModel, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    gpt2.net.save_pretrained(folder)
    gpt2.tokenizer.save_pretrained(folder)
    again = load(folder, device="cpu")
    assert again.fingerprint == gpt2.fingerprint
    assert again.generate(["hello"], max_new_tokens=5) == gpt2.generate(["hello"], max_new_tokens=5)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="safetensors"):
        load(folder)
    with pytest.raises(BadInput, match=r"config\.json"):
        load(tmp_path)
