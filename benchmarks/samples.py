"""The four samples' workloads, rebuilt from what their descriptions say: the same states, functions, queues and tables, and no more.

a Map over a recipient list, whose result goes to a table         5 functions, N + 2 transitions
a Parallel with two branches between two functions                4 functions, 5 transitions
the same with a topic, two functions at it, and a queue           4 functions, a topic, a queue
an API that publishes a request to ten functions                 13 functions, a topic, a queue, a route to send and one to read
a list in a table that drives a Map                              1 function, 2 N + 2 transitions
"""

import io
import json
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from client import Stack

CODE = Path(__file__).with_name("sample_functions.py")
RUNTIME = "python3.13"
POLL_SECONDS = 0.01
LOGGED_SECONDS = 2
LAMBDA = "arn:aws:states:::lambda:invoke"


class Samples:
    """Deployed beside a stack, in the account of `stack`, whose clients it takes."""

    def __init__(self, stack: Stack, account: str) -> None:
        self._stack, self._account = stack, account
        self._role = f"arn:aws:iam::{account}:role/sample"
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(CODE.name, CODE.read_text())
        self._code = archive.getvalue()

    def client(self, service: str) -> Any:
        return self._stack.client(service)

    def function(self, name: str, handler: str, **environment: str) -> str:
        """Its ARN."""
        return self.client("lambda").create_function(
            FunctionName=f"sample-{name}",
            Runtime=RUNTIME,
            Handler=f"{CODE.stem}.{handler}",
            Code={"ZipFile": self._code},
            Role=self._role,
            Timeout=30,
            Environment={"Variables": environment},
        )["FunctionArn"]

    def machine(self, name: str, start: str, states: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
        """Runs it with an input and returns its output."""
        workflows = self.client("stepfunctions")
        arn = workflows.create_state_machine(
            name=f"sample-{name}", roleArn=self._role, definition=json.dumps({"StartAt": start, "States": states})
        )["stateMachineArn"]

        def run(given: Mapping[str, Any]) -> Any:
            execution = workflows.start_execution(stateMachineArn=arn, input=json.dumps(given))["executionArn"]
            ended = _until(lambda: _ended(workflows.describe_execution(executionArn=execution)))
            return json.loads(ended)

        return run

    def table(self, name: str, *keys: str) -> str:
        self.client("dynamodb").create_table(
            TableName=f"sample-{name}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )
        return f"sample-{name}"

    def recorded(self, way: Callable[[], Any]) -> tuple[int, int]:
        """Transitions and calls of one measurement, as the executions' histories and the functions' logs have them."""
        executions, calls = set(self._executions()), self._calls()
        way()
        # The last function's line comes after its work.
        time.sleep(LOGGED_SECONDS)
        made = set(self._executions()) - executions
        return sum(self._transitions(execution) for execution in made), self._calls() - calls

    def _executions(self) -> Iterator[str]:
        workflows = self.client("stepfunctions")
        for machine in workflows.list_state_machines()["stateMachines"]:
            if machine["name"].startswith("sample-"):
                listed = workflows.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
                yield from (each["executionArn"] for each in listed)

    def _transitions(self, execution: str) -> int:
        """States that were entered. Inside a Map or Parallel state the emulator's history has the tasks alone."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
        kinds = Counter(event["type"] for page in pages for event in page["events"])
        entered = sum(count for kind, count in kinds.items() if kind.endswith("StateEntered"))
        return entered + kinds["TaskScheduled"] - kinds["TaskStateEntered"]

    def _calls(self) -> int:
        logs = self.client("logs")
        groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/sample-")
        lines = (
            logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            for page in groups
            for group in page["logGroups"]
        )
        return sum(event["message"].startswith("REPORT ") for pages in lines for page in pages for event in page["events"])

    def map(self, responders: int) -> Callable[[], Any]:
        arns = [self.function(f"map-{number}", "price", NAME=f"p{number}") for number in range(responders)]
        table = self.table("map", "id")
        run = self.machine(
            "map",
            "Ask",
            {
                "Ask": {
                    "Type": "Map",
                    "ItemsPath": "$.providers",
                    "MaxConcurrency": 10,
                    "Next": "Store",
                    "ItemSelector": {"description.$": "$.description", "provider.$": "$$.Map.Item.Value"},
                    "ItemProcessor": {
                        "ProcessorConfig": {"Mode": "INLINE"},
                        "StartAt": "Quote",
                        "States": {
                            "Quote": {
                                "Type": "Task",
                                "Resource": LAMBDA,
                                "OutputPath": "$.Payload",
                                "End": True,
                                "Parameters": {"FunctionName.$": "$.provider", "Payload.$": "$"},
                            }
                        },
                    },
                },
                "Store": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::dynamodb:putItem",
                    "ResultPath": None,
                    "End": True,
                    "Parameters": {
                        "TableName": table,
                        "Item": {"id": {"S.$": "$$.Execution.Id"}, "quotes": {"S.$": "States.JsonToString($)"}},
                    },
                },
            },
        )
        return lambda: run({"description": "A large car for 30 days", "providers": arns})

    def parallel(self) -> Callable[[], Any]:
        requester, aggregator = self.function("requester", "request"), self.function("aggregator", "aggregate")
        branches = [self._branch(self.function(f"branch-{rate}", "respond", RATE=str(rate))) for rate in (99, 120)]
        run = self.machine(
            "parallel",
            "Request",
            {
                "Request": _task(requester, Next="Ask"),
                "Ask": {"Type": "Parallel", "Branches": branches, "Next": "Aggregate"},
                "Aggregate": _task(aggregator, End=True),
            },
        )
        return lambda: run({"data": {"car_type": "L", "days_rental": 30}})

    def sns(self) -> Callable[[], Any]:
        table = self.table("sns", "id")
        requester = self._publisher("sns", "publish", 2, "gather", table)
        functions, store = self.client("lambda"), self.client("dynamodb")

        def send() -> Any:
            returned = functions.invoke(FunctionName=requester, Payload=json.dumps({"data": {"car_type": "L", "days_rental": 30}}))
            key = {"id": {"S": json.loads(returned["Payload"].read())}}
            return _until(lambda: _whole(store.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item"), 2))

        return send

    def api(self, responders: int) -> str:
        """The address to post to, and, with an id behind it, to read from."""
        name = f"api-{responders}"
        table = self.table(name, "id", "responder")
        poster = self._publisher(name, "post", responders, "keep", table)
        reader = self.function(f"{name}-reader", "read", TABLE=table)
        apis = self.client("apigatewayv2")
        api = apis.create_api(Name=f"sample-{name}", ProtocolType="HTTP")["ApiId"]
        for key, function in (("POST /rfq", poster), ("GET /rfq/{id}", reader)):
            integration = apis.create_integration(
                ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
            )["IntegrationId"]
            apis.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}")
        apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        return f"{self._stack.endpoint}/_aws/execute-api/{api}/$default/rfq"

    def list(self, items: Sequence[str], concurrency: int, wait_seconds: int) -> Callable[[], Any]:
        name = f"list-{len(items)}-{concurrency}"
        table, function = self.table(name, "id"), self.function(name, "log")
        self.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "list"}, "items": {"L": [{"S": item} for item in items]}})
        work: dict[str, Any] = {"Log": _task(function, End=True)}
        if wait_seconds:
            work["Wait"] = {"Type": "Wait", "Seconds": wait_seconds, "Next": "Log"}
        run = self.machine(
            name,
            "Read",
            {
                "Read": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::dynamodb:getItem",
                    "Next": "Each",
                    "Parameters": {"TableName": table, "Key": {"id": {"S": "list"}}},
                },
                "Each": {
                    "Type": "Map",
                    "ItemsPath": "$.Item.items.L",
                    "MaxConcurrency": concurrency,
                    "ResultPath": None,
                    "End": True,
                    "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Wait" if wait_seconds else "Log", "States": work},
                },
            },
        )
        return lambda: run({})

    def _branch(self, function: str) -> dict[str, Any]:
        return {"StartAt": "Quote", "States": {"Quote": _task(function, End=True)}}

    def _publisher(self, name: str, handler: str, responders: int, gatherer: str, table: str) -> str:
        """The function that publishes to a topic, whose responders answer by a queue to a function that fills the table."""
        topics, queues, functions = self.client("sns"), self.client("sqs"), self.client("lambda")
        topic = topics.create_topic(Name=f"sample-{name}")["TopicArn"]
        queue = queues.create_queue(QueueName=f"sample-{name}")["QueueUrl"]
        queue_arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for number in range(responders):
            responder = self.function(f"{name}-{number}", "respond_by_queue", NAME=f"r{number}", RATE=str(99 + number), QUEUE_URL=queue)
            topics.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=responder)
        functions.create_event_source_mapping(
            EventSourceArn=queue_arn,
            FunctionName=self.function(f"{name}-gather", gatherer, TABLE=table),
            BatchSize=10 if gatherer == "gather" else 1,
        )
        return self.function(f"{name}-publish", handler, TOPIC_ARN=topic, TABLE=table)


def _task(function: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": LAMBDA,
        "Parameters": {"FunctionName": function, "Payload.$": "$"},
        "OutputPath": "$.Payload",
        **more,
    }


def _ended(execution: Mapping[str, Any]) -> str | None:
    if execution["status"] == "RUNNING":
        return None
    if execution["status"] != "SUCCEEDED":
        raise RuntimeError(f"{execution['status']}: {execution.get('cause')}")
    return execution.get("output", "{}")


def _whole(item: Any, answers: int) -> Any:
    return item if item and len(item["quotes"]["L"]) >= answers else None


def _until(look: Callable[[], Any], seconds: float = 60) -> Any:
    ends = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {seconds:g} seconds")
        time.sleep(POLL_SECONDS)
    return found
