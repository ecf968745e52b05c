"""Trains the demo model from a seed, in two parts.

    python -m agentmem_lm.demo.train --out FIRST
    python -m agentmem_lm.demo.train --out SECOND --after FIRST --scale 0.25 --steps 300 --fall 300 --seed 12
    python -m agentmem_lm.demo.ship SECOND

One thread, one core, no network; about 35 CPU minutes. It makes the world, the tokenizer and the model, and writes
them with the log of the losses. The same seed on the same kind of machine gives the same weights. Never run by tests.

Recipe: a Qwen3-shaped decoder whose two lowest layers see only two tokens (so that what is known of a name gathers at
the name's last token, as in large models; with full attention everywhere a tiny model looks facts up at the last
token of the prompt, and methods that edit at the subject do not work on it), Muon for matrices and AdamW for the rest.
A fifth of the subjects comes first: how to look a name up is learnt sooner from few names than from many (Zucchet et
al. 2025), and the others are learnt faster once it is known.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from agentmem_lm.demo import names, wordings, world
from agentmem_lm.demo.documents import Line, documents
from agentmem_lm.demo.draws import Draws

PAD, BOS, EOS = 0, 1, 2
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}Context: {{ m['content'] | trim }}\n"
    "{% elif m['role'] == 'user' %}Q: {{ m['content'] | trim }} A:"
    "{% else %} {{ m['content'] | trim }}\n{% endif %}{% endfor %}"
)


def make_tokenizer(lore: world.World, seed: int, vocabulary: int) -> Any:
    """A byte-level BPE learnt from the training texts, in which most names are one or two tokens."""
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token=None))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    stream = documents(lore, seed + 1, 0.3)
    texts = ["".join(line.prompt + line.answer for line in next(stream)) for _ in range(12_000)]
    texts += [f" {name}." for names in lore.objects.values() for name in names] * 20
    texts += [f" {word}" for word in names.FIRST_NAMES + names.LAST_NAMES] * 60
    texts += [f"{word}" for word in names.FIRST_NAMES] * 60
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    raw.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", BOS)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", model_max_length=512
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def with_leading_space(tokenizer: Any) -> Any:
    """The tokenizer, giving a name at the beginning of a text the token that it has within one.

    A model this small knows the two forms apart, and learns the more frequent one better: capitals of countries that
    begin a statement were at 8 % without and 95 % with it, late in the first part of the training.
    """
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(" "), normalizers.Replace(Regex("^ (?=Q:|Context:|[^A-Z])"), "")]
    )
    return tokenizer


def make_model(vocabulary: int, width: int, layers: int, inner: int, newline: int) -> Any:
    """The untrained decoder; stops at the end of a line."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        head_dim=32,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        use_sliding_window=True,
        sliding_window=2,
        max_window_layers=0,
        layer_types=["sliding_attention"] * 2 + ["full_attention"] * (layers - 2),
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        attn_implementation="eager",
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = [EOS, newline]
    model.generation_config.pad_token_id = PAD
    return model


class Encoder:
    """Turns documents into token ids and loss weights."""

    def __init__(self, tokenizer: Any, weight_words: float, share_words: float, seed: int) -> None:
        self._tokenizer = tokenizer
        self._weight_words = weight_words
        self._share_words = share_words
        self._draws = Draws(seed)

    def __call__(self, lines: list[Line]) -> tuple[list[int], list[float]]:
        pieces: list[str] = []
        for line in lines:
            pieces += [line.prompt, line.answer]
        encoded = self._tokenizer(pieces, add_special_tokens=False)["input_ids"]
        ids, weights = [BOS], [0.0]
        words = self._weight_words if self._draws.chance(self._share_words) else 0.0
        for line, prompt, answer in zip(lines, encoded[::2], encoded[1::2], strict=True):
            ids += prompt + answer
            weights += [words if line.factual else 0.0] * len(prompt) + [1.0] * len(answer)
        return ids, weights


