"""Opens local models by name: `demo`, or the path of a folder; the entry point `local` of `agentmem.models`.

Knows where the demo model lies and nothing of how a model works. Light to import: torch comes with the first use.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agentmem.errors import BadInput, Missing
from agentmem.gain import Weighed
from agentmem.records import Namespace
from agentmem.settings import explain
from agentmem_lm.config import LocalConfig
from agentmem_lm.manners import Manners
from agentmem_lm.mounting import Mount

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentmem_lm.model import CausalModel, Padding


def demo_folder() -> Path:
    """Where the demo model is: model.safetensors, config.json, tokenizer.json and its card."""
    return Path(__file__).parent / "demo" / "model"


def folder_of(spec: str) -> Path:
    """The folder of `demo`, `local:demo` or a path. BadInput when it holds no model."""
    name = spec.removeprefix("local:")
    folder = demo_folder() if name == "demo" else Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"{str(folder)!r} holds no model: give 'demo', or a folder with config.json, *.safetensors and a tokenizer"
        )
    return folder


def open_model(spec: str, *, device: str = "auto", dtype: str = "auto", padding: Padding = "left") -> CausalModel:
    """The model named `demo` or lying in the folder `spec`, loaded now.

    Raises Missing when torch or transformers are not installed, BadInput when the folder holds no model.
    """
    folder = folder_of(spec)
    _require_torch(spec)
    from agentmem_lm.model import load

    return load(folder, device=device, dtype=dtype, padding=padding, name=spec.removeprefix("local:"))


def _require_torch(spec: str) -> None:
    missing = [name for name in ("torch", "transformers", "safetensors") if find_spec(name) is None]
    if missing:
        raise Missing(f"local model {spec!r} needs {', '.join(missing)}: pip install 'agentmem-framework[lm]'")


_PATIENCE_S = 60.0


def _settle(model: weakref.ref[LazyModel]) -> None:
    """At the end of the process: let a thread that was left behind finish loading or generating, and begin nothing new.

    A process that ends in the middle of torch's own code is aborted, whatever its exit code should have been.
    """
    lazy = model()
    if lazy is not None and lazy._lock.acquire(timeout=_PATIENCE_S) and lazy._model is not None:
        lazy._model.settle(_PATIENCE_S)


class LazyModel:
    """A local model that is loaded at its first use; mounting does not count as one.

    Everything but its name, manners and mounts is the loaded `CausalModel`'s.
    """

    def __init__(self, spec: str, **settings: Any) -> None:
        folder = folder_of(spec)
        _require_torch(spec)
        self.name = spec.removeprefix("local:")
        self.manners = Manners.read(folder)
        self._open: Callable[[], CausalModel] = lambda: open_model(spec, **settings)
        self._model: CausalModel | None = None
        self._waiting: dict[int, tuple[object, Namespace, float | None]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<local model {self.name}{'' if self._model else ', not loaded'}>"

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is not here. Private names never load: copying and pickling probe for them.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.loaded(), name)

    def loaded(self) -> CausalModel:
        """The model itself."""
        with self._lock:
            if self._model is None:
                atexit.register(_settle, weakref.ref(self))
                self._model = self._open()
                for memory, namespace, as_of in self._waiting.values():
                    self._model.mount(memory, namespace, as_of)
                self._waiting.clear()
            return self._model

    def weigh(self, question: str, passages: Sequence[str], *, namespace: Namespace = ()) -> Weighed | None:
        """As `CausalModel.weigh`; here by its name, so that asking whether there is such a verb loads nothing."""
        return self.loaded().weigh(question, passages, namespace=namespace)

    def mount(self, memory: object, namespace: Namespace = (), as_of: float | None = None) -> Mount:
        """As `CausalModel.mount`."""
        with self._lock:
            if self._model is None:
                self._waiting[id(memory)] = (memory, namespace, as_of)
                return Mount(lambda: self.unmount(memory))
        return self._model.mount(memory, namespace, as_of)

    def unmount(self, memory: object) -> None:
        """As `CausalModel.unmount`."""
        with self._lock:
            self._waiting.pop(id(memory), None)
        if self._model is not None:
            self._model.unmount(memory)


class LocalModels:
    """The provider behind `local:demo` and `local:/path`."""

    prefix = "local"

    @staticmethod
    def local(spec: str, **settings: Any) -> LazyModel:
        """A model whose weights can be edited (`agentmem.contract.LocalModel`), loaded at its first use."""
        known = ("device", "dtype", "padding")
        return LazyModel(spec, **{key: value for key, value in settings.items() if key in known})

    @staticmethod
    def chat(spec: str, *, local_model: Any = None, **settings: Any) -> BaseChatModel:
        """A chat model; with `local_model` it speaks through that one, so that its edits are heard."""
        from agentmem_lm.chat import LocalChatModel

        try:
            LocalConfig.model_validate(settings)
        except ValidationError as error:
            raise BadInput(f"in the section of 'local': {explain(error, LocalConfig)}") from error
        own = {key: settings.pop(key) for key in ("device", "dtype", "padding") if key in settings}
        shared = local_model if getattr(local_model, "name", None) == spec.removeprefix("local:") else None
        return LocalChatModel(model=shared or LazyModel(spec, **own), **settings)
