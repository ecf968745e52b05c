"""`agentmem_serve` against its own OpenAPI document: whatever is sent, nothing fails, and answers are as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from serving import serving

from agentmem import Agent
from agentmem_serve.document import document
from agentmem_serve.verbs import VERBS

TOKEN = "a-token-that-is-long-enough"
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    ignored_auth,
)
OPERATIONS = sorted((path, method) for path, item in document(with_token=True)["paths"].items() for method in item)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    with Agent.open(home, embedder="hash", memories=("chroma", "bm25"), synchronous="NORMAL") as agent:
        agent.remember("The harbour office is at Pier 4.")
        with serving(agent, token=TOKEN) as url:
            yield url


def fuzzed(address: str, path: str, method: str, examples: int) -> None:
    """Send what fits the document and what does not, and hold the answers against it."""
    schema = schemathesis.openapi.from_dict(document(with_token=True))
    schema.config.update(base_url=address)
    operation = schema[path][method]
    takes = operation.definition.raw.get("parameters") or operation.definition.raw.get("requestBody")
    modes = list(schemathesis.GenerationMode) if takes else [schemathesis.GenerationMode.POSITIVE]
    strategies = [operation.as_strategy(generation_mode=mode) for mode in modes]
    for strategy in strategies:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def check(case: Any) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, checks=CHECKS, timeout=30)

        check()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_is_sent_by_the_document_is_answered_by_it(address: str, path: str, method: str) -> None:
    fuzzed(address, path, method, 12)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_thousands_of_requests_find_no_failure(address: str, path: str, method: str) -> None:
    fuzzed(address, path, method, 200)


def test_every_verb_is_in_the_document_with_arguments_that_say_what_they_are() -> None:
    described = document(with_token=False)
    assert {verb.path for verb in VERBS} < set(described["paths"])
    shared = described["components"]["schemas"]
    for verb in VERBS:
        if verb.method == "POST":
            for name, field in shared[verb.takes.__name__]["properties"].items():
                assert field.get("description"), f"{verb.path}: {name} is not described"
    assert "security" not in described
    assert document(with_token=True)["security"] == [{"token": []}]
