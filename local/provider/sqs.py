"""Amazon SQS: queues and the documents attached to them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local.properties import Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import Rule, between, json_document, policy_document, redrive_policy, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised, words

QUEUE_URL = text(r"https?://.+/[^/]+", what="must be a queue's URL")


class Queue(Resource):
    token = "aws:sqs/queue:Queue"
    kind, key = "queue", "QueueUrl"
    name = Name("name", 80, r"[a-zA-Z0-9_-]+", "must consist of letters, digits, - and _")
    fields = {
        **capitalised("delaySeconds kmsMasterKeyId redrivePolicy sqsManagedSseEnabled"),
        "messageRetentionSeconds": "MessageRetentionPeriod",
        "visibilityTimeoutSeconds": "VisibilityTimeout",
    }
    defaults = {"delaySeconds": 0, "messageRetentionSeconds": 345600, "visibilityTimeoutSeconds": 30}
    replaces = frozenset({"name"})
    kept = frozenset({"redrivePolicy", "sqsManagedSseEnabled"})
    documents = frozenset({"redrivePolicy"})
    rules = {
        "delaySeconds": between(0, 900),
        "messageRetentionSeconds": between(60, 1209600),
        "redrivePolicy": redrive_policy,
        "visibilityTimeoutSeconds": between(0, 43200),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs.get("sqsManagedSseEnabled") is True and inputs.get("kmsMasterKeyId"):
            yield "sqsManagedSseEnabled", "and kmsMasterKeyId exclude each other"

    def create(self, inputs: Properties) -> str:
        attributes = self._attributes(inputs, inputs.keys())
        return self.api.create_queue(QueueName=inputs["name"], Attributes=attributes, tags=inputs.get("tags", {}))["QueueUrl"]

    def id_of(self, id: str, found: Properties) -> str:
        return found["url"]

    def read(self, id: str, known: Properties) -> Properties | None:
        if "/" not in id:
            id = self.api.get_queue_url(QueueName=id)["QueueUrl"]
        found = self.api.get_queue_attributes(QueueUrl=id, AttributeNames=["All"])["Attributes"]
        return self.properties({"SqsManagedSseEnabled": "false"} | found) | {
            "arn": found["QueueArn"],
            "name": id.rpartition("/")[2],
            "url": id,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.set_queue_attributes(QueueUrl=id, Attributes=self._attributes(new, changed))

    def _attributes(self, inputs: Properties, names: Any) -> dict[str, str]:
        """Every attribute is a string to SQS, an empty one where there is none any more."""
        return {self.fields[name]: words(inputs.get(name, "")) for name in names if name in self.fields}


class _QueueAttribute(Resource):
    """A document that is attached to a queue as a resource of its own, its one field. The id is the queue's URL."""

    others = frozenset({"queueUrl"})
    replaces = frozenset({"queueUrl"})

    def create(self, inputs: Properties) -> str:
        self._set(inputs["queueUrl"], self.arguments(inputs))
        return inputs["queueUrl"]

    def read(self, id: str, known: Properties) -> Properties | None:
        answer = self.api.get_queue_attributes(QueueUrl=id, AttributeNames=list(self.fields.values()))
        return self.properties(answer["Attributes"]) | {"queueUrl": id} if answer.get("Attributes") else None

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._set(id, self.arguments(new))

    def delete(self, id: str, known: Properties) -> None:
        self._set(id, dict.fromkeys(self.fields.values(), ""))

    def _set(self, url: str, attributes: dict[str, str]) -> None:
        self.api.set_queue_attributes(QueueUrl=url, Attributes=attributes)


class QueuePolicy(_QueueAttribute):
    token = "aws:sqs/queuePolicy:QueuePolicy"
    fields = {"policy": "Policy"}
    policies = frozenset({"policy"})
    rules: ClassVar[Mapping[str, Rule]] = {"policy": policy_document(), "queueUrl": QUEUE_URL}


class RedriveAllowPolicy(_QueueAttribute):
    token = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
    fields = {"redriveAllowPolicy": "RedriveAllowPolicy"}
    documents = frozenset({"redriveAllowPolicy"})
    rules: ClassVar[Mapping[str, Rule]] = {"queueUrl": QUEUE_URL, "redriveAllowPolicy": json_document()}
