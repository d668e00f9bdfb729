"""Alarms: what a person has to look at, and the command that shows or mends it.

Builds, as far as the stack has what they watch

    dead letters    one alarm for all dead-letter queues: a message lies there
    a workflow      one for each state machine: executions failed, timed out or throttled
    errors          one for the stack's own functions, not for its responders, whose failures are answers in their slot
    throttles       one for all functions, responders too

and, with an e-mail address, the topic that they notify. A metric-math alarm covers ten metrics at the most (CloudWatch's limit), so
larger stacks have several of a kind.

CloudWatch charges $0.10 a month for each metric that an alarm watches, however many alarms they are in, and the first ten of an
account are free: about $3 for a stack of all variants with five responders. One alarm a kind is for people, who get one message.
"""

from collections.abc import Mapping, Sequence
from typing import Optional, Required, TypedDict

import pulumi
import pulumi_aws as aws

from components import place, policy
from components.settings import AlarmSettings, checked
from components.watched import Machine, Watchable, together

Metric = aws.cloudwatch.MetricAlarmMetricQueryMetricArgs

METRICS_PER_ALARM = 10
QUEUE_SECONDS, OTHER_SECONDS = 60, 300
DESCRIPTION_CHARACTERS = 1024
"""CloudWatch's limit."""

LISTED_FUNCTIONS = 10


class AlarmsArgs(TypedDict, total=False):
    watches: Required[Sequence[Watchable]]
    """Components: the store, the fleet, carriers, an API, a DistributedMapProcessor."""
    topicArn: Optional[str]
    """An existing topic to notify; excludes email."""
    email: Optional[str]
    """Gets a topic of its own; AWS asks the address to confirm first."""


class Alarms(pulumi.ComponentResource):
    """Outputs: alarmNames."""

    alarmNames: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: AlarmsArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:Alarms", name, {}, opts)
        own = checked(AlarmSettings, f"Alarms {name}", args, needs=["watches"])
        watched = together(args["watches"])
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self.topic = self._topic(own.email) if own.email else None
        self._actions: list[pulumi.Input[str]] = [self.topic.arn] if self.topic else []
        if own.topicArn:
            self._actions = [place.of(self).usable("alarms.topicArn", own.topicArn, "cloudwatch.amazonaws.com publish to it")]
        self.alarms: list[aws.cloudwatch.MetricAlarm] = []
        self._dead_letters(watched.dead_letter_queues)
        for machine in watched.machines:
            self._machine(machine)
        self._functions("errors", "Errors", watched.function_names, "raised, crashed or ran out of time")
        self._functions(
            "throttles",
            "Throttles",
            watched.all_function_names,
            (
                "was throttled: raise its reserved concurrency or the account's limit (aws lambda get-account-settings), "
                "or lower maxConcurrency"
            ),
        )
        self.alarmNames = pulumi.Output.all(*(alarm.name for alarm in self.alarms)).apply(list)
        self.register_outputs({"alarmNames": self.alarmNames})

    def _dead_letters(self, queues: Mapping[str, pulumi.Input[str]]) -> None:
        metrics = [
            _metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, "Maximum", QUEUE_SECONDS)
            for queue in queues.values()
        ]
        self._alarms(
            "dead-letters",
            metrics,
            pulumi.Output.from_input(
                f"Messages that could not be dealt with lie in a dead-letter queue of stack {pulumi.get_stack()}. See which and why: "
                f"python -m client redrive --stack {pulumi.get_stack()} --dry-run. After the cause is mended, send them once more: "
                f"python -m client redrive --stack {pulumi.get_stack()}"
            ),
        )

    def _machine(self, machine: Machine) -> None:
        metrics = [
            _metric("AWS/States", metric, "StateMachineArn", machine["arn"], "Sum", OTHER_SECONDS)
            for metric in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled")
        ]
        if machine["logGroupName"] is None:
            command = pulumi.Output.format(
                "aws stepfunctions list-executions --state-machine-arn {0} --status-filter FAILED (or TIMED_OUT), then "
                "aws stepfunctions describe-execution --execution-arn ARN",
                machine["arn"],
            )
        else:
            command = pulumi.Output.format("aws logs tail {0} --since 1h --filter-pattern Failed", machine["logGroupName"])
        self._alarms(
            f"{machine['name']}-executions",
            metrics,
            pulumi.Output.concat(
                f"Executions of {machine['name']} failed, timed out or were throttled. A failing responder is an answer, so it is the "
                "workflow itself, or a request that it refused. See which: ",
                command,
            ),
        )

    def _functions(self, kind: str, metric: str, functions: Mapping[str, pulumi.Input[str]], what: str) -> None:
        metrics = [_metric("AWS/Lambda", metric, "FunctionName", function, "Sum", OTHER_SECONDS) for function in functions.values()]
        listed = ", ".join(list(functions)[:LISTED_FUNCTIONS]) + (" …" if len(functions) > LISTED_FUNCTIONS else "")
        self._alarms(
            kind,
            metrics,
            pulumi.Output.from_input(
                f"One of the functions {listed} of stack {pulumi.get_stack()} {what}. The stack's dashboard shows which. Its log: "
                "aws logs tail $(aws lambda get-function-configuration --function-name NAME --query LoggingConfig.LogGroup "
                "--output text) --since 1h"
            ),
        )

    def _alarms(self, kind: str, metrics: Sequence[Metric], description: pulumi.Output[str]) -> None:
        """One alarm, or as many as so many metrics take: above 0 in any of them."""
        for number, start in enumerate(range(0, len(metrics), METRICS_PER_ALARM), start=1):
            watched = metrics[start : start + METRICS_PER_ALARM]
            self.alarms.append(
                aws.cloudwatch.MetricAlarm(
                    f"{self._name}-{kind}" if number == 1 else f"{self._name}-{kind}-{number}",
                    alarm_description=description.apply(lambda text: text[:DESCRIPTION_CHARACTERS]),
                    metric_queries=[
                        aws.cloudwatch.MetricAlarmMetricQueryArgs(
                            id="total", expression="SUM(FILL(METRICS(), 0))", label=kind, return_data=True
                        ),
                        *(aws.cloudwatch.MetricAlarmMetricQueryArgs(id=f"m{place}", metric=metric) for place, metric in enumerate(watched)),
                    ],
                    comparison_operator="GreaterThanThreshold",
                    threshold=0,
                    evaluation_periods=1,
                    # Nothing is reported while nothing runs.
                    treat_missing_data="notBreaching",
                    alarm_actions=self._actions,
                    ok_actions=self._actions,
                    opts=self._child,
                )
            )

    def _topic(self, email: str) -> aws.sns.Topic:
        # Not encrypted: CloudWatch cannot use the AWS-managed key, and an alarm says nothing about any request.
        topic = aws.sns.Topic(self._name, opts=self._child)
        account = topic.arn.apply(lambda arn: arn.split(":")[4])
        notify = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic.arn,
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
        aws.sns.TopicPolicy(
            self._name, arn=topic.arn, policy=policy.document([notify, policy.deny_without_tls("sns:Publish", topic.arn)]), opts=self._child
        )
        aws.sns.TopicSubscription(self._name, topic=topic.arn, protocol="email", endpoint=email, opts=self._child)
        return topic


def _metric(namespace: str, name: str, dimension: str, value: pulumi.Input[str], stat: str, seconds: int) -> Metric:
    return aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
        namespace=namespace, metric_name=name, dimensions={dimension: value}, stat=stat, period=seconds
    )
