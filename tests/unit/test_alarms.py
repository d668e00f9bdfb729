"""What a stack is watched for: few alarms, each with the command to run, and one page that shows all of it."""

import json

import pytest

from components.settings import SettingsError, parse
from components.watched import Watched, together
from tests import program
from tests.program import Registered

ALARM, DASHBOARD = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/dashboard:Dashboard"
FOUR = {"variants": ["map", "parallel", "sns", "distributed"]}


@pytest.fixture(scope="module")
def all_variants() -> Registered:
    return program.run(FOUR)


def watched(alarm):
    """(namespace, metric, value of its dimension) of all that an alarm adds up."""
    metrics = [query["metric"] for query in alarm["metricQueries"] if "metric" in query]
    return {(metric["namespace"], metric["metricName"], *metric["dimensions"].values()) for metric in metrics}


def arn(service, name):
    return f"arn:aws:{service}:us-east-1:000000000000:{name}"


def test_one_alarm_of_a_kind(all_variants):
    assert set(all_variants.of_type(ALARM)) == {
        "alarms-dead-letters",
        "alarms-map-executions",
        "alarms-parallel-executions",
        "alarms-distributed-executions",
        "alarms-errors",
        "alarms-throttles",
        "alarms-throttles-2",
    }
    assert sorted(all_variants.outputs["alarmNames"]) == sorted(all_variants.of_type(ALARM))


def test_every_dead_letter_queue_is_watched(all_variants):
    dead = {name for name in all_variants.of_type("aws:sqs/queue:Queue") if "-dead-" in name}

    assert watched(all_variants.of_type(ALARM)["alarms-dead-letters"]) == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", name) for name in dead
    }


def test_every_state_machine_is_watched_for_what_fails_is_late_or_throttled(all_variants):
    for name in all_variants.of_type("aws:sfn/stateMachine:StateMachine"):
        assert watched(all_variants.of_type(ALARM)[f"alarms-{name}-executions"]) == {
            ("AWS/States", metric, arn("sfn", name)) for metric in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled")
        }


def test_a_failing_responder_is_no_alarm_but_a_throttled_one_is(all_variants):
    alarms, functions = all_variants.of_type(ALARM), set(all_variants.of_type("aws:lambda/function:Function"))
    own = {name for name in functions if not name.startswith("responder-")}

    assert watched(alarms["alarms-errors"]) == {("AWS/Lambda", "Errors", name) for name in own}
    assert watched(alarms["alarms-throttles"]) | watched(alarms["alarms-throttles-2"]) == {
        ("AWS/Lambda", "Throttles", name) for name in functions
    }


