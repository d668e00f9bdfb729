"""Amazon SNS: topics, their policies and subscriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, json_document, one_of, policy_document, text
from local.provider.schema import Failure
from local.provider.shapes import tag_changes, tag_list, tag_map
from local.provider.sqs import check_fifo_name, with_fifo_suffix

FILTER_POLICY_KEYS, FILTER_POLICY_COMBINATIONS = 5, 150

PROTOCOLS = ("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs")
RAW_PROTOCOLS = ("firehose", "http", "https", "sqs")


def _attribute(property: str) -> str:
    """`lambdaSuccessFeedbackRoleArn` is LambdaSuccessFeedbackRoleArn to SNS, but `sqs…` is SQS… and `http…` HTTP…."""
    for abbreviation in ("http", "sqs"):
        if property.startswith(abbreviation):
            return abbreviation.upper() + property.removeprefix(abbreviation)
    return property[:1].upper() + property[1:]


class Topic(Resource):
    token = "aws:sns/topic:Topic"
    service = "sns"
    name = Name(
        "name",
        256,
        r"[a-zA-Z0-9_-]+(\.fifo)?",
        "must consist of letters, digits, - and _",
        shape=lambda name, inputs: with_fifo_suffix(name, inputs, "fifoTopic"),
    )
    defaults = {"contentBasedDeduplication": False, "fifoTopic": False}
    replaces = frozenset({"fifoTopic", "name", "namePrefix"})
    kept = frozenset({"fifoThroughputScope", "maximumMessageSize", "policy", "signatureVersion", "tracingConfig"})
    documents = frozenset({"archivePolicy", "deliveryPolicy"})
    policies = frozenset({"policy"})
    rules = {
        "deliveryPolicy": json_document(),
        "displayName": text(longest=100),
        "fifoThroughputScope": one_of("MessageGroup", "Topic"),
        "policy": policy_document(),
        "signatureVersion": one_of(1, 2),
        "tracingConfig": one_of("Active", "PassThrough"),
        **{
            f"{protocol}SuccessFeedbackSampleRate": between(0, 100)
            for protocol in ("application", "firehose", "http", "lambda", "sqs")
        },
    }

    _FLAGS = ("contentBasedDeduplication", "fifoTopic")
    _NUMBERS = ("maximumMessageSize", "signatureVersion")
    _NAMES = {
        name: _attribute(name)
        for name in (
            "archivePolicy",
            "contentBasedDeduplication",
            "deliveryPolicy",
            "displayName",
            "fifoThroughputScope",
            "fifoTopic",
            "kmsMasterKeyId",
            "maximumMessageSize",
            "policy",
            "signatureVersion",
            "tracingConfig",
            *(
                f"{protocol}{kind}"
                for protocol in ("application", "firehose", "http", "lambda", "sqs")
                for kind in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
            ),
        )
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        yield from check_fifo_name(inputs, "fifoTopic")
        if inputs["fifoTopic"] is False and inputs["contentBasedDeduplication"] is True:
            yield "contentBasedDeduplication", "is for FIFO topics only"

    def create(self, inputs: Properties) -> str:
        attributes = self._attributes(inputs, inputs.keys())
        if not inputs["fifoTopic"]:
            # SNS knows these for FIFO topics only.
            del attributes["FifoTopic"], attributes["ContentBasedDeduplication"]
        answer = self.api.create_topic(
            Name=inputs["name"], Attributes=attributes, Tags=tag_list(inputs.get("tags"))
        )
        return answer["TopicArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_topic_attributes(TopicArn=id)["Attributes"]
        properties: Properties = {name: found.get(theirs) or None for name, theirs in self._NAMES.items()}
        for name in self._NUMBERS:
            properties[name] = properties[name] and int(properties[name])
        for name in self._NAMES:
            if name.endswith("SampleRate"):
                properties[name] = properties[name] and int(properties[name])
        return properties | {
            **{name: found.get(self._NAMES[name]) == "true" for name in self._FLAGS},
            "arn": id,
            "beginningArchiveTime": found.get("BeginningArchiveTime", ""),
            "name": id.rpartition(":")[2],
            "owner": found.get("Owner") or id.split(":")[4],
            "tags": tag_map(self.api.list_tags_for_resource(ResourceArn=id)["Tags"]),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        for name, value in self._attributes(new, changed).items():
            self.api.set_topic_attributes(TopicArn=id, AttributeName=name, AttributeValue=value)
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_resource(ResourceArn=id, Tags=tag_list(added))
            if removed:
                self.api.untag_resource(ResourceArn=id, TagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        # Deleting a topic that isn't there is no error to SNS.
        self.api.delete_topic(TopicArn=id)

    def _attributes(self, inputs: Properties, names: Any) -> dict[str, str]:
        return {self._NAMES[name]: _text(inputs.get(name, "")) for name in names if name in self._NAMES}


class TopicPolicy(Resource):
    token = "aws:sns/topicPolicy:TopicPolicy"
    service = "sns"
    replaces = frozenset({"arn"})
    policies = frozenset({"policy"})
    rules = {"arn": arn("sns"), "policy": policy_document()}

    def create(self, inputs: Properties) -> str:
        self._set(inputs["arn"], inputs["policy"])
        return inputs["arn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_topic_attributes(TopicArn=id)["Attributes"]
        if not found.get("Policy") or json.loads(found["Policy"]) == self._default(id):
            return None
        return {"arn": id, "owner": found.get("Owner") or id.split(":")[4], "policy": found["Policy"]}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._set(id, new["policy"])

    def delete(self, id: str, known: Properties) -> None:
        # A topic always has a policy; without one of ours it is the one that it was born with.
        self._set(id, json.dumps(self._default(id)))

    def _set(self, topic: str, policy: str) -> None:
        self.api.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)

    def _default(self, topic: str) -> dict[str, Any]:
        actions = (
            "GetTopicAttributes",
            "SetTopicAttributes",
            "AddPermission",
            "RemovePermission",
            "DeleteTopic",
            "Subscribe",
            "ListSubscriptionsByTopic",
            "Publish",
        )
        return {
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [
                {
                    "Sid": "__default_statement_ID",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [f"SNS:{action}" for action in actions],
                    "Resource": topic,
                    "Condition": {"StringEquals": {"AWS:SourceOwner": topic.split(":")[4]}},
                }
            ],
        }


class TopicSubscription(Resource):
    token = "aws:sns/topicSubscription:TopicSubscription"
    service = "sns"
    defaults = {"confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False, "rawMessageDelivery": False}
    replaces = frozenset({"endpoint", "protocol", "topic"})
    kept = frozenset({"filterPolicyScope"})
    documents = frozenset({"deliveryPolicy", "filterPolicy", "redrivePolicy", "replayPolicy"})
    rules = {
        "deliveryPolicy": json_document(),
        "filterPolicy": json_document(),
        "filterPolicyScope": one_of("MessageAttributes", "MessageBody"),
        "protocol": one_of(*PROTOCOLS),
        "redrivePolicy": json_document(),
        "subscriptionRoleArn": arn("iam"),
        "topic": arn("sns"),
    }

    _NAMES = {
        name: _attribute(name)
        for name in (
            "deliveryPolicy",
            "filterPolicy",
            "filterPolicyScope",
            "rawMessageDelivery",
            "redrivePolicy",
            "replayPolicy",
            "subscriptionRoleArn",
        )
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["protocol"] in ("lambda", "sqs") and inputs["endpoint"] != UNKNOWN:
            reason = arn(inputs["protocol"])(inputs["endpoint"])
            if reason:
                yield "endpoint", f"{reason} for protocol {inputs['protocol']}"
        if inputs["rawMessageDelivery"] is True and inputs["protocol"] not in (*RAW_PROTOCOLS, UNKNOWN):
            yield "rawMessageDelivery", f"is for {', '.join(RAW_PROTOCOLS)} only, not for {inputs['protocol']}"
        policy = inputs.get("filterPolicy")
        if policy and policy != UNKNOWN:
            yield from _check_filter_policy(json.loads(policy), inputs.get("filterPolicyScope"))

    def create(self, inputs: Properties) -> str:
        given = {name: value for name, value in inputs.items() if name in self._NAMES and value not in ("", False)}
        answer = self.api.subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes={self._NAMES[name]: _text(value) for name, value in given.items()},
            ReturnSubscriptionArn=True,
        )
        return answer["SubscriptionArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_subscription_attributes(SubscriptionArn=id)["Attributes"]
        return {
            **{name: found.get(theirs) or None for name, theirs in self._NAMES.items()},
            "arn": id,
            "confirmationWasAuthenticated": found.get("ConfirmationWasAuthenticated") == "true",
            "endpoint": found["Endpoint"],
            "ownerId": found.get("Owner") or id.split(":")[4],
            "pendingConfirmation": found.get("PendingConfirmation") == "true",
            "protocol": found["Protocol"],
            "rawMessageDelivery": found.get("RawMessageDelivery") == "true",
            "topic": found["TopicArn"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        # The scope decides how the filter is read, so it has to be there first.
        for name in sorted(changed & self._NAMES.keys(), key=lambda name: (name != "filterPolicyScope", name)):
            value = new.get(name, "{}" if name == "filterPolicy" else "")
            self.api.set_subscription_attributes(
                SubscriptionArn=id, AttributeName=self._NAMES[name], AttributeValue=_text(value)
            )

    def delete(self, id: str, known: Properties) -> None:
        self.api.unsubscribe(SubscriptionArn=id)


def _check_filter_policy(policy: dict[str, Any], scope: Any) -> Iterator[Failure]:
    values = list(_filter_values(policy))
    if len(values) > FILTER_POLICY_KEYS:
        yield "filterPolicy", f"may have {FILTER_POLICY_KEYS} keys at most, not {len(values)}"
    combinations = prod(len(conditions) for conditions in values)
    if combinations > FILTER_POLICY_COMBINATIONS:
        yield "filterPolicy", f"may have {FILTER_POLICY_COMBINATIONS} combinations at most, not {combinations}"
    if scope != "MessageBody" and any(isinstance(value, dict) for value in policy.values()):
        yield "filterPolicy", "may be nested only with a filterPolicyScope of MessageBody"


def _filter_values(policy: Any) -> Iterator[list[Any]]:
    for value in policy.values() if isinstance(policy, dict) else ():
        if isinstance(value, list):
            yield value
        else:
            yield from _filter_values(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
