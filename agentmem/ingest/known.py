"""What a home already holds of a set of files, gathered from the records themselves. Keeps no state of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentmem.records import Namespace, Record, Source


@dataclass(frozen=True, slots=True)
class KnownChunk:
    record_id: str
    key: str  # of the title, heading and body that the file gave it, whatever a person has made of it since
    source: Source
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class KnownFile:
    """The live chunks of one file. ``digest`` and ``recipe`` are empty when its chunks do not agree on them."""

    uri: str
    root: str
    digest: str
    recipe: str
    chunks: list[KnownChunk] = field(default_factory=list)

    @property
    def key(self) -> str:
        return file_key(self.root, self.uri)


def known_files(records: Iterable[Record], namespace: Namespace) -> dict[str, KnownFile]:
    """The files behind live records of exactly this namespace; what no ingestion made is passed over."""
    files: dict[str, KnownFile] = {}
    for record in records:
        root = record.attributes.get("root")
        if record.kind != "chunk" or record.namespace != namespace or not record.sources or not isinstance(root, str):
            continue
        source = record.sources[0]
        recipe = str(record.attributes.get("recipe", ""))
        file = files.setdefault(file_key(root, source.uri), KnownFile(source.uri, root, source.digest or "", recipe))
        if file.digest != source.digest:
            file.digest = ""
        if file.recipe != recipe:
            file.recipe = ""
        key = str(record.attributes.get("chunk", ""))
        file.chunks.append(KnownChunk(record.id, key, source, record.attributes))
    for file in files.values():
        file.chunks.sort(key=lambda chunk: chunk.source.start or 0)
    return files


def file_key(root: str, uri: str) -> str:
    return f"{root}:{uri}"


def root_key(folder: Path) -> str:
    """Tells folders of one name apart without writing down where they lie."""
    return hashlib.blake2b(str(folder).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


def chunk_key(title: str, heading: str, body: str) -> str:
    """Equal for chunks that read the same, title and heading included; kept as an attribute of the record."""
    text = "\0".join((title, heading, body))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