@pytest.mark.parametrize("name", ["aggregator", "api", "requester", "sns-requester", "selector", "responses", "process"])
def test_a_responder_may_be_named_as_something_of_the_stacks_own(name):
    registered = program.run(
        {
            **FOUR,
            "selection": "handlers.rankings.nearest",
            "responders": [{"name": name, "settings": {"rate": 1}}, {"name": "avis", "settings": {"rate": 2}}],
        }
    )
    alarms = registered.of_type(ALARM)

    functions = registered.of_type("aws:lambda/function:Function")
    throttles = [watched(alarm) for kind, alarm in alarms.items() if kind.startswith("alarms-throttles")]
    assert set().union(*throttles) == {("AWS/Lambda", "Throttles", function) for function in functions}
    dead = {queue for queue in registered.of_type("aws:sqs/queue:Queue") if "-dead-" in queue}
    assert watched(alarms["alarms-dead-letters"]) == {("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue) for queue in dead}
    body = json.loads(registered.of_type(DASHBOARD)["dashboard"]["dashboardBody"])
    [errors] = [widget for widget in body["widgets"] if widget["properties"]["title"] == "Errors of functions"]
    assert {metric[3] for metric in errors["properties"]["metrics"]} == set(functions)
    assert set(registered.outputs["logGroups"].values()) == set(registered.of_type("aws:cloudwatch/logGroup:LogGroup")) - {
        "api-access",
        *(f"{machine}-logs" for machine in ("map", "parallel", "distributed")),
    }


class Part:
    def __init__(self, **watched):
        self.watched = Watched(**watched)


def test_parts_of_one_name_are_all_watched_and_what_two_share_is_watched_once():
    shared = "requester-1"
    parts = [
        Part(functions={"aggregator": "aggregator-1", "requester": shared}),
        Part(functions={"aggregator": "aggregator-2", "requester": shared}),
    ]

    assert together(parts).functions == {"aggregator": "aggregator-1", "requester": shared, "aggregator 2": "aggregator-2"}


def test_an_alarm_says_what_to_run(all_variants):
    commands = {
        "dead-letters": "python -m client redrive --stack test",
        "errors": "aws logs tail",
        "throttles": "aws lambda get-account-settings",
        "map-executions": f"aws stepfunctions list-executions --state-machine-arn {arn('sfn', 'map')}",
    }

    for kind, command in commands.items():
        assert command in all_variants.of_type(ALARM)[f"alarms-{kind}"]["alarmDescription"]


def test_an_express_workflow_is_looked_up_in_its_log():
    registered = program.run({"variants": ["map"], "workflowType": "EXPRESS"})

    assert (
        "aws logs tail /aws/vendedlogs/states/scatter-gather-test-map"
        in registered.of_type(ALARM)["alarms-map-executions"]["alarmDescription"]
    )


def test_an_alarm_rings_above_nothing_and_is_quiet_while_nothing_runs(all_variants):
    for alarm in all_variants.of_type(ALARM).values():
        assert (alarm["comparisonOperator"], alarm["threshold"], alarm["treatMissingData"]) == ("GreaterThanThreshold", 0, "notBreaching")
        assert alarm["metricQueries"][0] == {
            "id": "total",
            "expression": "SUM(FILL(METRICS(), 0))",
            "label": alarm["metricQueries"][0]["label"],
            "returnData": True,
        }
        assert not any(query.get("returnData") for query in alarm["metricQueries"][1:])
        assert len(alarm["alarmDescription"]) < 1024, "whole, not cut off"


def test_more_than_ten_metrics_take_another_alarm():
    registered = program.run({"variants": ["sns"], "api": {"enabled": False}, "responderCount": 12})

    kinds = {name: len(watched(alarm)) for name, alarm in registered.of_type(ALARM).items()}
    assert kinds == {
        "alarms-dead-letters": 10,
        "alarms-dead-letters-2": 3,
        "alarms-errors": 2,
        "alarms-throttles": 10,
        "alarms-throttles-2": 4,
    }


def test_nobody_is_notified_unless_the_configuration_says_who(all_variants):
    assert all(not alarm.get("alarmActions") for alarm in all_variants.of_type(ALARM).values())
    topic = "arn:aws:sns:us-east-1:000000000000:duty"

    registered = program.run({"variants": ["map"], "alarms": {"topicArn": topic}})

    assert all(alarm["alarmActions"] == alarm["okActions"] == [topic] for alarm in registered.of_type(ALARM).values())


def test_an_address_gets_a_topic_that_only_alarms_of_this_account_may_write_to():
    registered = program.run({"variants": ["map"], "alarms": {"email": "duty@example.com"}})

    assert registered.of_type("aws:sns/topicSubscription:TopicSubscription")["alarms"] == {
        "topic": arn("sns", "alarms"),
        "protocol": "email",
        "endpoint": "duty@example.com",
    }
    allow, deny = json.loads(registered.of_type("aws:sns/topicPolicy:TopicPolicy")["alarms"]["policy"])["Statement"]
    assert allow == {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": arn("sns", "alarms"),
        "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}},
    }
    assert deny["Effect"] == "Deny"


def test_the_dashboard_shows_every_machine_function_and_queue(all_variants):
    [dashboard] = all_variants.of_type(DASHBOARD).values()
    shown = {
        value
        for widget in json.loads(dashboard["dashboardBody"])["widgets"]
        for metric in widget["properties"]["metrics"]
        for value in metric
        if isinstance(value, str)
    }

    assert dashboard["dashboardName"] == all_variants.outputs["dashboardName"] == "scatter-gather-test-dashboard-quotes"
    assert {arn("sfn", name) for name in all_variants.of_type("aws:sfn/stateMachine:StateMachine")} <= shown
    assert set(all_variants.of_type("aws:lambda/function:Function")) <= shown
    assert {name for name in all_variants.of_type("aws:sqs/queue:Queue") if "-dead-" in name} <= shown


def test_no_widget_lies_on_another(all_variants):
    [dashboard] = all_variants.of_type(DASHBOARD).values()
    places = [(widget["x"], widget["y"]) for widget in json.loads(dashboard["dashboardBody"])["widgets"]]

    assert len(set(places)) == len(places)


@pytest.mark.parametrize(("alarms", "types"), [({"enabled": False}, set()), ({"dashboard": False}, {ALARM})])
def test_what_is_switched_off_leaves_no_trace(alarms, types):
    registered = program.run({"variants": ["map"], "alarms": alarms})

    assert {resource.type for resource in registered.resources} & {ALARM, DASHBOARD} == types


@pytest.mark.parametrize(
    ("alarms", "message"),
    [
        ({"topicArn": "duty"}, 'alarms.topicArn is "duty"; allowed: the ARN of an SNS topic'),
        ({"email": "duty"}, 'alarms.email is "duty"; allowed: an e-mail address'),
        (
            {"email": "duty@example.com", "topicArn": "arn:aws:sns:us-east-1:000000000000:duty"},
            "alarms: topicArn and email exclude each other",
        ),
        ({"enabled": False, "email": "duty@example.com"}, "alarms: topicArn and email would have no effect with enabled false"),
    ],
)
def test_a_wrong_address_stops_the_preview(alarms, message):
    with pytest.raises(SettingsError, match=message):
        parse({"alarms": alarms})
