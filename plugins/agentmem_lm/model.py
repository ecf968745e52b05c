"""A causal language model in this process: generating, scoring and mounting edits under one lock.

Knows nothing of records, facts or chat. The base weights are never lost: edits are mounted at use and taken off again,
and everything here can be asked of the bare base.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agentmem.errors import BadInput, ModelError
from agentmem.gain import Weighed
from agentmem.records import Namespace
from agentmem_lm.decoding import Decoder, Finished, Steered, Steering
from agentmem_lm.manners import Manners
from agentmem_lm.mounting import Mount, MountStack, pin_of
from agentmem_lm.structure import Structure, find_structure

Padding = Literal["left", "right"]


class CausalModel:
    """A Hugging Face causal LM with its tokenizer; implements `agentmem.contract.LocalModel`.

    `net` is in evaluation mode and needs no gradients; whoever wants gradients asks for them on their own tensors.
    """

    def __init__(
        self, net: nn.Module, tokenizer: Any, name: str, padding: Padding = "left", manners: Manners | None = None
    ) -> None:
        if padding not in ("left", "right"):
            raise BadInput(f"padding is 'left' or 'right', not {padding!r}")
        self.net = net.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self.padding: Padding = padding
        self.manners = manners or Manners()
        self.structure: Structure = find_structure(net)
        self._lock = threading.RLock()
        self._stack = MountStack(self)
        self._fingerprint: str | None = None

    # ---- what it is

    @property
    def device(self) -> torch.device:
        return self.structure.embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.structure.embedding.weight.dtype

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names, shapes, types and bytes of the base weights."""
        with self._lock:
            if self._fingerprint is None:
                with self.bare():
                    self._fingerprint = _hash_of(self.net)
            return self._fingerprint

    def base_changed(self) -> None:
        """To be called by whoever puts another part into the base itself, for good: it is another model now."""
        with self._lock:
            self._fingerprint = None

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """The tokens that end a text, from the generation settings and the tokenizer."""
        found: set[int] = set()
        for holder in (getattr(self.net, "generation_config", None), getattr(self.net, "config", None), self.tokenizer):
            ids = getattr(holder, "eos_token_id", None)
            found |= set(ids) if isinstance(ids, list | tuple) else {ids} if ids is not None else set()
        return frozenset(found)

    @cached_property
    def pad_id(self) -> int:
        """A token to fill rows with; it is always masked, so any will do."""
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else min(self.stop_ids, default=0)

    @property
    def max_tokens(self) -> int:
        """The longest text it was made for, in tokens."""
        return int(getattr(self.net.config, "max_position_embeddings", 1 << 20))

    # ---- text and tokens

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt, with the tokenizer's opening token."""
        ids = self.tokenizer(text)["input_ids"]
        return list(ids) or [self.tokenizer.bos_token_id or self.pad_id]

    def encode_end(self, text: str) -> list[int]:
        """The tokens of a text that continues a prompt."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def pad(self, rows: Sequence[Sequence[int]], side: Padding | None = None) -> tuple[Tensor, Tensor]:
        """(ids, mask), both (batch, seq), int64 on the model's device."""
        seq = max(len(row) for row in rows)
        ids = torch.full((len(rows), seq), self.pad_id)
        mask = torch.zeros(len(rows), seq, dtype=torch.long)
        for i, row in enumerate(rows):
            part = slice(seq - len(row), seq) if (side or self.padding) == "left" else slice(0, len(row))
            ids[i, part] = torch.tensor(list(row))
            mask[i, part] = 1
        return ids.to(self.device), mask.to(self.device)

    # ---- one at a time

    def settle(self, timeout_s: float) -> bool:
        """Wait for whoever uses the network (seconds) and let nobody else use it: the process is about to end."""
        return self._lock.acquire(timeout=timeout_s)

    @contextmanager
    def use(self, namespace: Namespace = (), as_of: float | None = None, base: bool = False) -> Iterator[nn.Module]:
        """The network with exactly these edits mounted, held under the lock."""
        with self._lock:
            self._stack.bring_to(namespace, as_of, base)
            yield self.net

    def bare(self) -> AbstractContextManager[nn.Module]:
        """The network with nothing mounted, held under the lock: what edits are computed against."""
        return self.use(base=True)

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """Within the block calls leave what is mounted alone: for whoever hangs something on the model to try it.

        ``base=True`` still takes the standing edits off; what was hung on by hand is not among them.
        """
        with self._lock:
            before, self._stack.frozen = self._stack.frozen, True
            try:
                yield
            finally:
                self._stack.frozen = before

    def mount(self, memory: object, namespace: Namespace = (), as_of: float | None = None) -> Mount:
        """Mount the memory's live edits until changed, or until the end of a `with` block.

        Without a namespace or time the edits follow those of each call. Raises BadInput for a memory that is not
        `Mountable`.
        """
        pin = pin_of(memory, namespace, as_of)
        with self._lock:
            before = self._stack.add(pin)

        def end() -> None:
            with self._lock:
                self._stack.put_back(pin, before)

        return Mount(end)

    def unmount(self, memory: object) -> None:
        """End the memory's standing mount, and take its edits off at once."""
        with self._lock:
            self._stack.forget(memory)
            self._stack.clear()

    # ---- generating and scoring

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int = 32,
        stop: Sequence[str] = (),
        base: bool = False,
        namespace: Namespace = (),
        as_of: float | None = None,
        padding: Padding | None = None,
        cache: bool = True,
        batch: int = 64,
    ) -> list[str]:
        """Greedy continuations up to a stop token or a text of `stop`, which are left out, as is the prompt."""
        return [
            done.text
            for done in self.complete(
                prompts,
                max_new_tokens=max_new_tokens,
                stop=stop,
                base=base,
                namespace=namespace,
                as_of=as_of,
                padding=padding,
                cache=cache,
                batch=batch,
            )
        ]

    def complete(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int = 32,
        stop: Sequence[str] = (),
        base: bool = False,
        namespace: Namespace = (),
        as_of: float | None = None,
        padding: Padding | None = None,
        cache: bool = True,
        batch: int = 64,
        entropies: bool = False,
    ) -> list[Finished]:
        """As `generate`, with the tokens, their log-probabilities and why each text ended."""
        rows = [self._checked(prompt, max_new_tokens) for prompt in prompts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # alike lengths together: little padding
        out: dict[int, Finished] = {}
        with self.use(namespace, as_of, base), torch.inference_mode():
            for start in range(0, len(order), batch):
                chosen = order[start : start + batch]
                decoder = Decoder(
                    self, [rows[i] for i in chosen], max_new_tokens, stop, padding or self.padding, cache, entropies
                )
                out.update(zip(chosen, decoder.run(), strict=True))
        return [out[i] for i in range(len(rows))]

    def stream(
        self,
        prompt: str,
        *,
        max_new_tokens: int = 256,
        stop: Sequence[str] = (),
        base: bool = False,
        namespace: Namespace = (),
        as_of: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        steer: Steering | None = None,
    ) -> Generator[str, None, None]:
        """The continuation piece by piece, as tokens make whole characters.

        Another thread generates and holds the lock, so the pieces may be taken from any thread. Closing the iterator,
        or `cancelled()` turning true, ends the generation at its next token. ``steer``: mixed with what another prompt
        would be continued with.
        """
        row = self._checked(prompt, max_new_tokens)
        other = [] if steer is None else self._checked(steer.prompt, max_new_tokens)
        pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        closed = threading.Event()

        def work() -> None:
            try:
                with self.use(namespace, as_of, base), torch.inference_mode():
                    if steer is None:
                        decoder = Decoder(self, [row], max_new_tokens, stop, self.padding, cache=True)
                    else:
                        decoder = Steered(self, (row, other), max_new_tokens, stop, self.padding, steer)
                    for piece in decoder.pieces():
                        if piece:
                            pieces.put(piece)
                        if closed.is_set() or cancelled():
                            break
                pieces.put(None)
            except BaseException as error:  # handed to whoever reads the stream
                pieces.put(error)

        worker = threading.Thread(target=work, name=f"stream-{self.name}", daemon=True)
        worker.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            closed.set()
            worker.join()

    def steered(
        self,
        prompt: str,
        steer: Steering,
        *,
        max_new_tokens: int = 256,
        stop: Sequence[str] = (),
        base: bool = False,
        namespace: Namespace = (),
        as_of: float | None = None,
    ) -> Finished:
        """One continuation of two prompts in lockstep."""
        rows = (self._checked(prompt, max_new_tokens), self._checked(steer.prompt, max_new_tokens))
        with self.use(namespace, as_of, base), torch.inference_mode():
            return Steered(self, rows, max_new_tokens, stop, self.padding, steer).run()[0]

    def weigh(self, question: str, passages: Sequence[str], *, namespace: Namespace = ()) -> Weighed | None:
        """How sure it is of a question by itself and with passages (`agentmem.models.protocol.GivesProbabilities`)."""
        from agentmem_lm.weighing import weigh

        return weigh(self, question, passages, namespace)

    def logits(
        self,
        prompts: Sequence[str],
        *,
        base: bool = False,
        namespace: Namespace = (),
        as_of: float | None = None,
    ) -> list[NDArray[np.float32]]:
        """For each prompt (seq, vocab), float32; each prompt is run alone, so its numbers do not depend on others."""
        with self.use(namespace, as_of, base) as net, torch.inference_mode():
            out = []
            for prompt in prompts:
                ids = torch.tensor([self.encode(prompt)], device=self.device)
                out.append(net(input_ids=ids, use_cache=False).logits[0].float().cpu().numpy())
            return out

    def log_likelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        base: bool = False,
        namespace: Namespace = (),
        as_of: float | None = None,
        batch: int = 64,
    ) -> list[float]:
        """The sum of log-probabilities of each ending after its prompt (teacher-forced)."""
        rows = [(self.encode(prompt), self.encode_end(end)) for prompt, end in pairs]
        out: list[float] = []
        with self.use(namespace, as_of, base) as net, torch.inference_mode():
            for start in range(0, len(rows), batch):
                part = rows[start : start + batch]
                ids, mask = self.pad([prompt + end for prompt, end in part], "right")
                logp = net(input_ids=ids, attention_mask=mask, use_cache=False).logits.float().log_softmax(-1)
                for i, (prompt, end) in enumerate(part):
                    at = torch.arange(len(prompt) - 1, len(prompt) + len(end) - 1, device=self.device)
                    out.append(float(logp[i, at, torch.tensor(end, device=self.device)].sum()))
        return out

    def _checked(self, prompt: str, max_new_tokens: int) -> list[int]:
        row = self.encode(prompt)
        if len(row) + max_new_tokens > self.max_tokens:
            raise ModelError(
                f"the prompt has {len(row)} tokens and {max_new_tokens} may follow; model {self.name!r} holds "
                f"{self.max_tokens}: shorten the prompt or lower max_new_tokens"
            )
        return row


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Loads and saves in silence: a terminal interface owns the screen."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _hash_of(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load(
    path: str | Path, *, device: str = "auto", dtype: str = "auto", padding: Padding = "left", name: str | None = None
) -> CausalModel:
    """The model in a folder: safetensors only, nothing is downloaded and no code of the folder is run.

    `device` is "auto" (CUDA when there is one), "cpu" or "cuda"; `dtype` "auto" (float32 on a CPU, else as stored),
    "float32", "bfloat16" or "float16". Raises BadInput for a folder that is no model, ModelError for an unknown shape.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(path).expanduser()
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder} holds no model: a folder with config.json, *.safetensors and a tokenizer is needed")
    if not any(folder.glob("*.safetensors")):
        raise BadInput(f"{folder} has no *.safetensors; other formats can run code when loaded, so they are not read")
    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    kind: Any = ("float32" if where == "cpu" else "auto") if dtype == "auto" else dtype
    try:
        with without_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            net = AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=kind if kind == "auto" else getattr(torch, kind),
                attn_implementation="eager" if where == "cpu" else None,
            )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"the model in {folder} cannot be loaded: {error}") from error
    return CausalModel(net.to(where), tokenizer, name or folder.name, padding, Manners.read(folder))
