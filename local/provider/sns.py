"""Amazon SNS: topics, their policies and subscriptions."""

import json
from collections.abc import Iterator
from math import prod
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, json_document, one_of, policy_document
from local.provider.schema import Failure
from local.provider.shapes import capitalised, words

FILTER_POLICY_KEYS, FILTER_POLICY_COMBINATIONS = 5, 150

PROTOCOLS = ("email", "email-json", "http", "https", "lambda", "sms", "sqs")
RAW_PROTOCOLS = ("http", "https", "sqs")


class Topic(Resource):
    token = "aws:sns/topic:Topic"
    kind, key = "topic", "TopicArn"
    name = Name("name", 256, r"[a-zA-Z0-9_-]+", "must consist of letters, digits, - and _")
    fields = {"kmsMasterKeyId": "KmsMasterKeyId"}
    replaces = frozenset({"name"})

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        return {"Name": inputs["name"], "Attributes": super().arguments(inputs, names)}

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_topic_attributes(TopicArn=id)["Attributes"]
        owner = found.get("Owner") or id.split(":")[4]
        return self.properties(found) | {"arn": id, "name": id.rpartition(":")[2], "owner": owner}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        for name in changed & self.fields.keys():
            self.api.set_topic_attributes(TopicArn=id, AttributeName=self.fields[name], AttributeValue=new.get(name, ""))


class TopicPolicy(Resource):
    token = "aws:sns/topicPolicy:TopicPolicy"
    others = frozenset({"policy"})
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
            "GetTopicAttributes SetTopicAttributes AddPermission RemovePermission DeleteTopic Subscribe ListSubscriptionsByTopic Publish"
        )
        statement = {
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [f"SNS:{action}" for action in actions.split()],
            "Resource": topic,
            "Condition": {"StringEquals": {"AWS:SourceOwner": topic.split(":")[4]}},
        }
        return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}


class TopicSubscription(Resource):
    token = "aws:sns/topicSubscription:TopicSubscription"
    fields = capitalised("filterPolicy rawMessageDelivery redrivePolicy")
    others = frozenset({"endpoint", "protocol", "topic"})
    defaults = {"rawMessageDelivery": False}
    replaces = frozenset({"endpoint", "protocol", "topic"})
    documents = frozenset({"filterPolicy", "redrivePolicy"})
    rules = {
        "filterPolicy": json_document(),
        "protocol": one_of(*PROTOCOLS),
        "redrivePolicy": json_document(),
        "topic": arn("sns"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        of_aws = inputs["protocol"] in ("lambda", "sqs") and inputs["endpoint"] != UNKNOWN
        if of_aws and (reason := arn(inputs["protocol"])(inputs["endpoint"])):
            yield "endpoint", f"{reason} for protocol {inputs['protocol']}"
        if inputs["rawMessageDelivery"] is True and inputs["protocol"] not in (*RAW_PROTOCOLS, UNKNOWN):
            yield "rawMessageDelivery", f"is for {', '.join(RAW_PROTOCOLS)} only, not for {inputs['protocol']}"
        policy = inputs.get("filterPolicy")
        if policy and policy != UNKNOWN:
            yield from _check_filter_policy(json.loads(policy))

    def create(self, inputs: Properties) -> str:
        given = {name: value for name, value in inputs.items() if name in self.fields and value not in ("", False)}
        answer = self.api.subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes={self.fields[name]: words(value) for name, value in given.items()},
            ReturnSubscriptionArn=True,
        )
        return answer["SubscriptionArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_subscription_attributes(SubscriptionArn=id)["Attributes"]
        return self.properties({"RawMessageDelivery": "false"} | found) | {
            "arn": id,
            "confirmationWasAuthenticated": found.get("ConfirmationWasAuthenticated") == "true",
            "endpoint": found["Endpoint"],
            "ownerId": found.get("Owner") or id.split(":")[4],
            "pendingConfirmation": found.get("PendingConfirmation") == "true",
            "protocol": found["Protocol"],
            "topic": found["TopicArn"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        for name in sorted(changed & self.fields.keys()):
            value = new.get(name, "{}" if name == "filterPolicy" else "")
            self.api.set_subscription_attributes(SubscriptionArn=id, AttributeName=self.fields[name], AttributeValue=words(value))

    def delete(self, id: str, known: Properties) -> None:
        self.api.unsubscribe(SubscriptionArn=id)


def _check_filter_policy(policy: dict[str, Any]) -> Iterator[Failure]:
    if len(policy) > FILTER_POLICY_KEYS:
        yield "filterPolicy", f"may have {FILTER_POLICY_KEYS} keys at most, not {len(policy)}"
    if not all(isinstance(conditions, list) for conditions in policy.values()):
        yield "filterPolicy", "must have a list of values for each attribute of a message"
        return
    combinations = prod(map(len, policy.values()))
    if combinations > FILTER_POLICY_COMBINATIONS:
        yield "filterPolicy", f"may have {FILTER_POLICY_COMBINATIONS} combinations at most, not {combinations}"
