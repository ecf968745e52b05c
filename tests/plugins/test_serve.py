"""`agentmem_serve` as its callers meet it: verbs, tokens, limits, slow and hostile clients, and a kill."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving import serving

from agentmem import Agent
from agentmem.cli import main
from agentmem_serve.door import Limits

TOKEN = "a-token-that-is-long-enough"
MAIN = "import sys; from agentmem.cli import main; sys.exit(main())"
LIGHT = ["--memories", "chroma,bm25", "--set", "embedder=hash"]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with Agent.open(tmp_path / "home", embedder="hash", memories=("chroma", "bm25")) as opened:
        yield opened


@pytest.fixture
def client(agent: Agent) -> Iterator[httpx.Client]:
    with serving(agent) as url, httpx.Client(base_url=url, timeout=20, trust_env=False) as opened:
        yield opened


def said(response: httpx.Response) -> str:
    """The sentence of a refusal."""
    assert response.headers["content-type"] == "application/json"
    message: str = response.json()["error"]["message"]
    assert "\n" not in message
    return message


# ---- the verbs


def test_what_is_remembered_is_recalled_corrected_forgotten_and_taken_back(client: httpx.Client) -> None:
    written = client.post("/v1/remember", json={"text": "The harbour office is at Pier 4."}).json()
    record_id = written["records"][0]["id"]

    def found() -> list[str]:
        return [hit["text"] for hit in client.post("/v1/recall", json={"query": "harbour office"}).json()["hits"]]

    assert found() == ["The harbour office is at Pier 4."]
    client.post("/v1/correct", json={"id": record_id[:10], "text": "The harbour office is at Pier 6."})
    assert found() == ["The harbour office is at Pier 6."]
    gone = client.post("/v1/forget", json={"id": record_id}).json()
    assert found() == []
    client.post("/v1/undo", json={"receipt": gone["receipt"]})
    client.post("/v1/undo", json={})
    assert found() == ["The harbour office is at Pier 4."]
    changes = client.get("/v1/history", params={"id": record_id}).json()["changes"]
    assert [change["verb"] for change in changes] == ["add", "correct", "retract", "undo", "undo"]
    assert {change["actor"] for change in changes} == {"http"}
    assert client.get(f"/v1/records/{record_id}").json()["text"] == "The harbour office is at Pier 4."
    answer = client.post("/v1/ask", json={"question": "Where is the harbour office?"}).json()
    assert answer["citations"][0]["id"] == record_id


def test_records_come_in_pages_that_do_not_overlap(agent: Agent, client: httpx.Client) -> None:
    for i in range(25):
        agent.remember(f"note {i}", kind="note" if i % 5 == 0 else "fact")
    texts: list[str] = []
    before: int | None = None
    while True:
        page = client.get("/v1/records", params={"limit": 10, **({"before": before} if before else {})}).json()
        texts += [record["text"] for record in page["records"]]
        before = page["next"]
        if before is None:
            break
    assert texts == [f"note {i}" for i in range(24, -1, -1)]
    assert len(client.get("/v1/records", params={"kind": "note"}).json()["records"]) == 5
    agent.ask("Which note is the last?")
    kinds = {record["kind"] for record in client.get("/v1/records").json()["records"]}
    assert kinds == {"turn", "note", "fact"}  # and no traces, which hold ids and numbers only


def test_a_vector_given_by_the_caller_spares_the_embedding(agent: Agent, client: httpx.Client) -> None:
    agent.remember("The ferry leaves at nine.")
    vector = agent.home.embedder.embed(["The ferry leaves at nine."])[0]
    agent.recall("warm")
    embedded: list[str] = []
    agent.home.vectors.of_query = lambda text: embedded.append(text) or vector  # type: ignore[method-assign]
    numbers = client.post("/v1/recall", json={"query": "ferry", "vector": vector.tolist()}).json()
    packed = base64.b64encode(vector.astype("<f4").tobytes()).decode()
    assert client.post("/v1/recall", json={"query": "ferry", "vector": packed}).json() == numbers
    assert not embedded
    for wrong, why in [
        ([0.1, 0.2], "'vector' has 2 numbers"),
        ([0.0] * vector.size, "no direction"),
        ("%%%", "neither a list of numbers nor base64"),
        (base64.b64encode(np.full(vector.size, np.nan, "<f4").tobytes()).decode(), "no direction"),
    ]:
        refused = client.post("/v1/recall", json={"query": "ferry", "vector": wrong})
        assert refused.status_code == 400
        assert why in said(refused)


def test_a_namespace_is_told_by_header_or_field_and_keeps_people_apart(client: httpx.Client) -> None:
    alice = {"x-agentmem-namespace": "alice"}
    kept = client.post("/v1/remember", json={"text": "Alice's code is 12."}, headers=alice).json()
    assert kept["records"][0]["namespace"] == "alice"
    seen = client.post("/v1/recall", json={"query": "code", "namespace": "alice"}).json()["hits"]
    assert len(seen) == 1
    bob = {"x-agentmem-namespace": "bob"}
    assert client.post("/v1/recall", json={"query": "code"}, headers=bob).json()["hits"] == []
    record_id = kept["records"][0]["id"]
    assert client.get(f"/v1/records/{record_id}", headers=bob).status_code == 404
    assert client.post("/v1/undo", json={"receipt": kept["receipt"]}, headers=bob).status_code == 404
    assert client.post("/v1/correct", json={"id": record_id, "text": "x"}, headers=bob).status_code == 404


def test_what_is_wrong_is_said_in_a_sentence_with_a_status(client: httpx.Client) -> None:
    for path, body, status, sentence in [
        ("/v1/recall", b"{", 400, "the body is no JSON"),
        ("/v1/recall", b"[1]", 400, "the arguments are not right"),
        ("/v1/recall", b'{"query": "x", "depth": 1}', 400, "no argument named 'depth'; known:"),
        ("/v1/recall", b'{"query": "x", "k": "5"}', 400, "'k' = '5' is not right"),
        ("/v1/recall", b'{"query": "x", "memory": ["chrome"]}', 400, "no memory named 'chrome'"),
        ("/v1/recall", b'{"query": "\xff"}', 400, "the body is no JSON"),
        ("/v1/recall", b"[" * 100_000, 400, "the body is no JSON"),
        ("/v1/remember", b'{"text": "  "}', 400, "nothing to remember"),
        ("/v1/remember", b'{"text": "x", "at": "soon"}', 400, "'at"),
        ("/v1/undo", b'{"receipt": "0000000000"}', 404, "receipt"),
        ("/v1/forget", b'{"id": "abcdef"}', 404, "no record 'abcdef'"),
    ]:
        response = client.post(path, content=body, headers={"content-type": "application/json"})
        assert (response.status_code, sentence in said(response)) == (status, True), (body[:60], said(response))
    assert "Content-Type: application/json" in said(client.post("/v1/recall", content=b'{"query": "x"}'))
    record = client.post("/v1/remember", json={"text": "The vault's code is 4711."}).json()["records"][0]
    refused = client.post("/v1/forget", json={"id": record["id"], "how": "purge"})
    assert refused.status_code == 409
    assert "--allow-purge" in said(refused)


def test_a_receipt_that_stands_in_the_way_of_an_undo_is_named(client: httpx.Client) -> None:
    first = client.post("/v1/remember", json={"text": "The mill is old."}).json()
    second = client.post("/v1/correct", json={"id": first["records"][0]["id"], "text": "The mill is new."}).json()
    refused = client.post("/v1/undo", json={"receipt": first["receipt"]})
    assert refused.status_code == 409
    assert second["receipt"][:8] in said(refused)
    assert client.post("/v1/undo", json={"receipt": first["receipt"], "cascade": True}).status_code == 200


# ---- who comes in


def test_with_a_token_nobody_comes_in_without_it(agent: Agent) -> None:
    with serving(agent, token=TOKEN) as url, httpx.Client(base_url=url, trust_env=False) as client:
        for given in [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"bearer {TOKEN[:-1]}"]:
            headers = {} if given is None else {"authorization": given}
            for path in ("/v1/records", "/v1/models", "/v1/nothing"):
                response = client.get(path, headers=headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
                assert "Authorization: Bearer TOKEN" in said(response)
        assert client.get("/v1/records", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/v1/health").status_code == 200
        assert client.get("/openapi.json").json()["security"] == [{"token": []}]


def test_without_a_token_pages_in_a_browser_are_turned_away(client: httpx.Client) -> None:
    for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"host": "127.0.0.1.evil.example"}):
        refused = client.get("/v1/records", headers=headers)
        assert refused.status_code == 403
        assert "only this machine" in said(refused)
    assert client.get("/v1/records", headers={"origin": "http://localhost:3000"}).status_code == 200


def test_it_does_not_listen_beyond_loopback_without_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTMEM_TOKEN", raising=False)
    home = ["--home", str(tmp_path / "home")]
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        assert main(["serve", *home, "--host", host]) == 1
        assert "no token is set" in capsys.readouterr().err
    short = tmp_path / "token"
    short.write_text("short")
    assert main(["serve", *home, "--token-file", str(short)]) == 1
    assert "at least 16" in capsys.readouterr().err
    assert main(["serve", *home, "--token-file", str(tmp_path / "none")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", *home, "--port", str(taken.getsockname()[1])]) == 1
    assert "choose another --port" in capsys.readouterr().err


def test_paths_that_climb_lead_nowhere(client: httpx.Client) -> None:
    for path in (
        "/v1/../../../etc/passwd",
        "/v1/records/..%2f..%2fjournal.db",
        "/v1/records/%2e%2e/%2e%2e/secret",
        "/v1/records/%00",
        "/v1/records/" + "a" * 5000,
        "//v1/records",
        "/v1/records/",
        "/%c0%ae%c0%ae/",
        "/v1/models/%0d%0aset-cookie:x",
    ):
        request = client.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        response = client.send(request)
        assert response.status_code in (400, 404), path
        assert said(response)
        assert "set-cookie" not in response.headers


# ---- how much, how fast


def raw(url: str, data: bytes, *, wait_s: float = 5.0) -> bytes:
    """What the server answers to these bytes until it closes the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=wait_s) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_a_body_of_100_megabytes_is_refused_before_it_is_read(agent: Agent) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1600):
            sent += 65536
            yield b" " * 65536

    with serving(agent) as url, httpx.Client(base_url=url, trust_env=False) as client:
        head = b"POST /v1/recall HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        answer = raw(url, head + b"content-length: 104857600\r\n\r\n")  # not a byte of the body is sent
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"longer than the 4000000 bytes" in answer
        try:
            response = client.post("/v1/recall", content=endless(), headers={"content-type": "application/json"})
            assert response.status_code == 413
        except httpx.TransportError:
            pass  # the connection was closed while the body, whose length nobody told, was still being sent
        assert sent < 60_000_000
        assert raw(url, head + b"content-length: -1\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert client.get("/v1/health").status_code == 200


def test_clients_that_dawdle_are_let_go_and_hold_up_nobody(agent: Agent) -> None:
    with (
        serving(agent, head_s=0.5, limits=Limits(body_s=0.5)) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        started = time.monotonic()
        head = b"POST /v1/recall HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        late = raw(url, head)  # the head never ends
        assert late.startswith(b"HTTP/1.1 408")
        assert b"did not arrive in time" in late
        assert raw(url, b"").startswith(b"HTTP/1.1 408")  # not even a first byte
        slow = raw(url, head + b'content-length: 50\r\n\r\n{"query":')  # the body never ends
        assert slow.startswith(b"HTTP/1.1 408")
        assert b"within 0.5 s" in slow
        assert time.monotonic() - started < 10
        host, _, port = url.removeprefix("http://").partition(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(200)]
        assert client.post("/v1/recall", json={"query": "x"}).status_code == 200
        for connection in idle:
            connection.close()


def test_garbage_on_the_wire_is_answered_with_400(client: httpx.Client) -> None:
    url = str(client.base_url).rstrip("/")
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"HELLO WORLD\r\n\r\n"):
        assert b" 400 " in raw(url, garbage)[:20]
    assert client.get("/v1/health").status_code == 200


def test_many_recalls_at_once_while_others_write_all_succeed(agent: Agent, client: httpx.Client) -> None:
    import concurrent.futures

    agent.remember_many([_draft(f"note {i} of the harbour") for i in range(200)])

    def ask(i: int) -> int:
        if i % 10 == 0:
            return client.post("/v1/remember", json={"text": f"written at once {i}"}).status_code
        return client.post("/v1/recall", json={"query": f"harbour note {i}"}).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(200))) == {200}
    assert agent.home.journal.records.count() == 220