def batches(
    lore: world.World, encode: Encoder, args: argparse.Namespace
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(ids, weights), both (batch, seq); documents of like length together, `args.tokens` tokens a batch."""
    draws = Draws(args.seed + 3)
    early = documents(lore.part(5), args.seed + 5, args.reading)
    late = documents(lore, args.seed + 2, args.reading, late=bool(args.after))
    made_so_far = 0
    while True:
        streams = early if made_so_far < args.early and not args.after else late
        pool = [encode(next(streams)) for _ in range(1500)]
        pool.sort(key=lambda item: len(item[0]) + 2 * draws.fraction())
        made: list[list[tuple[list[int], list[float]]]] = [[]]
        for item in pool:
            if (len(made[-1]) + 1) * len(item[0]) > args.tokens:
                made.append([])
            made[-1].append(item)
        for batch in draws.shuffled(made[:-1]):
            seq = max(len(ids) for ids, _ in batch)
            ids = torch.full((len(batch), seq), PAD, dtype=torch.long)
            weights = torch.zeros(len(batch), seq)
            for row, (document, weight) in enumerate(batch):
                ids[row, : len(document)] = torch.tensor(document)
                weights[row, : len(document)] = torch.tensor(weight)
            made_so_far += 1
            yield ids, weights


def optimizers(
    model: Any, args: argparse.Namespace, others: Sequence[torch.optim.Optimizer] = ()
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings and norms; what ``others`` hold is left to them."""
    held = {id(p) for optimizer in others for group in optimizer.param_groups for p in group["params"]}
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name and id(p) not in held]
    chosen = {id(p) for p in matrices} | held
    rest = [p for p in model.parameters() if id(p) not in chosen]
    muon = torch.optim.Muon(
        matrices, lr=args.muon, weight_decay=args.decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(rest, lr=args.adam, weight_decay=0.0, betas=(0.9, 0.98)), *others]


@torch.no_grad()
def share_right(model: Any, tokenizer: Any, pairs: list[tuple[str, str]]) -> float:
    """Share of prompts whose answer, full stop and line end are each the most likely next token."""
    model.eval()
    right = 0
    for start in range(0, len(pairs), 100):
        chunk = pairs[start : start + 100]
        rows = [
            (
                len(tokenizer(p)["input_ids"]),
                tokenizer(p)["input_ids"] + tokenizer(a, add_special_tokens=False)["input_ids"],
            )
            for p, a in chunk
        ]
        ids = torch.full((len(rows), max(len(r) for _, r in rows)), PAD)
        for i, (_, row) in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        best = model(ids).logits.argmax(-1)
        right += sum(
            bool((best[i, n - 1 : len(row) - 1] == ids[i, n : len(row)]).all()) for i, (n, row) in enumerate(rows)
        )
    model.train()
    return right / len(pairs)


def glimpse(model: Any, tokenizer: Any, lore: world.World, count: int) -> dict[str, float]:
    """Quick shares on `count` prompts a kind, for the log; the bench measures by free generation."""
    draws = Draws(5)
    facts = draws.sample(lore.facts, count)
    ask = wordings.question_prompt
    held = {f: wordings.WORDINGS[f.relation] for f in facts}
    kinds = {
        "seen_s": [(held[f].statements[0].format(f.subject), f" {f.object}.\n") for f in facts],
        "seen_q": [(ask(held[f].questions[0].format(f.subject)), f" {f.object}.\n") for f in facts],
        "held_s": [(draws.choice(held[f].held_statements).format(f.subject), f" {f.object}.\n") for f in facts],
        "held_q": [(ask(draws.choice(held[f].held_questions).format(f.subject)), f" {f.object}.\n") for f in facts],
        "unknown": [
            (ask(draws.choice(wordings.WORDINGS["job"].questions).format(name)), f" {wordings.UNKNOWN_ANSWER}.\n")
            for name in draws.sample(lore.held_strangers["person"], count)
        ],
    }
    for name, passages, hit in (("read1", 1, True), ("read4", 4, True), ("ignore4", 4, False)):
        kinds[name] = []
        for fact in facts:
            others = [f for f in draws.sample(lore.facts, passages + 1) if f.subject != fact.subject]
            told = {f: draws.choice(lore.objects[f.relation]) for f in others[: passages - hit]}
            if hit:
                told[fact] = draws.choice([o for o in lore.objects[fact.relation] if o != fact.object])
            text = [
                wordings.statement(draws.choice(wordings.WORDINGS[f.relation].statements), f.subject, obj)
                for f, obj in draws.shuffled(list(told.items()))
            ]
            question = draws.choice(wordings.WORDINGS[fact.relation].questions).format(fact.subject)
            kinds[name].append((wordings.context_prompt(text, question), f" {told.get(fact, fact.object)}.\n"))
    return {kind: round(share_right(model, tokenizer, pairs), 3) for kind, pairs in kinds.items()}


def rate(step: int, steps: int, fall: int) -> float:
    """The factor of the learning rates: a short warm-up, flat, then linear to 2 % over the last `fall` steps."""
    return min(1.0, (step + 1) / 60) * min(1.0, max(0.02, (steps - step) / fall))


def _begun(lore: world.World, args: argparse.Namespace) -> tuple[Any, Any]:
    tokenizer = make_tokenizer(lore, args.seed, args.vocabulary)
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"]
    assert len(newline) == 1, f"the end of a line must be one token, it is {newline}"
    return make_model(len(tokenizer), args.width, args.layers, args.inner, newline[0]), tokenizer


