"""SnsScatterGather as a whole stack on the emulator: requester, topic, queues, responders, store, bus."""

import io
import json
import time
import uuid
import zipfile

import pytest

from tests.results import result_of

MODULE = "tests.responders"


def responder(name, behaviour="quote", **settings):
    return {"name": name, "module": MODULE, "behaviour": behaviour, **settings}


MIXED = [
    responder("avis", amount=120),
    responder("alamo", amount=99),
    responder("hertz", "throw"),
    responder("sixt", "decline"),
    responder("budget", "sleep", seconds=30, timeoutSeconds=1),
    responder("thrifty", amount=99),
    responder("crash", "crash"),
    responder("flaky", "flaky"),
    responder("huge", bytes=100_000),
]

FOREIGN = """
def handler(event, context):
    data = event["data"]
    if "raise" in data:
        raise KeyError(data["raise"])
    return data["payload"] | ({"details": event} if data.get("echo") else {})
"""


@pytest.fixture(scope="module")
def stack(deployed, emulator, module_account):
    import boto3

    functions = boto3.client(
        "lambda",
        endpoint_url=emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id=module_account,
        aws_secret_access_key="test",
        aws_session_token=emulator.session_token,
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("prices.py", FOREIGN)
    made = functions.create_function(
        FunctionName="prices",
        Runtime="python3.13",
        Handler="prices.handler",
        Code={"ZipFile": packed.getvalue()},
        Role=f"arn:aws:iam::{module_account}:role/prices",
    )
    foreign = [
        {"name": "acme", "functionArn": made["FunctionArn"]},
        {"name": "gone", "functionArn": made["FunctionArn"].replace("prices", "nowhere")},
    ]
    stack = deployed(variants=["map", "sns"], api={"enabled": False}, responders=[*MIXED, *foreign])
    # Whose time limit is short should not start cold within it.
    ask(stack, "sns", {"data": {"seconds": 0}, "recipients": ["avis", "budget"]})
    return stack


def ask(stack, variant, body):
    return stack.request(variant, body, timeout=120)


def without_times(result):
    left_out = ("requestId", "variant", "createdAt", "completedAt", "latencyMs", "respondedAt")
    if isinstance(result, list):
        return [without_times(item) for item in result]
    if isinstance(result, dict):
        return {key: without_times(value) for key, value in result.items() if key not in left_out}
    return result


def dead_letters(stack, queue):
    """(body, reason) of each message in a dead-letter queue, taken out of it."""
    sqs, url, found = stack.client("sqs"), stack.outputs["snsDeadLetterQueueUrls"][queue], []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found += [(message["Body"], message["MessageAttributes"]["reason"]["StringValue"]) for message in messages]
    return found


def eventually(look, seconds=60.0):
    """The first truthy result of `look`, or its last one."""
    ends = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < ends:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    "recipients",
    [
        ["avis", "alamo", "hertz", "sixt", "budget", "thrifty"],
        ["thrifty", "alamo"],
        ["hertz", "budget"],
        ["sixt"],
        ["huge", "avis"],
    ],
    ids=" ".join,
)
def test_the_same_request_through_map_and_sns_gives_the_same_result_but_for_variant_and_times(stack, recipients):
    body = {"description": "Zürich", "data": {"days": 3}, "recipients": recipients}

    by_map, by_sns = ask(stack, "map", body), ask(stack, "sns", body)

    assert without_times(by_sns) == without_times(by_map)
    assert (by_map["variant"], by_sns["variant"]) == ("map", "sns")
    for given in by_sns["answers"]:
        assert given["latencyMs"] >= 0
        assert by_sns["createdAt"] <= given["respondedAt"] <= by_sns["completedAt"]


@pytest.mark.parametrize(
    "data",
    [
        {"payload": {"amount": "95.50", "details": {"model": "Ü", "doors": 5}}},
        {"payload": {"amount": 95.5}},
        {"payload": {"amount": -1}},
        {"payload": {"declined": "sold out"}},
        {"payload": {"amount": "1", "currency": "EUR"}},
        {"payload": {"price": 3}},
    ],
    ids=json.dumps,
)
def test_an_existing_function_is_asked_and_understood_as_map_does(stack, data):
    body = {"data": data, "recipients": ["acme"]}

    assert without_times(ask(stack, "sns", body)) == without_times(ask(stack, "map", body))


