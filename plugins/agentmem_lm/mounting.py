"""How weight memories hang their edits on a local model, and how they come off without a trace.

Knows no method of editing. A memory says which edits it would mount for a namespace and a time (`mount_key`) and
mounts them (`mount_into`); the stack here keeps the fixed order MEMIT, memory layer, WISE, mounts nothing twice, and
takes everything off in reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from agentmem.errors import BadInput
from agentmem.records import Namespace

if TYPE_CHECKING:
    from agentmem_lm.model import CausalModel

ORDER_WEIGHTS, ORDER_LAYER, ORDER_GATED = 10, 20, 30
"""`mount_order` of methods that change weights, of the memory layer, and of gated side memories."""


@runtime_checkable
class Mountable(Protocol):
    """What a memory needs so that a local model can mount its edits."""

    name: str
    mount_order: int

    def mount_key(self, namespace: Namespace, as_of: float | None) -> Hashable | None:
        """What would be mounted: equal keys, equal weights. None: nothing is live there. Cheap; called at every use."""
        ...

    def mount_into(self, model: CausalModel, namespace: Namespace, as_of: float | None) -> Callable[[], None]:
        """Change `model.net` (weights or hooks) and return what takes it back, bit for bit.

        Called under the model's lock, with everything of a lower `mount_order` mounted.
        """
        ...


@dataclass(frozen=True)
class _Pin:
    memory: Mountable
    namespace: Namespace
    as_of: float | None


@dataclass(frozen=True)
class _Mounted:
    memory: Mountable
    key: Hashable
    undo: Callable[[], None]


class MountStack:
    """What is mounted now, and what should be. The caller holds the model's lock."""

    def __init__(self, model: CausalModel) -> None:
        self._model = model
        self._pins: dict[int, _Pin] = {}  # by the identity of the memory
        self._mounted: list[_Mounted] = []
        self.frozen = False  # while something is tried, calls do not change what is mounted

    def add(self, pin: _Pin) -> _Pin | None:
        """Let the memory be mounted from now on; returns the standing order that this one replaces."""
        before = self._pins.get(id(pin.memory))
        self._pins[id(pin.memory)] = pin
        return before

    def put_back(self, pin: _Pin, before: _Pin | None) -> None:
        """End `pin`, if it still stands, in favour of the one before it."""
        if self._pins.get(id(pin.memory)) is pin:
            del self._pins[id(pin.memory)]
            if before is not None:
                self._pins[id(pin.memory)] = before

    def forget(self, memory: object) -> None:
        self._pins.pop(id(memory), None)

    def clear(self) -> None:
        """Take everything off, now."""
        while self._mounted:
            self._mounted.pop().undo()

    def bring_to(self, namespace: Namespace, as_of: float | None, base: bool) -> None:
        """Mount exactly what these arguments ask for; what is already right stays mounted."""
        if self.frozen:
            return
        wanted = [] if base else list(self._wanted(namespace, as_of))
        same = 0
        for mounted, (pin, key) in zip(self._mounted, wanted, strict=False):
            if mounted.memory is not pin.memory or mounted.key != key:
                break
            same += 1
        while len(self._mounted) > same:
            self._mounted.pop().undo()
        for pin, key in wanted[same:]:
            scope, when = pin.namespace or namespace, pin.as_of if pin.as_of is not None else as_of
            undo = pin.memory.mount_into(self._model, scope, when)
            self._mounted.append(_Mounted(pin.memory, key, undo))

    def _wanted(self, namespace: Namespace, as_of: float | None) -> Iterator[tuple[_Pin, Hashable]]:
        for pin in sorted(self._pins.values(), key=lambda pin: (pin.memory.mount_order, pin.memory.name)):
            scope, when = pin.namespace or namespace, pin.as_of if pin.as_of is not None else as_of
            key = pin.memory.mount_key(scope, when)
            if key is not None:
                yield pin, key


class Mount(AbstractContextManager[None]):
    """A memory's standing mount; leaving it as a context manager brings back what stood before."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


def pin_of(memory: object, namespace: Namespace, as_of: float | None) -> _Pin:
    """A checked request to mount; BadInput when the memory cannot be mounted."""
    if not isinstance(memory, Mountable):
        raise BadInput(f"{type(memory).__name__} cannot be mounted: mount_order, mount_key or mount_into is missing")
    return _Pin(memory, namespace, as_of)