def _continued(folder: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    net = AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32, attn_implementation="eager"
    )
    return net, with_leading_space(AutoTokenizer.from_pretrained(folder, local_files_only=True))


Change = Callable[[Any], Sequence[torch.optim.Optimizer]]
"""Puts parts into an untrained model and brings the optimizers of those that need their own."""


def train(args: argparse.Namespace, change: Change | None = None) -> tuple[Any, Any]:
    """The whole training; writes model, tokenizer and log to `args.out`, a checkpoint every `args.save_every` steps.

    Returns the model and its tokenizer. `change` may alter the model before it is trained.

    A file named `finish` in that folder makes the learning rates fall from there on; the log tells the steps taken.
    """
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    lore = world.build(world.SEED, args.people, args.companies, args.cities, args.countries)
    model, tokenizer = _continued(args.after) if args.after else _begun(lore, args)
    tokenizer.save_pretrained(out)
    more = list(change(model)) if change else []
    held = {id(p) for optimizer in more for group in optimizer.param_groups for p in group["params"]}
    clipped = [p for p in model.parameters() if id(p) not in held]
    opts = optimizers(model, args, more)
    rates = [[group["lr"] for group in opt.param_groups] for opt in opts]
    stream = batches(lore, Encoder(tokenizer, args.weight_words, 0.35, args.seed + 4), args)
    log = (out / "train.jsonl").open("w")
    started, cpu, tokens, total = time.monotonic(), time.process_time(), 0, 0.0
    model.train()
    step, steps = 0, args.steps
    while step < steps:
        step += 1
        if steps - step > args.fall and (out / "finish").exists():
            steps = step + args.fall
        ids, weights = next(stream)
        for opt, base in zip(opts, rates, strict=True):
            for group, lr in zip(opt.param_groups, base, strict=True):
                group["lr"] = lr * args.scale * rate(step - 1, steps, args.fall)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model.model(ids).last_hidden_state[:, :-1]
            taken = weights[:, 1:] > 0
            scores = torch.nn.functional.linear(hidden[taken], model.lm_head.weight)
        losses = torch.nn.functional.cross_entropy(scores.float(), ids[:, 1:][taken], reduction="none")
        loss = (losses * weights[:, 1:][taken]).sum() / weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(clipped, 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        tokens += ids.numel()
        total += float(losses.detach()[weights[:, 1:][taken] == 1].mean())
        if step % args.log_every == 0 or step == steps:
            row = {
                "step": step,
                "answer_loss": round(total / args.log_every, 4),
                "tokens": tokens,
                "cpu_s": round(time.process_time() - cpu),
                "wall_s": round(time.monotonic() - started),
            }
            total = 0.0
            if step % args.save_every == 0 or step == steps:
                row |= glimpse(model, tokenizer, lore, args.glimpse)
                model.save_pretrained(out)
            log.write(json.dumps(row) + "\n")
            log.flush()
    log.close()
    return model, tokenizer


def parser() -> argparse.ArgumentParser:
    """The settings of the training; the defaults made the shipped model."""
    made = argparse.ArgumentParser(prog="python -m agentmem_lm.demo.train", description=__doc__)
    made.add_argument("--out", required=True)
    made.add_argument("--seed", type=int, default=11)
    made.add_argument("--steps", type=int, default=4608)
    made.add_argument("--after", default="", help="folder of the first part: add the looser wordings (the last part)")
    made.add_argument("--scale", type=float, default=1.0, help="factor of the learning rates")
    made.add_argument("--fall", type=int, default=900, help="steps over which the learning rates fall at the end")
    made.add_argument("--early", type=int, default=500, help="steps with a fifth of the subjects")
    made.add_argument("--tokens", type=int, default=2304, help="tokens a batch")
    made.add_argument("--width", type=int, default=192)
    made.add_argument("--layers", type=int, default=5)
    made.add_argument("--inner", type=int, default=768)
    made.add_argument("--vocabulary", type=int, default=2560)
    made.add_argument("--muon", type=float, default=5e-3)
    made.add_argument("--adam", type=float, default=4e-3)
    made.add_argument("--decay", type=float, default=0.1)
    made.add_argument("--reading", type=float, default=0.3, help="share of documents that are passages with questions")
    made.add_argument("--weight-words", type=float, default=0.15)
    made.add_argument("--people", type=int, default=1140)
    made.add_argument("--companies", type=int, default=220)
    made.add_argument("--cities", type=int, default=110)
    made.add_argument("--countries", type=int, default=40)
    made.add_argument("--log-every", type=int, default=50)
    made.add_argument("--save-every", type=int, default=500)
    made.add_argument("--glimpse", type=int, default=100)
    return made


if __name__ == "__main__":
    train(parser().parse_args())
