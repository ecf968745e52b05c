"""A small transformer trained from nothing with and without Self-Notes, for `agentmem bench notes`.

The claim measured: a model that writes what follows after each statement answers questions on instances longer
than those it was trained on, where the same model without notes fails. Both models have the same size, batches and
source texts. Without notes the loss is on the answer, with notes also on the notes.

Shapes: batch, seq, heads, d_head. Attention is biased by distance (ALiBi, Press et al., ICLR 2022), and distances are
stretched at random in training (after Ruoss et al., ACL 2023), so that longer texts hold no unseen ones; each block
mixes in the two tokens before (short causal convolution). It imports torch at the top, therefore the bench imports it
inside a function.

It refuses to know how the texts came about and what the notes mean.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agentmem.bench.worlds.families import Instance

PAD, START, END = "<pad>", "<note>", "</note>"


@dataclass(frozen=True)
class Size:
    """Size and schedule of one training; the defaults take about a minute of one CPU core."""

    d_model: int = 64
    heads: int = 4
    layers: int = 2
    batch: int = 32
    steps: int = 1300
    rate: float = 3e-3


class Vocabulary:
    """Words and their numbers; 0 is padding."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        words = {PAD: 0, START: 1, END: 2}
        for instance in instances:
            noted = [word for s in instance.statements for note in s.notes for word in note]
            for word in [*instance.text.split(), *instance.question.split(), *sorted(instance.answers), *noted]:
                words.setdefault(word, len(words))
        self.ids = words

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self, text: str) -> list[int]:
        return [self.ids[word] for word in text.split()]


class Block(nn.Module):
    """Causal attention with a learned slope of distance per head, then a feed-forward layer."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # Each channel of queries, keys and values looks at its own token and the two before it.
        self.mix = nn.Parameter(torch.randn(3, 3 * d_model) * 0.3 + torch.tensor([[1.0], [0.0], [0.0]]))
        self.slope = nn.Parameter(torch.linspace(-1.0, -5.0, heads))  # log slopes: some heads near, some far
        self.norm_attention, self.norm_feed = nn.RMSNorm(d_model), nn.RMSNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.feed = nn.Sequential(nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model))

    def forward(self, x: Tensor, stretch: Tensor, past: dict[str, Tensor] | None = None) -> Tensor:
        """x: (batch, seq, d_model); stretch: (batch, 1, 1, 1) or one number, which all distances are multiplied by.

        With `past` (then seq is 1) keys, values and the two tokens before are kept in it.
        """
        batch, seq, d_model = x.shape
        qkv = self.qkv(self.norm_attention(x))
        if past is None:
            wide = F.pad(qkv, (0, 0, 2, 0))
        else:
            wide = torch.cat([past["tail"], qkv], dim=1)
            past["tail"] = wide[:, -2:]
        qkv = wide[:, 2:] * self.mix[0] + wide[:, 1:-1] * self.mix[1] + wide[:, :-2] * self.mix[2]
        q, k, v = (t.view(batch, seq, self.heads, -1).transpose(1, 2) for t in qkv.chunk(3, dim=-1))
        if past is not None:
            k = past["k"] = torch.cat([past["k"], k], dim=2)
            v = past["v"] = torch.cat([past["v"], v], dim=2)
        # A bias of -slope * (i - j) is, row by row, one of slope * j: one more channel of queries and keys.
        width = q.shape[-1] + 1
        place = (torch.arange(k.shape[2], dtype=q.dtype)[:, None] * stretch).expand(*k.shape[:3], 1)
        slope = (self.slope.exp() * width**0.5)[:, None, None].expand(*q.shape[:3], 1)
        q, k, v = torch.cat([q, slope], -1), torch.cat([k, place], -1), F.pad(v, (0, 1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)[..., :-1]
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, seq, d_model))
        return cast("Tensor", x + self.feed(self.norm_feed(x)))

    def empty(self, batch: int, d_model: int) -> dict[str, Tensor]:
        nothing = torch.zeros(batch, self.heads, 0, d_model // self.heads)
        return {"tail": torch.zeros(batch, 2, 3 * d_model), "k": nothing, "v": nothing}


class Reader(nn.Module):
    """A causal language model over the words of one family."""

    def __init__(self, n_words: int, size: Size) -> None:
        super().__init__()
        self.size = size
        self.embed = nn.Embedding(n_words, size.d_model)
        nn.init.normal_(self.embed.weight, std=0.05)
        self.blocks = nn.ModuleList(Block(size.d_model, size.heads) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.d_model)
        self.head = nn.Linear(size.d_model, n_words, bias=False)

    def forward(
        self, ids: Tensor, past: list[dict[str, Tensor]] | None = None, stretch: Tensor | None = None
    ) -> Tensor:
        """ids: (batch, seq) -> hidden states (batch, seq, d_model); `head` makes logits of those that matter."""
        x, one = self.embed(ids), torch.ones(())
        for index, block in enumerate(self.blocks):
            x = block(x, one if stretch is None else stretch, None if past is None else past[index])
        return cast("Tensor", self.norm(x))


def _sequence(vocabulary: Vocabulary, instance: Instance, notes: bool) -> tuple[list[int], list[bool]]:
    """The ids of an instance with its answer, and which of them the model learns to predict."""
    ids: list[int] = []
    learned: list[bool] = []
    for statement in instance.statements:
        said = vocabulary.encode(statement.text)
        ids += said
        learned += [False] * len(said)
        for key, value in statement.notes if notes else ():
            noted = vocabulary.encode(f"{START} {key} {value} {END}")
            ids += noted
            learned += [True] * len(noted)
    asked = vocabulary.encode(instance.question)
    answer = vocabulary.ids[min(instance.answers)]
    return [*ids, *asked, answer], [*learned, *[False] * len(asked), True]


def train(vocabulary: Vocabulary, instances: Sequence[Instance], notes: bool, size: Size, seed: int) -> Reader:
    """A reader trained on fresh batches of the instances; the same arguments give the same weights on one machine."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    reader = Reader(len(vocabulary), size)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=size.rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, size.rate, total_steps=size.steps, pct_start=0.1)
    encoded = [_sequence(vocabulary, instance, notes) for instance in instances]
    waiting: list[list[tuple[list[int], list[bool]]]] = []
    for _ in range(size.steps):
        if not waiting:  # a batch holds texts of about one length, so that little is padding
            drawn = sorted((rng.choice(encoded) for _ in range(8 * size.batch)), key=lambda row: len(row[0]))
            waiting = [drawn[place : place + size.batch] for place in range(0, len(drawn), size.batch)]
            rng.shuffle(waiting)
        rows = waiting.pop()
        width = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([row + [0] * (width - len(row)) for row, _ in rows])
        learned = torch.tensor([mask + [False] * (width - len(mask)) for _, mask in rows])
        # Distances are stretched at random, so that those in longer texts are not new (as with randomised positions).
        hidden = reader(ids[:, :-1], stretch=1.0 + 3.0 * torch.rand(len(ids), 1, 1, 1))
        logits = reader.head(hidden[learned[:, 1:]])
        loss = F.cross_entropy(logits, ids[:, 1:][learned[:, 1:]])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return reader


