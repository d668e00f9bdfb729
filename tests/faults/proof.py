"""That the oracle can fail: run by `make faults` before the long run, not by `make test`.

Each sabotage is a line of the aggregator or of a requester that is changed in the deployed function; nothing in the project can be set so.
"""

from dataclasses import dataclass, replace

import pytest

from components import code
from tests.faults.plan import CARRIERS, Plan
from tests.faults.request import Ask, Request
from tests.faults.run import Bench, carry_out, packed

ALL_QUOTE = (Ask("avis", "quote"), Ask("alamo", "quote"))
ONE_IS_HELD = (Ask("avis", "quote"), Ask("budget", "held"))
WORKFLOWS = ("map", "parallel")

LOST_CLOSE = Request("lost-close", "", ONE_IS_HELD, quorum=1, deadline_seconds=30, faults={"gather": ("none", "none", "lose")})
"""After a read and an answer that is added, the reply to the write that closes is lost, and the SDK repeats it: only the condition stands
between that and closing twice."""

DEAD_CLOSER = Request(
    "dead-closer",
    "",
    ONE_IS_HELD,
    deadline_seconds=4,
    faults={"announce": ("kill-before",), "receive": ("none", "again", "again", "again")},
)
"""Closed by the deadline's message, which another aggregator receives too, while the one that has closed dies before it announces."""

CRASHED = Request("crashed", "", (ALL_QUOTE[0], Ask("hertz", "crash")), deadline_seconds=6)
"""Nobody but the deadline closes it."""

REPEATED = Request("repeated", "", ALL_QUOTE, submissions=2, deadline_seconds=30)
CLOSED_BEFORE = replace(REPEATED, id="closed-before", submissions=1, is_repeated_when_closed=True)
DEAD_REQUESTER = Request("dead-requester", "", ALL_QUOTE, deadline_seconds=30, faults={"publish": ("kill-before",)})


@dataclass(frozen=True)
class Sabotage:
    """In this file, for the functions of that module, `sound` becomes `broken`; then `finding` is what the oracle finds in the request of
    each of the carriers."""

    module: str
    file: str
    sound: str
    broken: str
    request: Request
    finding: str
    carriers: tuple[str, ...] = CARRIERS

    def __call__(self, bench: Bench) -> None:
        text = code.sources(self.module)[self.file].read_text()
        assert text.count(self.sound) == 1, f"{self.file} has {text.count(self.sound)} times {self.sound}"
        archive = packed(self.module, instead={self.file: text.replace(self.sound, self.broken)})
        functions = bench.stack.client("lambda")
        names = [
            function["FunctionName"]
            for function in functions.list_functions()["Functions"]
            if function["Handler"] == f"{self.module}.handler"
        ]
        assert names, f"no function of {self.module} is deployed"
        for name in names:
            functions.update_function_code(FunctionName=name, ZipFile=archive)


AGGREGATOR, REQUESTER, SNS_REQUESTER = "handlers.aggregator", "handlers.requester", "handlers.sns_requester"
DEADLINE_SET = "    set_deadline(record, _seconds(record, grace))\n    kept"
NOBODY_HAS_IT = 'ConditionExpression="attribute_not_exists(requestId) OR ('
WHATEVER_THERE_IS = 'ConditionExpression="attribute_not_exists(requestId) OR attribute_exists(requestId) OR ('

SABOTAGES = {
    "an aggregator closes what is closed": Sabotage(
        AGGREGATOR,
        "handlers/records.py",
        '"#status = :open AND createdAt = :createdAt AND size(answers) = :seen"',
        '"createdAt = :createdAt OR #status = :open OR size(answers) = :seen"',
        LOST_CLOSE,
        "closed twice",
    ),
    "an aggregator does not announce": Sabotage(
        AGGREGATOR, "handlers/aggregation.py", "        announce(result_of(record, rules.selection))\n", "", REPEATED, "unannounced"
    ),
    "an aggregator leaves the announcement to the dead": Sabotage(
        AGGREGATOR,
        "handlers/aggregator.py",
        "if not gathered.announced and gathered.record is not None:",
        "if False:",
        DEAD_CLOSER,
        "unannounced",
        WORKFLOWS,  # With sns the message comes back to somebody for whom the dead one's time is over.
    ),
    "the requester of sns sets no deadline": Sabotage(
        SNS_REQUESTER, "handlers/opening.py", DEADLINE_SET, "    kept", CRASHED, "left open", ("sns",)
    ),
    "a requester keeps its record whatever there is": Sabotage(
        REQUESTER, "handlers/records.py", NOBODY_HAS_IT, WHATEVER_THERE_IS, CLOSED_BEFORE, "closed twice", WORKFLOWS
    ),
    "the requester of sns keeps its record whatever there is": Sabotage(
        SNS_REQUESTER, "handlers/records.py", NOBODY_HAS_IT, WHATEVER_THERE_IS, CLOSED_BEFORE, "closed twice", ("sns",)
    ),
    "a requester asks for a repetition": Sabotage(
        REQUESTER, "handlers/requester.py", "    if not opened.is_new:\n", "    if False:\n", REPEATED, "asked twice", WORKFLOWS
    ),
    "the requester of sns asks for a repetition": Sabotage(
        SNS_REQUESTER,
        "handlers/opening.py",
        "        return Opened(kept, False)\n    return open_request(",
        '        return Opened({**kept, "publishBy": clock.LAST}, True)\n    return open_request(',
        REPEATED,
        "asked twice",
        ("sns",),
    ),
    "the requester of sns does not ask in the place of the dead": Sabotage(
        SNS_REQUESTER, "handlers/opening.py", "    if _is_asked(kept):\n", "    if True:\n", DEAD_REQUESTER, "closed wrongly", ("sns",)
    ),
}


def request_of(request: Request, carrier: str) -> Request:
    return replace(request, id=f"{carrier}-{request.id}", variant=carrier)


@pytest.mark.parametrize("name", SABOTAGES)
def test_what_is_broken_is_found_out(tmp_path, name: str):
    sabotage = SABOTAGES[name]
    planned = [request_of(sabotage.request, carrier) for carrier in sabotage.carriers]

    report = carry_out(Plan(tuple(planned), (), ()), tmp_path, sabotage=sabotage)

    found = {carrier: report.verdict.counts[carrier][sabotage.finding] > 0 for carrier in sabotage.carriers}
    assert found == dict.fromkeys(sabotage.carriers, True), report.verdict.findings


def test_what_is_sound_is_not(tmp_path):
    every = [request_of(sabotage.request, carrier) for sabotage in SABOTAGES.values() for carrier in sabotage.carriers]
    planned = {request.id: request for request in every}

    report = carry_out(Plan(tuple(planned.values()), (), ()), tmp_path)

    assert report.verdict.findings == []
