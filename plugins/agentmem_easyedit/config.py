"""Settings of the memories `easyedit:<NAME>`."""

from __future__ import annotations

from agentmem_lm.edits import EditConfig


class EasyEditConfig(EditConfig):
    """``hparams``: a YAML file in EasyEdit's own form for the algorithm and the shape of the model.

    Its model name and paths are EasyEdit's business; the model that is edited is always the local model of this home.
    """

    hparams: str = ""
