"""Amazon CloudWatch: metric alarms and dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local.properties import Properties
from local.provider.errors import ProviderError
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, json_document, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised, from_aws, renamed, tag_list, to_aws

COMPARISON = ("GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanOrEqualToThreshold", "LessThanThreshold")


def _period(value: Any) -> str | None:
    if value in (10, 20, 30) or (isinstance(value, int) and value > 0 and value % 60 == 0):
        return None
    return f"must be 10, 20, 30 or a multiple of 60 seconds, not {value!r}"


class MetricAlarm(Resource):
    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    service = "cloudwatch"
    name = Name("name", 255)
    fields = {
        **capitalised(
            "actionsEnabled alarmActions alarmDescription comparisonOperator datapointsToAlarm evaluationPeriods metricName "
            "namespace period statistic threshold treatMissingData"
        ),
        "name": "AlarmName",
        "okActions": "OKActions",
    }
    others = frozenset({"dimensions", "metricQueries"})
    defaults = {"actionsEnabled": True, "treatMissingData": "missing"}
    required = frozenset({"comparisonOperator", "evaluationPeriods", "threshold"})
    replaces = frozenset({"name"})
    unordered = frozenset({"alarmActions", "metricQueries", "okActions"})
    rules = {
        "alarmActions[*]": arn(),
        "alarmDescription": text(longest=1024),
        "comparisonOperator": one_of(*COMPARISON),
        "datapointsToAlarm": between(1, float("inf")),
        "evaluationPeriods": between(1, float("inf")),
        "metricName": text(shortest=1, longest=255),
        "namespace": text(r"[^:].*", 1, 255, "must not begin with a colon"),
        "okActions[*]": arn(),
        "period": _period,
        "statistic": one_of("Average", "Maximum", "Minimum", "SampleCount", "Sum"),
        "treatMissingData": one_of("breaching", "ignore", "missing", "notBreaching"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if ("metricName" in inputs) == ("metricQueries" in inputs):
            yield "metricName", "give exactly one of metricName and metricQueries"
        for property in ("namespace", "period", "statistic") if "metricName" in inputs else ():
            if property not in inputs:
                yield property, "is required with metricName"
        for property in ("alarmActions", "okActions"):
            if len(inputs.get(property, ())) > 5 and isinstance(inputs[property], list):
                yield property, "may hold 5 actions at most"

    def create(self, inputs: Properties) -> str:
        self._put(inputs, Tags=tag_list(inputs.get("tags")))
        return inputs["name"]

    def read(self, id: str, known: Properties) -> Properties | None:
        alarms = self.api.describe_alarms(AlarmNames=[id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        found = alarms[0]
        return self.properties(found) | {
            "actionsEnabled": found.get("ActionsEnabled", True),
            "arn": found["AlarmArn"],
            "dimensions": _from_dimensions(found.get("Dimensions")),
            # The emulator neither keeps nor returns these; AWS always does.
            "metricQueries": [_from_query(query) for query in found.get("Metrics", [])] or known.get("metricQueries"),
            "treatMissingData": found.get("TreatMissingData") or "missing",
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._put(new)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_alarms(AlarmNames=[id])

    def _put(self, inputs: Properties, **more: Any) -> None:
        arguments = self.arguments(inputs)
        if inputs.get("dimensions"):
            arguments["Dimensions"] = _dimensions(inputs["dimensions"])
        if inputs.get("metricQueries"):
            arguments["Metrics"] = [_query(query) for query in inputs["metricQueries"]]
        self.api.put_metric_alarm(**arguments, **more)


class Dashboard(Resource):
    token = "aws:cloudwatch/dashboard:Dashboard"
    service = "cloudwatch"
    fields = capitalised("dashboardBody dashboardName")
    replaces = frozenset({"dashboardName"})
    documents = frozenset({"dashboardBody"})
    rules = {"dashboardBody": json_document(), "dashboardName": text(r"[\w-]+", 1, 255, "must consist of letters, digits, - and _")}

    def create(self, inputs: Properties) -> str:
        self._put(inputs)
        return inputs["dashboardName"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_dashboard(DashboardName=id)
        return self.properties(found) | {"dashboardArn": found["DashboardArn"]}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._put(new)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_dashboards(DashboardNames=[id])

    def _put(self, inputs: Properties) -> None:
        answer = self.api.put_dashboard(**self.arguments(inputs))
        if messages := answer.get("DashboardValidationMessages"):
            raise ProviderError(f"dashboard {inputs['dashboardName']}: {messages[0]['Message']}")


def _dimensions(dimensions: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _from_dimensions(dimensions: Any) -> dict[str, str] | None:
    return {dimension["Name"]: dimension["Value"] for dimension in dimensions or []} or None


def _query(query: Properties) -> dict[str, Any]:
    result = to_aws({key: value for key, value in query.items() if key != "metric"})
    if metric := query.get("metric"):
        identified = renamed(metric, {"metricName": "MetricName", "namespace": "Namespace"})
        if metric.get("dimensions"):
            identified["Dimensions"] = _dimensions(metric["dimensions"])
        measured = renamed(metric, {"period": "Period", "stat": "Stat", "unit": "Unit"})
        result["MetricStat"] = {"Metric": identified, **measured}
    return result


def _from_query(query: dict[str, Any]) -> Properties:
    result = from_aws({key: value for key, value in query.items() if key != "MetricStat"})
    if measured := query.get("MetricStat"):
        metric = measured["Metric"]
        result["metric"] = {
            **renamed(metric, {"MetricName": "metricName", "Namespace": "namespace"}),
            **renamed(measured, {"Period": "period", "Stat": "stat", "Unit": "unit"}),
            **({"dimensions": dimensions} if (dimensions := _from_dimensions(metric.get("Dimensions"))) else {}),
        }
    return result
