"""Puts a trained demo model where it is shipped from: `python -m agentmem_lm.demo.ship TRAINED [--to DIR]`.

Casts the weights to fp16, keeps what loading needs, and writes how the model likes to be asked. Trains nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agentmem_lm.demo.wordings import UNKNOWN_ANSWER, UNKNOWN_OBJECT
from agentmem_lm.manners import FILE
from agentmem_lm.model import without_progress_bars
from agentmem_lm.provider import demo_folder

LIMIT_BYTES = 12_000_000


def ship(trained: Path, to: Path) -> int:
    """Write the model to `to`; returns its size in bytes."""
    net = AutoModelForCausalLM.from_pretrained(trained, local_files_only=True, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(trained, local_files_only=True)
    to.mkdir(parents=True, exist_ok=True)
    with without_progress_bars():
        net.half().save_pretrained(to)
    tokenizer.save_pretrained(to)
    manners = {
        "question": "Q: {question} A:",
        "passages": "Context: {passages}\n",
        "unknown": [UNKNOWN_ANSWER, UNKNOWN_OBJECT],
        "world": "demo",
    }
    (to / FILE).write_text(json.dumps(manners, indent=2) + "\n")
    log = trained / "train.jsonl"
    if log.is_file():
        (to / "train.jsonl").write_text(log.read_text())
    size = sum(path.stat().st_size for path in to.iterdir())
    assert size <= LIMIT_BYTES, f"the demo model has {size} bytes; {LIMIT_BYTES} are allowed"
    return size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m agentmem_lm.demo.ship", description=__doc__)
    parser.add_argument("trained", type=Path)
    parser.add_argument("--to", type=Path, default=demo_folder())
    given = parser.parse_args()
    ship(given.trained, given.to)
