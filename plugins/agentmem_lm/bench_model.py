"""`agentmem bench model`: what a local model knows, reads and admits not to know, and what shapes cost.

Measures by free greedy generation up to the stop token, never by forcing the right tokens. Needs no data: probes are
made from the demo world and a seed.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from agentmem.bench.report import Interval, Report, bootstrap
from agentmem_lm.bench_steering import steering
from agentmem_lm.command import demo_prompts
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.probes import KINDS, Probe, probes
from agentmem_lm.demo.wordings import WORDINGS
from agentmem_lm.demo.world import World, build
from agentmem_lm.manners import FILE, Calibration, calibration_error, fit
from agentmem_lm.model import CausalModel, without_progress_bars
from agentmem_lm.provider import folder_of, open_model

T = TypeVar("T")
PARTS = ("knowledge", "confidence", "sites", "shapes")
LONG = ("steering",)  # only when asked for


def main(argv: list[str]) -> int:
    """Run the chosen parts and report."""
    given = _parser().parse_args(argv)
    settings = {"model": given.model, "n": given.n, "seeds": given.seeds, "parts": given.parts}
    report = Report("model", settings)
    parts = given.parts.split(",")
    model = open_model(given.model, device=given.device) if set(parts) - {"shapes"} else None
    if model is not None and "knowledge" in parts:
        _knowledge(report, model, build(), given.n, range(given.seeds))
    if model is not None and "confidence" in parts:
        _confidence(report, model, build(), given.n, given.model, given.calibrate)
    if model is not None and "steering" in parts:
        steering(report, model, build(), given.n, range(given.seeds))
    if model is not None and "sites" in parts:
        _sites(report, model)
    if "shapes" in parts:
        for family in given.shapes.split(","):
            _shape(report, family)
    report.finish(given.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agentmem bench model", description=__doc__)
    parser.add_argument("--model", default="demo", help="demo, or a folder with a model trained on the demo world")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"which parts, of {', '.join((*PARTS, *LONG))}")
    parser.add_argument("--n", type=int, default=300, help="probes a kind and seed (default 300)")
    parser.add_argument("--seeds", type=int, default=3, help="how many draws of probes (default 3)")
    parser.add_argument("--shapes", default="qwen2.5-0.5b,gpt2-124m", help="shapes with random weights to measure")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--calibrate", action="store_true", help="write the fitted calibration into the model's folder")
    parser.add_argument("--json", metavar="FILE")
    return parser


def right(answer: str, probe: Probe) -> bool:
    """Whether a generated text is exactly the expected answer, its full stop apart."""
    return answer.strip().removesuffix(".") == probe.answer


def _knowledge(report: Report, model: CausalModel, world: World, n: int, seeds: range) -> None:
    for kind in KINDS:
        asked = [probe for seed in seeds for probe in probes(world, n, seed + 1, (kind,))]
        started = time.process_time()
        answers = model.generate([probe.prompt for probe in asked], max_new_tokens=16)
        spent = time.process_time() - started
        rights = [100.0 * right(answer, probe) for answer, probe in zip(answers, asked, strict=True)]
        _row(report, f"knowledge.{kind}", bootstrap(rights), cpu_ms_each=1000 * spent / len(asked))


def _row(report: Report, what: str, interval: Interval, **more: float) -> None:
    report.row(what=what, share=interval.value, low=interval.low, high=interval.high, n=interval.n, **more)
    report.figure(what, interval.value)


def _confidence(report: Report, model: CausalModel, world: World, n: int, spec: str, keep: bool) -> None:
    """Fit on one draw of probes, measured on another: known facts, unknown names, free wordings, and edited facts."""
    asked = probes(world, n, 71, ("held_question", "unknown_person", "unknown_other"))
    fitted = _answered(model, asked + probes(world, n // 4, 71, ("free_question",)))
    calibration = fit([p for p, _, _ in fitted], [good for _, _, good in fitted])
    report.figure("confidence.slope", calibration.slope)
    report.figure("confidence.intercept", calibration.intercept)
    if keep:
        path = folder_of(spec) / FILE
        data = json.loads(path.read_text()) if path.is_file() else {}
        data["calibration"] = {"slope": round(calibration.slope, 4), "intercept": round(calibration.intercept, 4)}
        path.write_text(json.dumps(data, indent=2) + "\n")
    groups = {
        "known": probes(world, n, 72, ("held_question", "seen_question")),
        "unknown": probes(world, n, 72, ("unknown_person", "unknown_other")),
        "free": probes(world, n, 72, ("free_question",)),
    }
    everything: list[tuple[float, bool]] = []
    for name, group in groups.items():
        judged = _judged(model, calibration, group)
        everything += judged
        _calibration_row(report, name, judged)
    edited = _edited(model, world)
    if edited:
        everything += edited
        _calibration_row(report, "edited", edited)
    _calibration_row(report, "all", everything)
    # Not fitted and not in "all": the model answers two facts in a row wrongly and surely, and no signal of it tells.
    _calibration_row(report, "two_hop", _judged(model, calibration, probes(world, n, 72, ("two_hop",))))


def _answered(model: CausalModel, asked: list[Probe]) -> list[tuple[float, str, bool]]:
    """(probability of its own answer, answer, whether it is right) for each probe that was answered at all."""
    done = model.complete([probe.prompt for probe in asked], max_new_tokens=16)
    out = []
    for probe, one in zip(asked, done, strict=True):
        if not model.manners.says_unknown(one.text):
            out.append((math.exp(sum(one.log_probabilities)), one.text, right(one.text, probe)))
    return out


def _judged(model: CausalModel, calibration: Calibration, asked: list[Probe]) -> list[tuple[float, bool]]:
    """(confidence, right) for each probe; "I don't know" claims nothing and counts as confidence 0 in no right fact."""
    done = model.complete([probe.prompt for probe in asked], max_new_tokens=16)
    out = []
    for probe, one in zip(asked, done, strict=True):
        if model.manners.says_unknown(one.text):
            out.append((0.0, False))
        else:
            out.append((calibration(math.exp(sum(one.log_probabilities))), right(one.text, probe)))
    return out


def _calibration_row(report: Report, name: str, judged: list[tuple[float, bool]]) -> None:
    error = calibration_error([c for c, _ in judged], [good for _, good in judged])
    mean = sum(c for c, _ in judged) / len(judged)
    share = sum(good for _, good in judged) / len(judged)
    report.row(what=f"confidence.{name}", error=error, mean_confidence=mean, right=share, n=len(judged))
    report.figure(f"confidence.{name}.error", error)


def _edited(model: CausalModel, world: World, count: int = 60) -> list[tuple[float, bool]]:
    """What the memory `lm` says of facts that `wise` has edited, in held-out questions; nothing is fitted on them.

    Nothing when `wise` is not installed.
    """
    if "wise" not in {point.name for point in entry_points(group="agentmem.memories")}:
        return []
    from agentmem import Agent
    from agentmem.records import EditRequest, Query

    draws = Draws(73)
    subjects = draws.sample(world.subjects, count)
    facts = [draws.choice(list(world.by_subject[name].values())) for name in subjects]
    targets = [draws.choice([o for o in world.objects[f.relation] if o != f.object]) for f in facts]
    requests = [
        EditRequest(
            subject=fact.subject,
            prompt=WORDINGS[fact.relation].statements[0],
            target=target,
            relation=fact.relation,
            paraphrases=(*WORDINGS[fact.relation].statements[1:3], *_questions(fact.relation)),
        )
        for fact, target in zip(facts, targets, strict=True)
    ]
    out: list[tuple[float, bool]] = []
    with (
        tempfile.TemporaryDirectory() as home,
        Agent.open(home, local_model=model, memories="wise,lm", embedder="hash", lm={"min_confidence": 0.0}) as agent,
    ):
        agent.edit_many(requests)
        for fact, target in zip(facts, targets, strict=True):
            question = WORDINGS[fact.relation].held_questions[0].format(fact.subject)
            (found,) = agent.home.recall(Query(text=question), ["lm"])
            said = [hit.record.attributes["answer"].removesuffix(".") for hit in found.hits]
            out.append((float(found.signals.get("confidence", 0.0)), said == [target]))
    return out


def _questions(relation: str) -> tuple[str, ...]:
    return tuple(f"Q: {question} A:" for question in WORDINGS[relation].questions[:2])


def _sites(report: Report, model: CausalModel) -> None:
    from agentmem_lm.sites import POSITIONS, find_sites

    started = time.process_time()
    table = find_sites(model, demo_prompts())
    report.figure("sites.cpu_s", time.process_time() - started)
    report.figure("sites.best_layer", table.best)
    for layer, row in enumerate(table.stream):
        shares = {name: 100 * share for name, share in zip(POSITIONS, row, strict=True)}
        report.row(what=f"sites.layer{layer}", n=table.pairs, **shares)
        report.figure(f"sites.layer{layer}.subject_last", shares["subject_last"])
        report.figure(f"sites.layer{layer}.prompt_last", shares["prompt_last"])


def _shape(report: Report, family: str) -> None:
    """Load, stream, cancel and batch a model with random weights; seconds of wall time and memory."""
    from agentmem_lm.shapes import random_model

    before = _memory_mb()
    model, build_s = _timed(lambda: random_model(family, dtype="bfloat16"))
    with tempfile.TemporaryDirectory() as folder:
        with without_progress_bars():
            model.net.save_pretrained(folder)  # type: ignore[operator]
        model.tokenizer.save_pretrained(folder)
        del model
        model, load_s = _timed(lambda: _loaded(folder))
        stream = model.stream("The harbour", max_new_tokens=64)
        _, first_s = _timed(lambda: next(stream, ""))
        _, cancel_s = _timed(stream.close)
        _, sixteen_s = _timed(lambda: model.generate(["The harbour"], max_new_tokens=16))
        prompts = [f"Prompt number {i} of eight, of its own length {'x' * i}" for i in range(8)]
        batch, batch_s = _timed(lambda: model.generate(prompts, max_new_tokens=16))
    report.row(
        what=f"shape.{family}",
        n=1,
        build_s=build_s,
        load_s=load_s,
        first_piece_s=first_s,
        cancel_s=cancel_s,
        sixteen_tokens_s=sixteen_s,
        batch_of_8_s=batch_s,
        memory_mb=_memory_mb() - before,
    )
    assert len(batch) == 8, "a batch has an answer for every prompt"
    for name, value in (("load_s", load_s), ("first_piece_s", first_s), ("memory_mb", _memory_mb() - before)):
        report.figure(f"shape.{family}.{name}", value)


def _loaded(folder: str) -> CausalModel:
    from agentmem_lm.model import load

    return load(Path(folder), dtype="bfloat16")


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.monotonic()
    return work(), time.monotonic() - started


def _memory_mb() -> float:
    """Resident memory of this process, MB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
