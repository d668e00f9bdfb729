"""What SnsScatterGather registers: nothing unencrypted, nothing open, a dead-letter queue for every queue, exact rights."""

import json

import pytest

from tests import program
from tests.program import Registered

EXISTING = "arn:aws:lambda:us-east-1:000000000000:function:prices"
CONFIG = {
    "variants": ["sns"],
    "api": {"enabled": False},
    "responders": [{"name": "avis", "settings": {"rate": 99}, "timeoutSeconds": 4.5}, {"name": "acme", "functionArn": EXISTING}],
}


@pytest.fixture(scope="module")
def registered() -> Registered:
    return program.run(CONFIG)


def arn(service, name):
    return f"arn:aws:{service}:us-east-1:000000000000:{name}"


def url(name):
    return f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}"


def statements(registered, name):
    """The statements of a function's own policy, without those that every function has."""
    policy = json.loads(registered.of_type("aws:iam/rolePolicy:RolePolicy")[name]["policy"])
    return [
        statement for statement in policy["Statement"] if not any(action.startswith(("logs:", "xray:")) for action in statement["Action"])
    ]


def test_everything_belongs_to_the_component_or_to_a_function_of_its(registered):
    own = [resource for resource in registered.resources if resource.name == "sns" or resource.name.startswith("sns-")]

    component = "scatter-gather:index:SnsScatterGather"
    parts = (component, "scatter-gather:index:HandlerFunction", "scatter-gather:index:Queue")
    for resource in own:
        if resource.type != component:
            assert resource.parent_type.rpartition("$")[2] in parts, resource
    assert {resource.type for resource in own if resource.type.startswith("aws:")} == {
        "aws:sns/topic:Topic",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:sqs/queue:Queue",
        "aws:sqs/queuePolicy:QueuePolicy",
        "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        "aws:lambda/function:Function",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:cloudwatch/logGroup:LogGroup",
    }


def test_every_queue_has_a_dead_letter_queue_that_takes_from_it_alone(registered):
    queues = registered.of_type("aws:sqs/queue:Queue")
    allowed = registered.of_type("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy")

    assert set(queues) == {
        "quotes-responses",
        "quotes-dead-responses",
        "sns-ask-avis",
        "sns-dead-ask-avis",
        "sns-ask-acme",
        "sns-dead-ask-acme",
    }
    for name, queue in queues.items():
        assert queue["sqsManagedSseEnabled"] is True
        if "-dead-" in name:
            assert queue["messageRetentionSeconds"] == 1_209_600
            continue
        dead = name.replace("-", "-dead-", 1)
        assert json.loads(queue["redrivePolicy"]) == {
            "deadLetterTargetArn": arn("sqs", dead),
            "maxReceiveCount": 12 if "responses" in name else 5,
        }
        assert allowed[name]["queueUrl"] == url(dead)
        assert json.loads(allowed[name]["redriveAllowPolicy"]) == {"redrivePermission": "byQueue", "sourceQueueArns": [arn("sqs", name)]}


def test_a_message_comes_again_soon_after_its_function_must_have_ended(registered):
    queues, functions = registered.of_type("aws:sqs/queue:Queue"), registered.of_type("aws:lambda/function:Function")

    behind = {"quotes-responses": "quotes-aggregator", "sns-ask-avis": "responder-avis", "sns-ask-acme": "responder-acme"}
    for queue, function in behind.items():
        assert queues[queue]["visibilityTimeoutSeconds"] == functions[function]["timeout"] + 5