# ---- the process


def served(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """``agentmem serve`` as a process, once it listens."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "serve", "--home", str(home), "--port", "0", *LIGHT], stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    return process, line.partition(" on ")[2].partition(" ")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_kill_loses_nothing_and_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    kept: list[str] = []
    process, url = served(tmp_path / "home")
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        for i in range(20):
            kept.append(client.post("/v1/remember", json={"text": f"note {i}"}).json()["records"][0]["text"])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with pytest.raises(httpx.TransportError):
            client.get("/v1/health")
    assert process.stderr is not None
    process.stderr.close()
    process, url = served(tmp_path / "home")
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        assert {r["text"] for r in client.get("/v1/records").json()["records"]} == set(kept)
        assert client.post("/v1/recall", json={"query": "note 19", "k": 1}).json()["hits"][0]["text"] == "note 19"
    process.send_signal(number)
    assert process.stderr is not None
    rest = process.stderr.read().decode()
    assert process.wait(20) == 0
    assert "stopped" in rest
    assert "Traceback" not in rest
    process.stderr.close()


def _draft(text: str) -> Any:
    from agentmem.records import Draft

    return Draft(body=text)


def test_answers_are_the_same_bytes_without_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    from agentmem_serve import wire

    value = {"text": "Zoë's café, ½", "n": [1, 2.5, None, True]}
    quick = wire.dumps(value)
    monkeypatch.setattr(wire, "orjson", None)
    assert json.loads(wire.dumps(value)) == json.loads(quick) == value
