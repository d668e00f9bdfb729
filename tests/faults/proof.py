"""That the oracle can fail: run by `make faults` before the long run, not by `make test`."""

import io
import json
import zipfile
from collections.abc import Callable

import pytest

from components import code
from tests.faults.plan import Plan
from tests.faults.request import Ask, Request
from tests.faults.run import Bench, carry_out

GUARD = '"#status = :open AND createdAt = :createdAt AND size(answers) = :seen"'
ALWAYS = '"createdAt = :createdAt OR #status = :open OR size(answers) = :seen"'

ONE_IS_LATE = (Ask("avis", "quote"), Ask("budget", "held"))
LOST: dict[str, dict[str, tuple[str, ...]]] = {
    "sns": {"gather": ("lose", "none") * 4},
    "map": {"close": ("lose",)},
    "parallel": {},
}
"""The reply to a write that closes is lost, so it is repeated: only the condition stands between that and closing twice. With
`parallel` it is the answer after the close that the condition keeps out."""


def requests() -> tuple[Request, ...]:
    return tuple(Request(f"{variant}-{number}", variant, ONE_IS_LATE, quorum=1, faults=faults)
                 for variant, faults in LOST.items() for number in range(3))


def aggregator_without_its_condition(bench: Bench) -> None:
    """Deploys a variant of the aggregator that closes a record whatever it is; nothing in the project can be set so."""
    files = {name: (code.PROJECT / name).read_text() for name in code.sources("handlers.aggregator")}
    assert files["handlers/records.py"].count(GUARD) == 1
    files["handlers/records.py"] = files["handlers/records.py"].replace(GUARD, ALWAYS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    bench.stack.client("lambda").update_function_code(
        FunctionName=bench.function("snsAggregatorFunctionName"), ZipFile=packed.getvalue())


def recorder_without_the_condition_of(state: str, machine: str, bench: Bench) -> None:
    """Deploys a variant of this recorder that makes this write whatever the record is."""
    workflows = bench.stack.client("stepfunctions")
    [arn] = [found["stateMachineArn"] for found in workflows.list_state_machines()["stateMachines"] if machine in found["name"]]
    definition = json.loads(workflows.describe_state_machine(stateMachineArn=arn)["definition"])
    write = definition["States"]["Scatter"]["ItemProcessor"]["States"][state]["Arguments"]
    assert write["ConditionExpression"].startswith("#status = :open AND ")
    # The names and values are all still used, as the store demands.
    write["ConditionExpression"] = write["ConditionExpression"].replace(" AND ", " OR ")
    workflows.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))


def all_of_them(bench: Bench) -> None:
    aggregator_without_its_condition(bench)
    recorder_without_the_condition_of("Close", "map-recorder", bench)
    recorder_without_the_condition_of("Record", "parallel-recorder", bench)


@pytest.mark.parametrize(("sabotage", "is_found_out"), [(None, False), (all_of_them, True)], ids=["as it is", "broken"])
def test_what_writes_without_its_condition_is_found_out(tmp_path, sabotage: Callable[[Bench], None] | None, is_found_out: bool):
    report = carry_out(Plan(requests(), (), ()), tmp_path, sabotage=sabotage)

    found = {carrier: report.verdict.counts[carrier]["closed twice"] > 0 for carrier in LOST}
    assert found == dict.fromkeys(LOST, is_found_out), report.verdict.findings
    assert report.verdict.is_good != is_found_out
