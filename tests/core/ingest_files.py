"""Small real files for the tests of ingestion, and a home in miniature that takes changes over."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from agentmem.ingest import FileChange, IngestReport, Splitter, known_files, plan
from agentmem.records import Namespace, Record


def words(text: str) -> int:
    """A tokenizer that needs no model: words, plus two marks around every text."""
    return len(text.split()) + 2


def pdf(*pages: str, title: str = "") -> bytes:
    """A minimal PDF with one line of text a page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, line in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 700 Td ({line}) Tj ET" if line else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    objects.append(f"<< /Title ({title}) >>")
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n".encode()
    return bytes(out + f"startxref\n{start}\n%%EOF\n".encode())


def docx(*blocks: tuple[str, str]) -> bytes:
    """A Word document of (style, text) paragraphs; the style "table" takes rows as lines of cells between bars."""
    body = ""
    for style, text in blocks:
        if style == "table":
            rows = ([_paragraph("", cell) for cell in line.split("|")] for line in text.splitlines())
            body += "<w:tbl>" + "".join(
                "<w:tr>" + "".join(f"<w:tc>{cell}</w:tc>" for cell in row) + "</w:tr>" for row in rows
            )
            body += "</w:tbl>"
        else:
            body += _paragraph(style, text)
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", f"<w:document {space}><w:body>{body}</w:body></w:document>")
    return buffer.getvalue()


def _paragraph(style: str, text: str) -> str:
    named = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{named}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


@dataclass
class Shelf:
    """Does with changes what an agent does, and remembers which texts would have been embedded."""

    records: dict[str, Record] = field(default_factory=dict)
    embedded: list[str] = field(default_factory=list)
    namespace: Namespace = ()
    max_tokens: int = 64

    def ingest(self, *paths: Path | str, stop_after: int | None = None) -> IngestReport:
        self.embedded = []
        taken = 0
        ingestion = plan(
            paths,
            Splitter(words, self.max_tokens),
            known=known_files(self.records.values(), self.namespace),
            namespace=self.namespace,
            cancelled=lambda: stop_after is not None and taken >= stop_after,
        )
        for change in ingestion.changes():
            self.take(change)
            taken += 1
        return ingestion.report

    def take(self, change: FileChange) -> None:
        for amend in change.amend:
            old = self.records[amend.record_id]
            self.records[old.id] = Record(
                id=old.id, kind=old.kind, body=old.body, namespace=old.namespace, sources=amend.sources,
                attributes=amend.attributes,
            )  # fmt: skip
        for record_id in change.drop:
            del self.records[record_id]
        for draft in change.add:
            record_id = f"r{len(self.records)}-{len(self.embedded)}"
            self.embedded.append(draft.body)
            self.records[record_id] = Record(
                id=record_id, kind=draft.kind, body=draft.body, namespace=draft.namespace, sources=draft.sources,
                attributes=draft.attributes,
            )  # fmt: skip

    def of(self, uri: str) -> list[Record]:
        found = (record for record in self.records.values() if record.sources[0].uri == uri)
        return sorted(found, key=lambda record: record.sources[0].start or 0)

    @property
    def uris(self) -> list[str]:
        return sorted({record.sources[0].uri for record in self.records.values()})

    @property
    def bodies(self) -> Sequence[str]:
        return sorted(record.body for record in self.records.values())
