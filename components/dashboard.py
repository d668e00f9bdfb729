"""Dashboard: one page for the stack, with what its alarms watch and how fast it answers.

Builds: a CloudWatch dashboard named after project, stack and table. The first three of an account are free; each further one costs $3 a
month. Of each kind, CloudWatch takes up to 500 metrics a widget.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import place
from components.request_store import RequestStore
from components.settings import NoSettings, checked
from components.watched import Watchable, together

WIDTH, HEIGHT = 12, 6
"""Of a widget, on a grid that is 24 wide."""


class DashboardArgs(TypedDict):
    watches: Sequence[Watchable]
    """Components, as for Alarms."""
    store: RequestStore


class Dashboard(pulumi.ComponentResource):
    """Outputs: dashboardName."""

    dashboardName: pulumi.Output[str]

    def __init__(self, name: str, args: DashboardArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:Dashboard", name, {}, opts)
        checked(NoSettings, f"Dashboard {name}", args, needs=["watches", "store"])
        watched = together(args["watches"])
        known = pulumi.Output.all(
            queues=watched.dead_letter_queues,
            machines={machine["name"]: machine["arn"] for machine in watched.machines},
            functions=watched.all_function_names,
            table=args["store"].tableName,
            region=place.of(self).region,
        )
        self.dashboard = aws.cloudwatch.Dashboard(
            name,
            # A dashboard's name is no other's in the whole account; the table's is made unique by Pulumi.
            dashboard_name=known.apply(lambda found: _unique_name(name, found["table"])),
            dashboard_body=known.apply(lambda found: body(**found)),
            # The dashboard of 1.0.0 keeps the name that it had.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["dashboardName"]),
        )
        self.dashboardName = self.dashboard.dashboard_name
        self.register_outputs({"dashboardName": self.dashboardName})


def _unique_name(name: str, table: str) -> str:
    return f"{pulumi.get_project()}-{pulumi.get_stack()}-{name}-{table.replace('.', '-')}"


def body(queues: Mapping[str, str], machines: Mapping[str, str], functions: Mapping[str, str], table: str, region: str) -> str:
    """The dashboard as JSON. queues, machines (ARNs) and functions: by the name that a person reads."""
    states = [
        (f"{name} {metric}", "AWS/States", metric, "StateMachineArn", arn)
        for name, arn in machines.items()
        for metric in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled")
    ]
    widgets = [
        _widget(
            "Dead letters",
            region,
            "Maximum",
            [(name, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue) for name, queue in queues.items()],
        ),
        _widget("Executions that failed, timed out or were throttled", region, "Sum", states),
        _widget(
            "Executions started",
            region,
            "Sum",
            [(name, "AWS/States", "ExecutionsStarted", "StateMachineArn", arn) for name, arn in machines.items()],
        ),
        _widget(
            "Time of an execution, p95 (ms)",
            region,
            "p95",
            [(name, "AWS/States", "ExecutionTime", "StateMachineArn", arn) for name, arn in machines.items()],
        ),
        *(
            _widget(title, region, stat, [(name, "AWS/Lambda", metric, "FunctionName", function) for name, function in functions.items()])
            for title, metric, stat in (
                ("Errors of functions", "Errors", "Sum"),
                ("Throttles of functions", "Throttles", "Sum"),
                ("Time of a function, p95 (ms)", "Duration", "p95"),
            )
        ),
        _widget(
            "Writes that the store refused or throttled",
            region,
            "Sum",
            [(metric, "AWS/DynamoDB", metric, "TableName", table) for metric in ("WriteThrottleEvents", "ConditionalCheckFailedRequests")],
        ),
    ]
    shown = [widget for widget in widgets if widget["properties"]["metrics"]]
    placed = [
        {**widget, "x": WIDTH * (place % 2), "y": HEIGHT * (place // 2), "width": WIDTH, "height": HEIGHT}
        for place, widget in enumerate(shown)
    ]
    return json.dumps({"widgets": placed})


def _widget(title: str, region: str, stat: str, lines: Sequence[tuple[str, str, str, str, str]]) -> dict[str, Any]:
    """lines: (label, namespace, metric, dimension, its value) of each."""
    metrics = [[namespace, metric, dimension, value, {"label": label}] for label, namespace, metric, dimension, value in lines]
    return {
        "type": "metric",
        "properties": {"title": title, "region": region, "stat": stat, "period": 60, "view": "timeSeries", "metrics": metrics},
    }
