"""python -m client redrive: what lies in the dead-letter queues, sent once more, and what became of it."""

import json
from argparse import ArgumentParser, Namespace

import pytest

from client import Stack, UsageError, redrive
from handlers import clock
from handlers.records import Records
from tests.in_process import make_queue, make_table, taken


@pytest.fixture
def stack(emulator, account, clients, monkeypatch):
    """Two queues with their dead-letter queues, and a table; no functions, so that nothing moves by itself."""
    monkeypatch.setattr(redrive, "LOOK_SECONDS", 0)
    sqs, urls = clients("sqs"), {}
    for name in ("responses", "ask-avis"):
        source, arn = make_queue(sqs, name)
        dead, dead_arn = make_queue(sqs, f"dead-{name}")
        sqs.set_queue_attributes(
            QueueUrl=source, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 5})}
        )
        sqs.set_queue_attributes(
            QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn]})}
        )
        urls[name] = dead
    outputs = {
        "deadLetterQueueUrl": urls["responses"],
        "snsDeadLetterQueueUrls": urls,
        "quoteTableName": make_table(clients("dynamodb")),
        "snsTopicArn": f"arn:aws:sns:us-east-1:{account}:topic",
    }
    return Stack(outputs, emulator.endpoint, emulator.session_token)


def dead_url(stack, name="responses"):
    return stack.outputs["snsDeadLetterQueueUrls"][name]


def bury(stack, body, name="responses", **attributes):
    stack.client("sqs").send_message(
        QueueUrl=dead_url(stack, name),
        MessageBody=body,
        MessageAttributes={key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()},
    )


def keep(stack, **changes):
    now = clock.now()
    record = {
        "requestId": "r1",
        "variant": "sns",
        "status": "PARTIAL",
        "request": {},
        "recipients": ["avis"],
        "answers": {},
        "late": {},
        "createdAt": now,
        "publishBy": now,
        **changes,
    }
    Records(stack.outputs["quoteTableName"], stack.client("dynamodb")).create(record, now)


def source(stack, name="responses"):
    return next(queue.source_url for queue in redrive.queues(stack, name))


def options(*arguments):
    parser = ArgumentParser()
    parser.add_argument("--json", action="store_true")
    redrive.add_arguments(parser)
    return parser.parse_args([*arguments, "--wait", "0.1"], Namespace())


def test_a_dry_run_lists_what_there_is_and_leaves_it(stack, capsys):
    bury(stack, "not JSON", reason="the message is not JSON")
    bury(stack, '{"requestId": "r1"}', "ask-avis")

    code = redrive.run(options("--dry-run"), stack)

    out = capsys.readouterr().out
    assert code == 0
    assert "1 the message is not JSON: not JSON" in out
    assert "1 delivered too often without success" in out
    assert [found.count for found in redrive.dead_letters(stack)] == [1, 1]


def test_each_goes_back_to_its_own_queue_with_its_attributes(stack):
    bury(stack, "answer")
    bury(stack, "question", "ask-avis", replyTo="somewhere")

    moved = redrive.move(stack, redrive.dead_letters(stack))

    assert moved == 2
    assert [message["Body"] for message in taken(stack.client("sqs"), source(stack))] == ["answer"]
    (question,) = taken(stack.client("sqs"), source(stack, "ask-avis"))
    assert (question["Body"], question["MessageAttributes"]["replyTo"]["StringValue"]) == ("question", "somewhere")
    assert [found.count for found in redrive.dead_letters(stack)] == [0, 0]


def test_one_queue_by_its_name(stack):
    bury(stack, "answer")
    bury(stack, "question", "ask-avis")

    redrive.move(stack, redrive.dead_letters(stack, "ask-avis"))

    assert [found.count for found in redrive.dead_letters(stack)] == [1, 0]


