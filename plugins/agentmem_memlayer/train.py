"""Trains a small model with a memory layer from the start, by the script of the demo model, and counts what it knows.

    python -m agentmem_memlayer.train --out FOLDER --at 1 --keys 64 --width 64 --layers 3 --inner 256 --people 200 …

Every option of ``agentmem_lm.demo.train`` holds. ``--at`` is the decoder layer whose feed-forward part is a memory
layer (-1: none, the same model without one). Written to FOLDER besides the model: ``memory_layers.safetensors`` and
``facts.json``, with the facts it can say and its parameters, all of them and those that one token uses. Values are
trained by Adam on the rows that were read (Berges et al. 2024), at ten times their rate: the runs here are short.
Never run by tests.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from agentmem_lm.demo import train as demo
from agentmem_lm.demo import wordings, world
from agentmem_lm.structure import find_structure
from agentmem_memlayer.trained import MemoryLayer, Sizes, feed_forward, save_layers


def main(argv: list[str]) -> int:
    """Train, count, and print the counts as JSON."""
    parser = demo.parser()
    parser.add_argument("--at", type=int, default=1, help="decoder layer with the memory layer; -1: none")
    parser.add_argument("--keys", type=int, default=64, help="keys a half: their square is the number of slots")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--d-key", type=int, default=16)
    parser.add_argument("--top-k", type=int, default=16)
    parser.add_argument("--value-rate", type=float, default=1e-2)
    args = parser.parse_args(argv)
    made: dict[int, MemoryLayer] = {}

    def change(model: Any) -> list[torch.optim.Optimizer]:
        if args.at < 0:
            return []
        sizes = Sizes(args.width, args.width, args.heads, args.keys, args.d_key, args.top_k)
        pool = nn.Parameter(torch.randn(args.keys**2, args.width) * args.width**-0.5)
        made[args.at] = MemoryLayer(sizes, pool)
        name, _ = feed_forward(find_structure(model), args.at)
        holder, _, last = name.rpartition(".")
        setattr(model.get_submodule(holder), last, made[args.at])
        return [torch.optim.SparseAdam([pool], lr=args.value_rate)]

    model, tokenizer = demo.train(args, change)
    if made:
        save_layers(made, Path(args.out) / "memory_layers.safetensors")
    counted = counts(model, tokenizer, args, made.get(args.at))
    (Path(args.out) / "facts.json").write_text(json.dumps(counted, indent=1) + "\n")
    sys.stdout.write(json.dumps(counted) + "\n")
    return 0


def counts(model: Any, tokenizer: Any, args: argparse.Namespace, layer: MemoryLayer | None) -> dict[str, float]:
    """Facts of the world that the model says (in a wording it was trained on), and its parameters."""
    lore = world.build(world.SEED, args.people, args.companies, args.cities, args.countries)
    pairs = []
    for fact in lore.facts:
        question = wordings.WORDINGS[fact.relation].questions[0].format(fact.subject)
        pairs.append((wordings.question_prompt(question), f" {fact.object}.\n"))
    known = demo.share_right(model, tokenizer, pairs) * len(pairs)
    parameters = sum(p.numel() for p in model.parameters())
    embedding = model.get_input_embeddings().weight.numel()
    unread = 0 if layer is None else layer.values.numel() - args.heads * args.top_k * args.width
    return {
        "facts": len(pairs),
        "known": round(known),
        "parameters": parameters,
        "without_embedding": parameters - embedding,
        "used_by_a_token": parameters - embedding - unread,
        "known_per_1000_parameters": round(1000 * known / (parameters - embedding), 3),
        "known_per_1000_used": round(1000 * known / (parameters - embedding - unread), 3),
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
