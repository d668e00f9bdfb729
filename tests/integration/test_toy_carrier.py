"""A carrier of one's own: one more line in the table of carriers, and the API, the client, the comparison and the alarms know it."""

import json

import pulumi
import pytest

from client import comparison
from components import carriers
from components.handler_function import HandlerFunction
from components.watched import Watched
from handlers.contract import InvalidRequest
from tests.results import without_times


class DirectScatterGather(pulumi.ComponentResource):
    """Asks each responder by itself, one after the other, in one function."""

    def __init__(self, name, store, fleet, opts):
        super().__init__("scatter-gather:index:DirectScatterGather", name, {}, opts)
        functions = {responder.name: responder.function.functionArn for responder in fleet.responders}
        self.function = HandlerFunction(
            name,
            {
                "module": "tests.toy_carrier",
                "withModules": [],
                "timeoutSeconds": 60,
                "memoryMb": 256,
                "logRetentionDays": 14,
                "environment": {
                    **fleet.environment,
                    "FUNCTIONS": pulumi.Output.json_dumps(functions),
                    "AGGREGATOR_ARN": store.aggregatorFunctionArn,
                },
                "statements": [
                    {
                        "Effect": "Allow",
                        "Action": ["lambda:InvokeFunction"],
                        "Resource": [*functions.values(), store.aggregatorFunctionArn],
                    },
                    {"Effect": "Allow", "Action": ["dynamodb:PutItem"], "Resource": store.tableArn},
                    {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": store.responseQueueArn},
                ],
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.entrance = {"functionArn": self.function.functionArn}
        self.watched = Watched(functions={name: self.function})


@pytest.fixture(scope="module")
def stack(deployed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(carriers.CARRIERS, "direct", lambda name, _, store, fleet, opts: DirectScatterGather(name, store, fleet, opts))
        yield deployed(variants=["map", "direct"], responderCount=2, api={"auth": "NONE"})


def test_its_result_is_that_of_every_carrier(stack):
    by_map, directly = (stack.request(variant, stack.sample_request, timeout=90) for variant in ("map", "direct"))

    assert directly["variant"] == "direct"
    assert without_times(directly) == without_times(by_map)


def test_what_is_wrong_with_a_request_is_said_in_the_same_words(stack):
    reasons = []
    for variant in ("map", "direct"):
        with pytest.raises(InvalidRequest) as refused:
            stack.request(variant, {"data": {}, "recipients": ["zipcar"]})
        reasons.append(str(refused.value))

    assert reasons[0] == reasons[1]


def test_the_api_takes_requests_for_it(stack):
    function = next(
        found["FunctionName"]
        for found in stack.client("lambda").list_functions()["Functions"]
        if found["FunctionName"].startswith("api-handler")
    )
    event = {
        "routeKey": "POST /{variant}/requests",
        "rawPath": "/direct/requests",
        "headers": {"content-type": "application/json"},
        "requestContext": {"requestId": "r"},
        "pathParameters": {"variant": "direct"},
        "isBase64Encoded": False,
        "queryStringParameters": {"wait": "true"},
        "body": json.dumps(stack.sample_request),
    }

    reply = json.loads(stack.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))["Payload"].read())

    assert reply["statusCode"] == 200, reply
    assert json.loads(reply["body"])["variant"] == "direct"


def test_it_is_compared_and_priced_as_what_it_says_it_is(stack):
    compared = comparison.compare(stack, stack.sample_request, 1, warm_up=0, timeout=90)

    assert {carrier.label for carrier in compared.carriers} == {"map STANDARD", "direct"}
    assert "direct" in compared.extrapolation()[5]


def test_its_function_is_on_the_dashboard_with_all_that_the_alarms_watch(stack):
    """The emulator's alarms do not tell their metrics; both are made of the same list."""
    body = stack.client("cloudwatch").get_dashboard(DashboardName=stack.outputs["dashboardName"])["DashboardBody"]

    errors = next(widget for widget in json.loads(body)["widgets"] if widget["properties"]["title"] == "Errors of functions")
    assert any(metric[3].startswith("direct-") for metric in errors["properties"]["metrics"])