@torch.no_grad()
def accuracy(reader: Reader, vocabulary: Vocabulary, instances: Sequence[Instance], notes: bool) -> list[bool]:
    """Which instances are answered right when the model reads word by word and writes its own notes.

    After each statement a note begins where its start is the most likely next word; it ends when the model ends it
    or after six words. Each row of the batch goes at its own pace, so that nothing is padded.
    """
    n = len(instances)
    start, end = vocabulary.ids[START], vocabulary.ids[END]
    source: list[list[int]] = []
    pauses: list[set[int]] = []  # where in the source a note may begin
    for instance in instances:
        words: list[int] = []
        ends: set[int] = set()
        for statement in instance.statements:
            words += vocabulary.encode(statement.text)
            ends.add(len(words))
        source.append(words + vocabulary.encode(instance.question))
        pauses.append(ends if notes else set())
    right: list[bool] = [False] * n
    answered: list[bool] = [False] * n
    read, in_note = [0] * n, [0] * n  # words read of the source; words written of the present note
    past = [block.empty(n, reader.size.d_model) for block in reader.blocks if isinstance(block, Block)]
    best: list[int] = [0] * n
    while not all(answered):
        feed: list[int] = []
        for row in range(n):
            if in_note[row]:
                word = best[row] if in_note[row] < 6 else end
                in_note[row] = 0 if word == end else in_note[row] + 1
            elif read[row] in pauses[row] and best[row] == start:
                pauses[row].discard(read[row])
                word, in_note[row] = start, 1
            elif read[row] < len(source[row]):
                word = source[row][read[row]]
                read[row] += 1
            else:
                if not answered[row]:
                    answered[row] = True
                    right[row] = best[row] in {vocabulary.ids.get(a, -1) for a in instances[row].answers}
                word = 0
            feed.append(word)
        hidden = reader(torch.tensor(feed)[:, None], past)
        best = reader.head(hidden[:, -1]).argmax(-1).tolist()
    return right