def test_queues_and_topic_take_nothing_without_tls_and_the_responders_queues_only_this_topic(registered):
    policies = registered.of_type("aws:sqs/queuePolicy:QueuePolicy")

    assert set(policies) == set(registered.of_type("aws:sqs/queue:Queue"))
    for name, resource in policies.items():
        assert resource["queueUrl"] == url(name)
        deny, *allow = json.loads(resource["policy"])["Statement"]
        assert deny == {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": arn("sqs", name),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        assert allow == (
            []
            if "responses" in name
            else [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn("sqs", name),
                    "Condition": {"ArnEquals": {"aws:SourceArn": arn("sns", "sns")}},
                }
            ]
        )
    topic = registered.of_type("aws:sns/topicPolicy:TopicPolicy")["sns"]
    assert json.loads(topic["policy"])["Statement"] == [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": arn("sns", "sns"),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    assert registered.of_type("aws:sns/topic:Topic")["sns"]["kmsMasterKeyId"] == "alias/aws/sns"


def test_a_responder_receives_what_names_it(registered):
    subscriptions = registered.of_type("aws:sns/topicSubscription:TopicSubscription")

    assert set(subscriptions) == {"sns-ask-avis", "sns-ask-acme"}
    assert subscriptions["sns-ask-acme"] == {
        "topic": arn("sns", "sns"),
        "protocol": "sqs",
        "endpoint": arn("sqs", "sns-ask-acme"),
        "rawMessageDelivery": True,
        "filterPolicy": json.dumps({"recipients": ["acme"]}),
        "redrivePolicy": f'{{"deadLetterTargetArn":"{arn("sqs", "sns-dead-ask-acme")}"}}',
    }


def test_batches_are_answered_with_partial_failures(registered):
    mappings = registered.of_type("aws:lambda/eventSourceMapping:EventSourceMapping")

    taken = {
        name: (mapping["eventSourceArn"], mapping["functionName"], mapping["batchSize"], mapping["scalingConfig"])
        for name, mapping in mappings.items()
    }
    assert taken == {
        "quotes-aggregator": (arn("sqs", "quotes-responses"), arn("lambda", "quotes-aggregator"), 10, {"maximumConcurrency": 10}),
        "sns-ask-avis": (arn("sqs", "sns-ask-avis"), arn("lambda", "responder-avis"), 1, {"maximumConcurrency": 10}),
        "sns-ask-acme": (arn("sqs", "sns-ask-acme"), arn("lambda", "responder-acme"), 1, {"maximumConcurrency": 10}),
    }
    assert all(mapping["functionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in mappings.values())


def test_a_responder_works_on_as_many_requests_at_once_as_its_entry_says():
    slow = {"name": "slow", "settings": {"rate": 99}, "queueConcurrency": 3}

    registered = program.run({**CONFIG, "responders": [slow, {"name": "avis", "settings": {"rate": 99}}], "maxConcurrency": 7})

    mappings = registered.of_type("aws:lambda/eventSourceMapping:EventSourceMapping")
    assert mappings["sns-ask-slow"]["scalingConfig"] == {"maximumConcurrency": 3}
    assert mappings["sns-ask-avis"]["scalingConfig"] == {"maximumConcurrency": 10}


def test_rights_are_exact(registered):
    consume = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]

    def allow(actions, resource):
        return {"Effect": "Allow", "Action": actions, "Resource": resource}

    assert statements(registered, "sns-requester-runs") == [
        allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], arn("dynamodb", "quotes")),
        allow(["sns:Publish"], arn("sns", "sns")),
        allow(["sqs:SendMessage"], arn("sqs", "quotes-responses")),
    ]
    assert statements(registered, "quotes-aggregator-runs") == [
        allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], arn("dynamodb", "quotes")),
        allow(["events:PutEvents"], arn("cloudwatch", "quotes")),
        allow(["sqs:SendMessage"], arn("sqs", "quotes-dead-responses")),
        allow(["sqs:ChangeMessageVisibility"], arn("sqs", "quotes-responses")),
        allow(consume, arn("sqs", "quotes-responses")),
    ]
    for responder in ("avis", "acme"):
        assert statements(registered, f"sns-ask-{responder}") == [
            allow(consume, arn("sqs", f"sns-ask-{responder}")),
            allow(["sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"], arn("sqs", f"sns-ask-{responder}")),
        ]
    answers, looks, invokes = statements(registered, "responder-acme-runs")
    assert (answers, invokes) == (allow(["sqs:SendMessage"], arn("sqs", "quotes-responses")), allow(["lambda:InvokeFunction"], EXISTING))
    assert {key: looks[key] for key in ("Action", "Resource")} == {"Action": ["dynamodb:GetItem"], "Resource": arn("dynamodb", "quotes")}


def test_the_outputs_say_how_to_start_and_where_to_look(registered):
    assert {key: value for key, value in registered.outputs.items() if key.startswith("sns")} == {
        "snsRequesterFunctionName": "sns-requester",
        "snsRequesterFunctionArn": arn("lambda", "sns-requester"),
        "snsAggregatorFunctionName": "quotes-aggregator",
        "snsTopicArn": arn("sns", "sns"),
        "snsResponseQueueUrl": url("quotes-responses"),
        "snsEventBusName": "quotes",
        "snsDeadLetterQueueUrls": {
            "responses": url("quotes-dead-responses"),
            "ask-avis": url("sns-dead-ask-avis"),
            "ask-acme": url("sns-dead-ask-acme"),
        },
    }