def test_interrupted_it_leaves_a_message_twice_rather_than_nowhere(stack, monkeypatch):
    bury(stack, "answer")

    def fail(**_):
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(stack.client("sqs"), "delete_message", fail)
        with pytest.raises(ConnectionError):
            redrive.move(stack, redrive.dead_letters(stack))

    assert [message["Body"] for message in taken(stack.client("sqs"), source(stack))] == ["answer"]


@pytest.mark.parametrize(
    ("record", "body", "outcome"),
    [
        ({"answers": {"avis": {"status": "QUOTED", "respondedAt": "x"}}}, {"answer": {"responder": "avis"}}, "gathered"),
        ({"late": {"avis": {"status": "QUOTED"}}}, {"answer": {"responder": "avis"}}, "late"),
        ({"answers": {"avis": {"status": "TIMED_OUT"}}}, {"deadlineAt": "x"}, "closed"),
        ({"status": "OPEN"}, {"deadlineAt": "x"}, "open"),
        ({"requestId": "r2"}, {"deadlineAt": "x"}, "of no request"),
    ],
)
def test_what_became_of_a_message(stack, record, body, outcome):
    keep(stack, **record)
    bury(stack, json.dumps({"requestId": "r1", **body}))
    found = redrive.dead_letters(stack)
    redrive.move(stack, found)
    taken(stack.client("sqs"), source(stack))  # somebody dealt with it

    assert redrive.await_outcomes(stack, found, 1) == {outcome: 1}


def test_what_comes_back_is_told_and_is_a_failure(stack, capsys, monkeypatch):
    bury(stack, "not JSON", reason="the message is not JSON")
    move = redrive.move

    def rejected_again(*arguments):
        moved = move(*arguments)
        for message in taken(stack.client("sqs"), source(stack)):
            bury(stack, message["Body"], reason="the message is not JSON")
        return moved

    monkeypatch.setattr(redrive, "move", rejected_again)

    assert redrive.run(options("--json"), stack) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["moved"], told["became"]) == (1, {"back in the dead-letter queue": 1})
    assert told["queues"][0]["letters"] == [{"reason": "the message is not JSON", "body": "not JSON"}]


def test_a_queue_that_does_not_exist_is_wrong_use(stack):
    with pytest.raises(UsageError, match="there is no queue nowhere; queues: responses, ask-avis"):
        redrive.queues(stack, "nowhere")
    with pytest.raises(UsageError, match="the stack has no dead-letter queues"):
        redrive.queues(Stack({}))


def test_without_sns_there_is_the_queue_of_the_answers(stack):
    outputs = {name: value for name, value in stack.outputs.items() if name != "snsDeadLetterQueueUrls"}

    assert [queue.name for queue in redrive.queues(Stack(outputs, stack.endpoint, stack.session_token))] == ["responses"]


class MoveTasks:
    """SQS as on AWS, where a task moves the messages: this one goes on with those that come back."""

    def __init__(self, sqs):
        self._sqs, self.moved, self.cancelled, self.asked = sqs, 0, False, None

    def __getattr__(self, name):
        return getattr(self._sqs, name)

    def start_message_move_task(self, **request):
        self.asked = request
        return {"TaskHandle": "task"}

    def list_message_move_tasks(self, **_):
        self.moved += 1
        return {"Results": [{"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": self.moved}]}

    def cancel_message_move_task(self, **_):
        self.cancelled = True


def test_on_aws_a_task_moves_them_and_is_stopped_before_it_goes_round_in_circles(stack, account, monkeypatch):
    for number in range(3):
        bury(stack, f"poison {number}")
    found = redrive.dead_letters(stack)
    tasks = MoveTasks(stack.client("sqs"))
    monkeypatch.setattr(redrive, "POLL_SECONDS", 0)
    monkeypatch.setattr(Stack, "client", lambda *_: tasks)

    assert redrive.move(stack, found) == 3
    assert tasks.cancelled
    assert tasks.asked == {
        "SourceArn": f"arn:aws:sqs:us-east-1:{account}:dead-responses",
        "DestinationArn": f"arn:aws:sqs:us-east-1:{account}:responses",
    }
