"""Every format gives its text with title and headings; nothing broken, hidden, huge or foreign stops the others."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_files import Shelf, docx, pdf, words

from agentmem.ingest import Outcome, Selection, Splitter, plan
from agentmem.ingest.decoding import decode
from agentmem.ingest.document import Document, whole
from agentmem.ingest.markup import read_html, read_markdown
from agentmem.ingest.splitter import sentences
from agentmem.records import Record, Trust


def chunks_of(path: Path, content: str | bytes, max_tokens: int = 64) -> list[Record]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    shelf = Shelf(max_tokens=max_tokens)
    report = shelf.ingest(path)
    assert report.skipped == [], report.table()
    return shelf.of(f"{path.parent.name}/{path.name}")


def context(record: Record) -> tuple[str, str]:
    return record.attributes["title"], record.attributes.get("heading", "")


def test_markdown_carries_its_title_and_heading_path(tmp_path: Path) -> None:
    text = "# Manual\n\nIntro.\n\n## Install\n\n### On Linux\n\nRun it.\n\nUsage\n-----\n\n```\n# no heading\n```\n"
    records = chunks_of(tmp_path / "m.md", text)
    assert [(context(record), record.body) for record in records] == [
        (("Manual", ""), "Intro."),
        (("Manual", "Install > On Linux"), "Run it."),
        (("Manual", "Usage"), "```\n# no heading\n```"),
    ]


def test_front_matter_gives_the_title_and_bare_headings_are_text(tmp_path: Path) -> None:
    records = chunks_of(
        tmp_path / "f.md", "---\ntitle: 'Fees'\ndate: 2026\n---\n# Is it free?\n# Is it *safe*?\n\nYes.\n"
    )
    assert [(record.attributes["title"], record.body) for record in records] == [
        ("Fees", "# Is it free?"),
        ("Fees", "Yes."),
    ]
    assert records[1].attributes["heading"] == "Is it safe?"


def test_html_keeps_visible_text_and_headings_only(tmp_path: Path) -> None:
    page = (
        "<html><head><title>Port &amp; Pier</title><script>var x = '<p>no</p>'</script></head><body><nav>Menu</nav>"
        "<h1>Port</h1><p>Ships <b>sail</b> at\n noon.</p><h2>Fees</h2><table><tr><th>Size</th><th>Crowns</th></tr>"
        "<tr><td>small</td><td>12</td></tr></table><ul><li>one<li>two</ul><p>unclosed"
    )
    records = chunks_of(tmp_path / "p.html", page)
    assert context(records[0]) == ("Port & Pier", "Port")
    assert records[0].body == "Ships sail at noon."
    assert records[1].attributes["heading"] == "Port > Fees"
    assert records[1].body.split("\n\n") == ["Size | Crowns\nsmall | 12", "one\ntwo", "unclosed"]


def test_pdf_pages_are_numbered(tmp_path: Path) -> None:
    records = chunks_of(tmp_path / "p.pdf", pdf("The crane lifts forty tons.", "", "The dock closes.", title="Cranes"))
    assert [(record.body, record.attributes["page"]) for record in records] == [
        ("The crane lifts forty tons.", 1),
        ("The dock closes.", 3),
    ]
    assert context(records[0]) == ("Cranes", "")


def test_word_documents_keep_headings_and_tables(tmp_path: Path) -> None:
    content = docx(
        ("Title", "Pier rules"),
        ("", "Be kind & calm."),
        ("Heading1", "Fees"),
        ("Heading2", "Boats"),
        ("table", "size|crowns\nsmall|12"),
        ("Heading1", "End"),
        ("", "Leave."),
    )
    records = chunks_of(tmp_path / "rules.docx", content)
    assert [(context(record), record.body) for record in records] == [
        (("Pier rules", ""), "Be kind & calm."),
        (("Pier rules", "Fees > Boats"), "size | crowns\nsmall | 12"),
        (("Pier rules", "End"), "Leave."),
    ]


def test_rows_of_tables_name_their_columns(tmp_path: Path) -> None:
    (record,) = chunks_of(tmp_path / "people_of-port.csv", "name;city\nAda;London\n'Bo, jr';Osterby\n")
    assert record.body == "name: Ada; city: London\nname: 'Bo, jr'; city: Osterby"
    assert record.attributes["title"] == "people of port"
    (record,) = chunks_of(tmp_path / "n.tsv", "1\t2\n3\t4\n")
    assert record.body == "1, 2\n3, 4"


def test_json_elements_become_lines(tmp_path: Path) -> None:
    value = '{"name": "Velmark", "ports": [{"pier": 4, "open": true}, {"pier": 6, "tags": ["new", "deep"]}], "x": null}'
    (record,) = chunks_of(tmp_path / "v.json", value)
    assert record.body.splitlines() == [
        "name: Velmark",
        "ports: pier: 4; open: true",
        "ports: pier: 6; tags: new, deep",
    ]


def test_broken_lines_of_json_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"a": "one"}\nnot json\n\n{"a": {"b": "two"}}\n')
    shelf = Shelf()
    report = shelf.ingest(path)
    assert shelf.bodies == ["a: one\na.b: two"]
    assert report.notes == [(f"{tmp_path.name}/r.jsonl", "1 lines are not JSON and were left out, the first is line 2")]


def test_source_code_is_cut_at_its_definitions(tmp_path: Path) -> None:
    body = "\n".join(f"        total += {n} * self.weight  # step {n}" for n in range(12))
    head = "import os\n\n\nclass Crane:\n    @property\n    def load(self):\n"
    source = f"{head}{body}\n\n    def stop(self):\n        pass\n"
    records = chunks_of(tmp_path / "crane.py", source)
    assert all(record.attributes["title"] == "crane.py" for record in records)
    headings = [record.attributes.get("heading", "") for record in records]
    assert headings[0] == ""
    assert "class Crane" in headings
    assert "class Crane > def load(self)" in headings  # the rest of a function that is longer than a chunk
    assert records[-1].body.startswith("def stop")


@pytest.mark.parametrize(
    ("name", "source", "names"),
    [
        (
            "a.go",
            "package a\n\nfunc Open() int {\n\treturn 1\n}\n\ntype Pier struct {\n\tN int\n}\n",
            ["func Open", "type Pier"],
        ),
        (
            "a.rs",
            "pub fn open() -> u8 {\n    1\n}\n\nimpl Pier {\n    fn n(&self) {}\n}\n",
            ["pub fn open", "impl Pier"],
        ),
        ("a.c", "#include <a.h>\n\nint open_pier(int n)\n{\n    return n;\n}\n", ["int open_pier"]),
        ("a.ts", "export function open(): void {\n}\n\nexport class Pier {\n}\n", ["export function", "export class"]),
    ],
)
def test_definitions_of_other_languages_begin_sections(name: str, source: str, names: list[str]) -> None:
    from agentmem.ingest.readers import read

    document = read(Path(name), source.encode())
    begins = [document.text[section.start : section.end].lstrip() for section in document.sections]
    for wanted in names:
        assert any(begin.startswith(wanted) or f"\n{wanted}" in begin[:40] for begin in begins), begins


def test_chunks_are_exact_spans_of_the_file_and_together_all_of_it(tmp_path: Path) -> None:
    text = "\n\n".join(
        f"Sentence one of {n}. “Why?” asked Dr. Orla. 港口于九点开放。Then {'word ' * (n % 90)}end" for n in range(80)
    )
    path = tmp_path / "long.txt"
    records = chunks_of(path, text)
    assert len(records) > 40
    for record in records:
        source = record.sources[0]
        assert text[source.start : source.end] == record.body
    assert "".join("".join(record.body.split()) for record in records) == "".join(text.split())


def test_no_chunk_with_its_context_exceeds_the_tokens_of_the_embedder(tmp_path: Path) -> None:
    deep = "".join(f"{'#' * level} Heading of level {level} with quite a few more words\n\n" for level in range(1, 7))
    text = deep + "Many words follow here and there. " * 400 + "\n\n" + "unbroken" * 3000
    for record in chunks_of(tmp_path / "deep.md", text, max_tokens=32):
        title, heading = context(record)
        assert words(f"{title} > {heading}\n{record.body}") <= 32


def test_chunks_name_their_source_without_telling_where_it_lies(tmp_path: Path) -> None:
    (record,) = chunks_of(tmp_path / "a.txt", "Some words.")
    assert record.sources[0].uri == f"{tmp_path.name}/a.txt"
    assert str(tmp_path.parent) not in repr(record)
    ingestion = plan([tmp_path], Splitter(words, 64))
    (change,) = ingestion.changes()
    assert change.add[0].trust is Trust.DOCUMENT
    assert change.add[0].sources[0].digest == change.item.digest


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_text_is_read_in_its_encoding(encoding: str) -> None:
    text = "Der Zöllner schließt um fünf Uhr; die Gebühr beträgt zwölf Kronen, später mehr. Schöne Grüße vom Fährhaus."
    assert decode(text.encode(encoding))[0] == text


def test_line_ends_are_made_equal(tmp_path: Path) -> None:
    assert decode(b"a\r\nb\rc")[0] == "a\nb\nc"


def test_surrogates_and_zero_characters_never_reach_a_record(tmp_path: Path) -> None:
    (record,) = chunks_of(tmp_path / "s.json", '{"a": "bad \\ud800 and \\u0000 end"}')
    record.body.encode("utf-8")
    assert "\0" not in record.body


def test_nothing_broken_or_foreign_stops_the_others(tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    root.mkdir()
    (root / "good.txt").write_text("A good file.")
    (root / "broken.pdf").write_bytes(b"%PDF-1.4\nnonsense")
    (root / "scan.pdf").write_bytes(pdf(""))
    (root / "broken.docx").write_bytes(b"PK\x03\x04 nothing")
    (root / "deep.json").write_text("[" * 100_000)
    (root / "bad.json").write_text("{'single': 1}")
    (root / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (root / "archive.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (root / "blank.txt").write_text(" \n\n ")
    (root / "empty.md").touch()
    (root / "key.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n")
    (root / "bundle.js").write_text("var a=1;" * 2000)
    (root / "app.min.js").write_text("var a=1;")
    (root / "huge.log").write_text("x" * 5000)
    shelf = Shelf()
    ingestion = plan([root], Splitter(words, 64), selection=Selection(max_bytes=4000 * 5))
    for change in ingestion.changes():
        shelf.take(change)
    report = ingestion.report
    assert shelf.bodies[0] == "A good file."
    reasons = {skip.uri.removeprefix("mixed/"): skip.reason for skip in report.skipped}
    assert "not a readable PDF" in reasons["broken.pdf"]
    assert "OCR" in reasons["scan.pdf"]
    assert "not a Word document" in reasons["broken.docx"]
    assert "nested too deeply" in reasons["deep.json"] or "larger" in reasons["deep.json"]
    assert "line 1, column 2" in reasons["bad.json"]
    assert "no reader for .png" in reasons["picture.png"]
    assert "archive" in reasons["archive.zip"]
    assert reasons["blank.txt"] == "no text in it"
    assert reasons["empty.md"] == "empty"
    assert reasons["key.pem"] == "holds a private key"
    assert "minified" in reasons["bundle.js"]
    assert "program" in reasons["app.min.js"]
    assert report.files[Outcome.NEW] == 2
    table = report.table()
    assert all(reason in table for reason in reasons.values())
    assert len(report.to_json()["skipped"]) == len(reasons) == 12


def test_hidden_ignored_linked_and_special_files_are_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for folder in (".git", "node_modules", "build", "kept", "env"):
        (root / folder).mkdir(parents=True)
        (root / folder / "inside.txt").write_text(f"text in {folder}")
    (root / "env" / "pyvenv.cfg").touch()
    (root / ".env").write_text("SECRET=1")
    (root / ".gitignore").write_text("/build/\n*.log\n!keep.log\n**/secret*\n")
    (root / "kept" / ".gitignore").write_text("local.txt\n")
    for name in ("a.log", "keep.log", "kept/secrets.txt", "kept/local.txt", "local.txt"):
        (root / name).write_text(f"this is {name}")
    (tmp_path / "outside.txt").write_text("nobody's business")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    shelf = Shelf()
    report = shelf.ingest(root)
    assert shelf.uris == ["tree/keep.log", "tree/kept/inside.txt", "tree/local.txt"]
    reasons = {skip.uri: skip.reason for skip in report.skipped}
    assert reasons["tree/.git/"] == reasons["tree/.env"] == "hidden"
    assert reasons["tree/build/"] == reasons["tree/a.log"] == "listed in an ignore file"
    assert "link" in reasons["tree/loop"]
    assert reasons["tree/pipe"] == "not a regular file"
    assert reasons["tree/env/"] == "a Python virtual environment"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_reported_and_kept(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "closed").mkdir(parents=True)
    (root / "closed" / "a.txt").write_text("one")
    (root / "b.txt").write_text("two")
    shelf = Shelf()
    shelf.ingest(root)
    (root / "closed").chmod(0)
    (root / "b.txt").chmod(0)
    report = shelf.ingest(root)
    (root / "closed").chmod(0o755)
    assert {skip.reason for skip in report.skipped} == {"permission denied"}
    assert shelf.uris == ["tree/b.txt", "tree/closed/a.txt"]


def test_a_folder_that_cannot_be_listed_keeps_its_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "tree"
    (root / "closed").mkdir(parents=True)
    (root / "closed" / "a.txt").write_text("one")
    shelf = Shelf()
    shelf.ingest(root)
    listed = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    report = shelf.ingest(root)
    assert report.skipped[0].reason == "permission denied"
    assert shelf.uris == ["tree/closed/a.txt"]


def test_names_that_are_no_unicode_are_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    try:
        (tmp_path / name).write_text("Menu of the day.")
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    shelf = Shelf()
    shelf.ingest(tmp_path)
    assert shelf.uris[0].encode("utf-8")
    assert shelf.ingest(tmp_path).files == {Outcome.UNCHANGED: 1}


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (65 * 2**20))
    report = Shelf().ingest(path)
    assert "unpacks to 65 MiB" in report.skipped[0].reason


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=1500), st.integers(32, 80))
def test_any_text_is_cut_without_loss(text: str, max_tokens: int) -> None:
    chunks = list(Splitter(words, max_tokens).split(Document(text, whole(text)), "A title"))
    assert "".join("".join(chunk.body.split()) for chunk in chunks) == "".join(text.split())
    assert all(text[chunk.start : chunk.end] == chunk.body for chunk in chunks)
    assert "".join(sentences(text)) == text


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="#=-` \nabc*[]()", max_size=300))
def test_any_markdown_is_read_without_overlap(text: str) -> None:
    document = read_markdown(text.encode())
    ends = [0]
    for section in document.sections:
        assert ends[-1] <= section.start < section.end <= len(document.text)
        ends.append(section.end)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="<>/ab h1p\ntile&;=\"'!-", max_size=300))
def test_any_html_is_read(page: str) -> None:
    document = read_html(page.encode())
    assert all(section.end <= len(document.text) for section in document.sections)
