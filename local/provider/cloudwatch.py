"""Amazon CloudWatch: metric alarms, dashboards and log groups; Amazon EventBridge, which Pulumi counts among it: buses."""

from typing import Any

from local.properties import Properties
from local.provider.errors import ProviderError
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, at_most, between, json_document, one_of, period, text
from local.provider.shapes import capitalised, from_aws, renamed, same, to_aws

COMPARISON = ("GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanOrEqualToThreshold", "LessThanThreshold")

# Days; 0 keeps everything for ever.
RETENTION = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class EventBus(Resource):
    token = "aws:cloudwatch/eventBus:EventBus"
    service = "events"
    kind, key = "event_bus", "Name"
    verbs = {"read": "describe"}
    name = Name("name", 256, r"(?!default$)[/.\-_A-Za-z0-9]+", "must consist of letters, digits, ., - and _, and not be 'default'")
    fields = {"name": "Name"}
    outputs = {"arn": "Arn"}
    replaces = frozenset({"name"})


class LogGroup(Resource):
    token = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    kind, key = "log_group", "logGroupName"
    name = Name("name", 512, r"[.\-_/#A-Za-z0-9]+", "must consist of letters, digits and ._-/#")
    fields = same("kmsKeyId") | {"name": "logGroupName"}
    defaults = {"retentionInDays": 0}
    replaces = frozenset({"name"})
    rules = {"kmsKeyId": arn("kms"), "retentionInDays": one_of(*RETENTION)}

    def settle(self, id: str, inputs: Properties) -> None:
        if inputs["retentionInDays"]:
            self.update(id, {}, inputs, {"retentionInDays"})

    def read(self, id: str, known: Properties) -> Properties | None:
        groups = self.api.describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        for found in (group for group in groups if group["logGroupName"] == id):
            return self.properties(found) | {"arn": found["arn"].removesuffix(":*"), "retentionInDays": found.get("retentionInDays", 0)}
        return None

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Each setting has operations of its own, which set it and take it away."""
        for property, add, remove in (
            ("kmsKeyId", "associate_kms_key", "disassociate_kms_key"),
            ("retentionInDays", "put_retention_policy", "delete_retention_policy"),
        ):
            if property in changed:
                value = {property: new[property]} if new.get(property) else {}
                getattr(self.api, add if value else remove)(logGroupName=id, **value)


class MetricAlarm(Resource):
    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    kind, key = "metric_alarm", "AlarmName"
    verbs = {"create": "put", "update": "put"}
    name = Name("name", 255)
    fields = {
        **capitalised("actionsEnabled alarmActions alarmDescription comparisonOperator evaluationPeriods threshold treatMissingData"),
        "name": "AlarmName",
        "okActions": "OKActions",
    }
    outputs = {"arn": "AlarmArn"}
    others = frozenset({"metricQueries"})
    defaults = {"actionsEnabled": True, "treatMissingData": "missing"}
    required = frozenset({"comparisonOperator", "evaluationPeriods", "metricQueries", "threshold"})
    replaces = frozenset({"name"})
    unordered = frozenset({"alarmActions", "metricQueries", "okActions"})
    rules = {
        "alarmActions": at_most(5, "actions"),
        "alarmActions[*]": arn(),
        "alarmDescription": text(longest=1024),
        "comparisonOperator": one_of(*COMPARISON),
        "evaluationPeriods": between(1, float("inf")),
        "metricQueries[*].metric.metricName": text(shortest=1, longest=255),
        "metricQueries[*].metric.namespace": text(r"[^:].*", 1, 255, "must not begin with a colon"),
        "metricQueries[*].metric.period": period,
        "okActions": at_most(5, "actions"),
        "okActions[*]": arn(),
        "treatMissingData": one_of("breaching", "ignore", "missing", "notBreaching"),
    }

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        return super().arguments(inputs, names) | {"Metrics": [_query(query) for query in inputs["metricQueries"]]}

    def read(self, id: str, known: Properties) -> Properties | None:
        alarms = self.api.describe_alarms(AlarmNames=[id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        found = alarms[0]
        return self.properties(found) | {
            "actionsEnabled": found.get("ActionsEnabled", True),
            # The emulator neither keeps nor returns these; AWS always does.
            "metricQueries": [_from_query(query) for query in found.get("Metrics", [])] or known.get("metricQueries"),
            "treatMissingData": found.get("TreatMissingData") or "missing",
        }

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_alarms(AlarmNames=[id])


class Dashboard(Resource):
    token = "aws:cloudwatch/dashboard:Dashboard"
    kind, key = "dashboard", "DashboardName"
    verbs = {"create": "put", "update": "put"}
    fields = capitalised("dashboardBody dashboardName")
    outputs = capitalised("dashboardArn")
    replaces = frozenset({"dashboardName"})
    documents = frozenset({"dashboardBody"})
    rules = {"dashboardBody": json_document(), "dashboardName": text(r"[\w-]+", 1, 255, "must consist of letters, digits, - and _")}

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        answer = super().call(verb, **arguments)
        if messages := answer.get("DashboardValidationMessages"):
            raise ProviderError(f"dashboard {arguments['DashboardName']}: {messages[0]['Message']}")
        return answer

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_dashboards(DashboardNames=[id])


def _query(query: Properties) -> dict[str, Any]:
    result = to_aws({key: value for key, value in query.items() if key != "metric"})
    if metric := query.get("metric"):
        dimensions = [{"Name": name, "Value": value} for name, value in metric.get("dimensions", {}).items()]
        identified = renamed(metric, capitalised("metricName namespace")) | ({"Dimensions": dimensions} if dimensions else {})
        result["MetricStat"] = {"Metric": identified, **renamed(metric, capitalised("period stat unit"))}
    return result


def _from_query(query: dict[str, Any]) -> Properties:
    result = from_aws({key: value for key, value in query.items() if key != "MetricStat"})
    if measured := query.get("MetricStat"):
        told = from_aws({**measured["Metric"], **measured})
        dimensions = {dimension["name"]: dimension["value"] for dimension in told.get("dimensions", [])}
        result["metric"] = renamed(told, same("metricName namespace period stat unit")) | ({"dimensions": dimensions} if dimensions else {})
    return result
