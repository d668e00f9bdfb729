"""What `make security` does with what the scanners find."""

import pytest

from security import terraform
from security.__main__ import CONFIGURATIONS, LIST, Accepted, Finding, accepted, compare
from tests import program

PAGE = """
| finding | where | why |
|---|---|---|
| `CKV_AWS_1` | `aws_sqs_queue.*`, `aws_sns_topic.quotes` | no harm |
| `B101` | `local/*` | no harm |
"""
QUEUES, ASSERTIONS = accepted(PAGE)


@pytest.mark.parametrize("where", ["aws_sqs_queue.quotes", "aws_sns_topic.quotes"])
def test_a_finding_is_accepted_where_a_line_names_its_check_and_its_place(where):
    assert compare([Finding("CKV_AWS_1", where, "it is open")], [QUEUES, ASSERTIONS]) == ([], {QUEUES})


@pytest.mark.parametrize(
    "finding",
    [
        Finding("CKV_AWS_1", "aws_sns_topic.alarms", "of another resource"),
        Finding("CKV_AWS_2", "aws_sqs_queue.quotes", "of another check"),
        Finding("B101", "client/get.py", "in another folder"),
    ],
)
def test_any_other_finding_is_told(finding):
    assert compare([finding], [QUEUES, ASSERTIONS]) == ([finding], set())


def test_every_line_of_the_page_says_why():
    lines = [line for line in LIST.read_text().splitlines() if line.startswith(("| `CKV", "| `B"))]

    assert len(list(accepted("\n".join(lines)))) == len(lines) > 20
    assert all(len(line.split("|")[3].split()) >= 3 for line in lines)


def test_the_program_is_rendered_with_references_where_one_resource_uses_another():
    rendered = terraform.render(program.run({"variants": ["distributed"], "distributed": {"source": "s3"}}))

    assert rendered["aws_s3_bucket_public_access_block"]["distributed_data"]["bucket"] == "${aws_s3_bucket.distributed_data.id}"
    assert rendered["aws_lambda_function"]["distributed_reader"]["role"] == "${aws_iam_role.distributed_reader.arn}"
    assert rendered["aws_cloudwatch_log_group"]["distributed_reader_logs"] == {"retention_in_days": 14}
    assert rendered["aws_lambda_function"]["distributed_reader"]["environment"]["variables"]["RESULTS_PREFIX"] == "results"


def test_a_strict_configuration_is_among_those_that_are_scanned():
    assert CONFIGURATIONS["strict"].keys() == {"kmsKeyArn", "logRetentionDays", "alarms", "reservedConcurrency"}


def test_a_line_is_a_check_and_where_it_is_accepted():
    assert Accepted("B101", ("local/*",)) == ASSERTIONS
