"""That the oracle can fail: run by `make faults` before the long run, not by `make test`."""

import io
import zipfile

import pytest

from components import code
from tests.faults.plan import Ask, Plan, Request
from tests.faults.run import Bench, carry_out

GUARD = '"#status = :open AND createdAt = :createdAt AND size(answers) = :seen"'
ALWAYS = '"createdAt = :createdAt OR #status = :open OR size(answers) = :seen"'


def without_the_condition(bench: Bench) -> None:
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


@pytest.mark.parametrize(("sabotage", "is_found_out"), [(None, False), (without_the_condition, True)])
def test_an_aggregator_whose_condition_is_switched_off_is_found_out(tmp_path, sabotage, is_found_out):
    """The reply to each write is lost, so the SDK repeats it: only the condition stands between that and closing twice."""
    asks = tuple(Ask(responder, "quote") for responder in ("avis", "alamo"))
    faults = {"gather": ("lose", "none") * 4}
    planned = Plan(tuple(Request(f"b-{number}", "sns", asks, faults=faults) for number in range(3)), (), ())

    report = carry_out(planned, tmp_path, sabotage=sabotage)

    assert (report.verdict.counts["closed twice"] > 0, not report.verdict.is_good) == (is_found_out, is_found_out)