def test_an_existing_function_gets_what_every_carrier_sends(stack):
    result = ask(
        stack,
        "sns",
        {
            "requestId": (request_id := uuid.uuid4().hex),
            "description": "A car",
            "recipients": ["acme"],
            "data": {"echo": True, "payload": {"amount": "1"}},
        },
    )

    assert set(result["best"]["details"]) == {"requestId", "description", "data", "deadlineAt", "attempt"}
    assert (result["best"]["details"]["requestId"], result["best"]["details"]["description"]) == (request_id, "A car")


def test_an_existing_function_that_raises_or_is_not_there_is_a_failure_in_its_slot(stack):
    result = ask(stack, "sns", {"data": {"raise": "no prices today"}, "recipients": ["acme", "gone", "avis"]})

    raised, gone, quoted = result["answers"]
    assert (raised["status"], gone["status"], quoted["status"]) == ("FAILED", "FAILED", "QUOTED")
    assert "no prices today" in raised["error"]["message"]
    assert gone["error"]["type"] == "Lambda.ResourceNotFoundException"
    assert (result["status"], result["best"]["responder"]) == ("PARTIAL", "avis")


def test_a_passing_fault_is_asked_again(stack, tmp_path):
    result = ask(stack, "sns", {"data": {"folder": str(tmp_path)}, "recipients": ["flaky"]})

    assert result["status"] == "COMPLETE"
    assert result["answers"][0]["latencyMs"] >= 1000


def test_a_responder_that_is_silent_is_timed_out_by_the_deadline(stack):
    result = ask(stack, "sns", {"data": {}, "recipients": ["crash", "avis"], "completion": {"deadlineSeconds": 5}})

    assert (result["status"], result["completedBy"], result["best"]["responder"]) == ("PARTIAL", "DEADLINE", "avis")
    assert result["answers"][0] == {
        "responder": "crash",
        "status": "TIMED_OUT",
        "error": {"type": "Deadline", "message": "no answer before the deadline"},
    }


def test_enough_quotes_close_the_request_without_the_others(stack):
    body = {"data": {}, "recipients": ["crash", "sixt", "avis"], "completion": {"quorum": 1}}

    result = ask(stack, "sns", body)

    assert (result["status"], result["completedBy"], result["best"]["responder"]) == ("COMPLETE", "QUORUM", "avis")


def test_the_same_request_again_is_not_published_again(stack):
    body = {"requestId": uuid.uuid4().hex, "data": {"days": 3}, "recipients": ["avis", "alamo"]}
    first = ask(stack, "sns", body)

    assert ask(stack, "sns", body) == first
    assert stack.record(body["requestId"])["late"] == {}


def test_good_messages_are_gathered_and_poison_is_put_aside_at_once(stack):
    sqs, queue = stack.client("sqs"), stack.outputs["snsResponseQueueUrl"]
    good = stack.send("sns", {"data": {}, "recipients": ["avis"]})
    stranger = json.dumps(
        {
            "requestId": "unheard-of",
            "answer": {"responder": "avis", "status": "QUOTED", "amount": "1", "respondedAt": "2027-01-01T00:00:00.000Z"},
        }
    )
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "1", "MessageBody": "not JSON"}, {"Id": "2", "MessageBody": stranger}])

    assert stack.wait(good)["status"] == "COMPLETE"
    found = []
    eventually(lambda: found.extend(dead_letters(stack, "responses")) or len(found) >= 2)
    assert sorted(found) == [("not JSON", "the message is not JSON"), (stranger, "there is no such request")]
    assert stack.record("unheard-of") is None


def test_completed_requests_are_announced_on_the_bus(stack):
    sqs, events = stack.client("sqs"), stack.client("events")
    url = sqs.create_queue(QueueName="completed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["snsEventBusName"]
    events.put_rule(Name="completed", EventBusName=bus, EventPattern=json.dumps({"detail-type": ["Request Completed"]}))
    events.put_targets(Rule="completed", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    result = ask(stack, "sns", {"data": {}, "recipients": ["avis", "hertz"]})

    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"))
    assert result_of(json.loads(message["Body"])["detail"]) == result
    events.remove_targets(Rule="completed", EventBusName=bus, Ids=["queue"])


def test_nobody_was_asked_in_vain(stack):
    """Who is no recipient gets no message: its answer would lie among the dead letters."""
    for _ in range(3):
        ask(stack, "sns", {"data": {}, "recipients": ["alamo"]})
    time.sleep(0.5)

    assert dead_letters(stack, "responses") == []
