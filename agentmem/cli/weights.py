"""Commands about weights: edit, promote and complete."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from agentmem.cli.options import SHORT, Options, columns, shortened
from agentmem.cli.writing import receipt_text
from agentmem.edit_reading import read_edit
from agentmem.errors import BadInput
from agentmem.records import EditRequest

Command = Callable[[str, str], argparse.ArgumentParser]


def register(command: Command) -> None:
    edit = command("edit", "Put a fact into the weights of the local model.")
    edit.add_argument("subject", help="what the fact is about, as the prompt names it; or alone, a whole sentence")
    edit.add_argument("prompt", nargs="?", help="the text before the new answer, with {} for the subject")
    edit.add_argument("target", nargs="?", help="what should follow")
    edit.add_argument("--yes", action="store_true", help="apply what is read from a sentence without asking")
    edit.add_argument("--memory", default="wise", help="which memory holds the edit (default: wise)")
    edit.add_argument("--paraphrase", action="append", default=[], metavar="TEXT", help="another wording (repeatable)")
    edit.add_argument("--preserve", action="append", default=[], metavar="TEXT", help="a prompt whose answer must stay")
    edit.set_defaults(handler=_edit)

    promote = command("promote", "Propose facts that earned it for the weights; take off those that no longer hold.")
    promote.add_argument("--memory", help="which memory shall hold them (default: promotion.memory, wise)")
    promote.add_argument("--why", action="store_true", help="only tell what speaks against each fact")
    promote.set_defaults(handler=_promote)

    complete = command("complete", "The raw continuation of a prompt by the local model.")
    complete.add_argument("prompt", nargs="+", help="one text; several words are joined")
    complete.add_argument("--base", action="store_true", help="without edits")
    complete.add_argument("--max-tokens", type=int, default=32, metavar="N")
    complete.set_defaults(handler=_complete)


def _edit(options: Options, arguments: argparse.Namespace) -> int:
    if arguments.prompt is None:
        request = read_edit(arguments.subject)
        if not arguments.yes and not _confirmed(options, request):
            print("nothing was changed")
            return 1
    elif arguments.target is None:
        raise BadInput("give subject, prompt and target, or one sentence in quotes such as 'The capital of X is Y'")
    else:
        request = EditRequest(subject=arguments.subject, prompt=arguments.prompt, target=arguments.target)
    with options.open() as agent:
        receipt = agent.edit(
            request.subject,
            request.prompt,
            request.target,
            memory=arguments.memory,
            relation=request.relation,
            paraphrases=[*request.paraphrases, *arguments.paraphrase],
            preserve=arguments.preserve,
        )
    options.print(receipt, receipt_text(receipt))
    return 0


def _confirmed(options: Options, request: EditRequest) -> bool:
    """Whether the person agrees with what was read from the sentence."""
    read = f"'{request.prompt.replace('{}', request.subject)}' shall be followed by '{request.target}'"
    if options.json or not sys.stdin.isatty():
        raise BadInput(f"read as: {read}; confirm it with --yes")
    return input(f"{read}. Put it into the weights? [y/N] ").strip().lower() in ("y", "yes")


def _promote(options: Options, arguments: argparse.Namespace) -> int:
    from agentmem.promotion import candidates

    with options.open() as agent:
        if arguments.why:
            found = candidates(agent.home, agent.namespace)
            told = [
                {"id": c.record.id, "fact": c.record.body, "reads": c.reads, "reasons": list(c.reasons)} for c in found
            ]
            lines = [
                (c.record.id[:SHORT], shortened(c.record.body), "; ".join(c.reasons) or "qualifies") for c in found
            ]
            options.print(told, columns(lines) if lines else "no statement of one claim is known yet")
            return 0
        receipts = agent.promote(memory=arguments.memory)
        nothing = "nothing has earned a place in the weights; 'agentmem promote --why' tells what is missing"
        options.print(receipts, "\n".join(receipt_text(receipt) for receipt in receipts) or nothing)
    return 0


def _complete(options: Options, arguments: argparse.Namespace) -> int:
    prompt = " ".join(arguments.prompt)
    with options.open() as agent:
        text = agent.complete(prompt, base=arguments.base, max_new_tokens=arguments.max_tokens)
    options.print({"prompt": prompt, "text": text}, str(text).strip())
    return 0
