"""The command ``agentmem routing``: what the router goes by here, and learning it from this home's own history."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from agentmem.cli.options import Options, columns
from agentmem.routing.history import examples_of, recalibrated
from agentmem.routing.learning import LEAST
from agentmem.routing.model import RoutingModel, bundled
from agentmem.situation import LEARNED
from agentmem.trace import KIND


def main(arguments: Sequence[str], options: Options) -> int:
    parser = argparse.ArgumentParser(prog="agentmem routing", description=(__doc__ or "").partition("\n")[0])
    verbs = "show what is in force, learn it again from what answers cited, or forget what was learnt"
    parser.add_argument("verb", nargs="?", default="show", choices=("show", "learn", "forget"), help=verbs)
    verb = parser.parse_args(list(arguments)).verb
    with options.open() as agent:
        file = agent.home.folder / LEARNED
        if verb == "learn":
            agent.home.require_owner("learn")
            traces = agent.home.journal.records.find(kinds=(KIND,))
            model, counts = recalibrated(bundled(), examples_of(traces))
            file.write_text(json.dumps(model.as_dict(), indent=1) + "\n", encoding="utf-8")
            rows = [
                (arm.key, f"{n} answers" + ("" if n >= LEAST else ", left alone")) for arm, n in sorted(counts.items())
            ]
            options.print({arm.key: n for arm, n in counts.items()}, columns(rows) + f"\nwritten to {file}")
        elif verb == "forget":
            agent.home.require_owner("forget")
            had = file.exists()
            file.unlink(missing_ok=True)
            options.print(
                {"forgotten": had}, "the model that comes along is in force" if had else "nothing was learnt here"
            )
        else:
            model = RoutingModel.from_dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else bundled()
            lines = [f"router {agent.home.settings.router}; learnt from {model.source}", ""]
            lines += [f"  {arm.key or 'nothing'}" + (", probed" if arm in model.probed else "") for arm in model.arms]
            options.print(model.as_dict(), "\n".join(lines))
    return 0
