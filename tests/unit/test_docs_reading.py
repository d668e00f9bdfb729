"""What the tests of the documentation read and run with: that a mistake in a page would be seen."""

from pathlib import Path

import pytest

from tests import aws_words, documents
from tests.documents import Block


@pytest.fixture(autouse=True)
def region(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "page.md"


def test_the_commands_of_a_block_are_its_lines_joined_where_they_continue():
    text = "make demo   # all of it\n\n# nothing\naws s3api list-buckets \\\n    --query 'Buckets'\n"

    block = Block(documents.ROOT / "README.md", 1, "sh", text)

    assert block.commands == ["make demo", "aws s3api list-buckets --query 'Buckets'"]


def test_blocks_are_found_by_their_language_with_their_lines(page):
    page.write_text("# A\n\n```sh\nmake\n```\n\n```python\npass\n```\n")

    assert [(block.line, block.language, block.text) for block in documents.blocks(page)] == [(4, "sh", "make\n"), (8, "python", "pass\n")]
    assert [block.language for block in documents.blocks(page, "python")] == ["python"]


def test_a_block_is_no_prose(page):
    page.write_text("See [it](a.md), `make`.\n\n```text\n[not](b.md) `this`\n```\n")

    assert (documents.links(page), documents.inline(page)) == (["a.md"], ["make"])


def test_a_table_is_known_by_its_first_heading(page):
    page.write_text("| key | default |\n|---|---|\n| `a` | 1 \\| 2 |\n\n| verb | |\n|---|---|\n| `get` | x |\n")

    assert list(documents.tables(page, "key")) == [{"key": "`a`", "default": "1 | 2"}]


def test_headings_are_anchors_as_on_github(page):
    page.write_text("# What it costs\n\n## map_scatter_gather\n\n### CI/CD\n")

    assert documents.anchors(page) == {"what-it-costs", "map_scatter_gather", "cicd"}


def test_the_words_of_aws_are_an_operation_and_its_parameters():
    client, operation, parameters, shown = aws_words.parse(
        ["dynamodb", "get-item", "--table-name", "quotes", "--key", '{"requestId": {"S": "r1"}}', "--query", "Item", "--output", "text"]
    )

    assert (client.meta.service_model.service_name, operation.name, shown.query, shown.output) == ("dynamodb", "GetItem", "Item", "text")
    assert parameters == {"TableName": "quotes", "Key": {"requestId": {"S": "r1"}}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("stepfunction start-execution", "Unknown service: 'stepfunction'"),
        ("stepfunctions begin-execution", "stepfunctions has no operation begin-execution"),
        ("stepfunctions start-execution --machine x", "start-execution has no option --machine; it has --state-machine-arn"),
        ("stepfunctions start-execution --input {}", "start-execution needs --state-machine-arn"),
        ("stepfunctions list-executions --status-filter BROKEN", "--status-filter is BROKEN; allowed: RUNNING"),
        ("stepfunctions list-executions --max-results many", "--max-results takes JSON (integer), not many"),
        ("logs tail", "logs has no operation tail"),
    ],
)
def test_words_that_aws_does_not_have_are_refused(words, message):
    with pytest.raises(aws_words.WrongWords) as refused:
        aws_words.parse(words.split())

    assert message in str(refused.value)
