"""Amazon SQS: queues and the policies attached to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local.properties import UNKNOWN, Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import Rule, between, json_document, one_of, policy_document, redrive_policy, text
from local.provider.schema import Failure
from local.provider.shapes import tag_changes, tag_map

FIFO_SUFFIX = ".fifo"
QUEUE_URL = text(r"https?://.+/[^/]+", what="must be a queue's URL")


def with_fifo_suffix(name: str, inputs: Properties, flag: str) -> str:
    return name + FIFO_SUFFIX if inputs.get(flag) is True else name


def check_fifo_name(inputs: Properties, flag: str) -> Iterator[Failure]:
    """The names of FIFO queues and topics, and only theirs, end in .fifo."""
    name = inputs["name"]
    if UNKNOWN not in (name, inputs[flag]) and name.endswith(FIFO_SUFFIX) != inputs[flag]:
        yield "name", f"must {'' if inputs[flag] else 'not '}end in {FIFO_SUFFIX} when {flag} is {str(inputs[flag]).lower()}"


class Queue(Resource):
    token = "aws:sqs/queue:Queue"
    service = "sqs"
    name = Name(
        "name",
        80,
        r"[a-zA-Z0-9_-]+(\.fifo)?",
        "must consist of letters, digits, - and _",
        shape=lambda name, inputs: with_fifo_suffix(name, inputs, "fifoQueue"),
    )
    defaults = {
        "contentBasedDeduplication": False,
        "delaySeconds": 0,
        "fifoQueue": False,
        "maxMessageSize": 262144,
        "messageRetentionSeconds": 345600,
        "receiveWaitTimeSeconds": 0,
        "visibilityTimeoutSeconds": 30,
    }
    replaces = frozenset({"fifoQueue", "name", "namePrefix"})
    kept = frozenset(
        {
            "deduplicationScope",
            "fifoThroughputLimit",
            "kmsDataKeyReusePeriodSeconds",
            "policy",
            "redriveAllowPolicy",
            "redrivePolicy",
            "sqsManagedSseEnabled",
        }
    )
    documents = frozenset({"redriveAllowPolicy", "redrivePolicy"})
    policies = frozenset({"policy"})
    rules = {
        "deduplicationScope": one_of("messageGroup", "queue"),
        "delaySeconds": between(0, 900),
        "fifoThroughputLimit": one_of("perMessageGroupId", "perQueue"),
        "kmsDataKeyReusePeriodSeconds": between(60, 86400),
        "maxMessageSize": between(1024, 1048576),
        "messageRetentionSeconds": between(60, 1209600),
        "policy": policy_document(),
        "receiveWaitTimeSeconds": between(0, 20),
        "redriveAllowPolicy": json_document(),
        "redrivePolicy": redrive_policy,
        "visibilityTimeoutSeconds": between(0, 43200),
    }

    _NUMBERS = {
        "delaySeconds": "DelaySeconds",
        "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
        "maxMessageSize": "MaximumMessageSize",
        "messageRetentionSeconds": "MessageRetentionPeriod",
        "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
        "visibilityTimeoutSeconds": "VisibilityTimeout",
    }
    _FLAGS = {
        "contentBasedDeduplication": "ContentBasedDeduplication",
        "fifoQueue": "FifoQueue",
        "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    }
    _STRINGS = {
        "deduplicationScope": "DeduplicationScope",
        "fifoThroughputLimit": "FifoThroughputLimit",
        "kmsMasterKeyId": "KmsMasterKeyId",
        "policy": "Policy",
        "redriveAllowPolicy": "RedriveAllowPolicy",
        "redrivePolicy": "RedrivePolicy",
    }
    _NAMES = _NUMBERS | _FLAGS | _STRINGS

    def check(self, inputs: Properties) -> Iterator[Failure]:
        yield from check_fifo_name(inputs, "fifoQueue")
        if inputs["fifoQueue"] is False:
            for property in ("deduplicationScope", "fifoThroughputLimit"):
                if property in inputs:
                    yield property, "is for FIFO queues only"
            if inputs["contentBasedDeduplication"] is True:
                yield "contentBasedDeduplication", "is for FIFO queues only"
        if inputs.get("sqsManagedSseEnabled") is True and inputs.get("kmsMasterKeyId"):
            yield "sqsManagedSseEnabled", "and kmsMasterKeyId exclude each other"

    def create(self, inputs: Properties) -> str:
        attributes = self._attributes(inputs, inputs.keys())
        if not inputs["fifoQueue"]:
            # SQS knows these for FIFO queues only, and refuses even their being false elsewhere.
            del attributes["FifoQueue"], attributes["ContentBasedDeduplication"]
        answer = self.api.create_queue(
            QueueName=inputs["name"], Attributes=attributes, tags=inputs.get("tags", {})
        )
        return answer["QueueUrl"]

    def id_of(self, id: str, found: Properties) -> str:
        return found["url"]

    def read(self, id: str, known: Properties) -> Properties | None:
        if "/" not in id:
            id = self.api.get_queue_url(QueueName=id)["QueueUrl"]
        found = self.api.get_queue_attributes(QueueUrl=id, AttributeNames=["All"])["Attributes"]
        return {
            **{name: int(found[theirs]) for name, theirs in self._NUMBERS.items() if theirs in found},
            **{name: found.get(theirs) == "true" for name, theirs in self._FLAGS.items()},
            **{name: found.get(theirs) or None for name, theirs in self._STRINGS.items()},
            "arn": found["QueueArn"],
            "name": id.rpartition("/")[2],
            "tags": tag_map(self.api.list_queue_tags(QueueUrl=id).get("Tags")),
            "url": id,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        attributes = self._attributes(new, changed)
        if attributes:
            self.api.set_queue_attributes(QueueUrl=id, Attributes=attributes)
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_queue(QueueUrl=id, Tags=added)
            if removed:
                self.api.untag_queue(QueueUrl=id, TagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_queue(QueueUrl=id)

    def _attributes(self, inputs: Properties, names: Any) -> dict[str, str]:
        """Every attribute is a string to SQS, an empty one where there is none any more."""
        values = {name: inputs.get(name, "") for name in names if name in self._NAMES}
        return {self._NAMES[name]: _text(value) for name, value in values.items()}


class _QueueAttribute(Resource):
    """A document that is attached to a queue as a resource of its own. The id is the queue's URL."""

    service = "sqs"
    property: ClassVar[str]
    attribute: ClassVar[str]
    replaces = frozenset({"queueUrl"})

    def create(self, inputs: Properties) -> str:
        self._set(inputs["queueUrl"], inputs[self.property])
        return inputs["queueUrl"]

    def read(self, id: str, known: Properties) -> Properties | None:
        answer = self.api.get_queue_attributes(QueueUrl=id, AttributeNames=[self.attribute])
        document = answer.get("Attributes", {}).get(self.attribute)
        return {self.property: document, "queueUrl": id} if document else None

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._set(id, new[self.property])

    def delete(self, id: str, known: Properties) -> None:
        self._set(id, "")

    def _set(self, url: str, document: str) -> None:
        self.api.set_queue_attributes(QueueUrl=url, Attributes={self.attribute: document})


class QueuePolicy(_QueueAttribute):
    token = "aws:sqs/queuePolicy:QueuePolicy"
    property, attribute = "policy", "Policy"
    policies = frozenset({"policy"})
    rules: ClassVar[Mapping[str, Rule]] = {"policy": policy_document(), "queueUrl": QUEUE_URL}


class RedrivePolicy(_QueueAttribute):
    token = "aws:sqs/redrivePolicy:RedrivePolicy"
    property, attribute = "redrivePolicy", "RedrivePolicy"
    documents = frozenset({"redrivePolicy"})
    rules: ClassVar[Mapping[str, Rule]] = {"queueUrl": QUEUE_URL, "redrivePolicy": redrive_policy}


class RedriveAllowPolicy(_QueueAttribute):
    token = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
    property, attribute = "redriveAllowPolicy", "RedriveAllowPolicy"
    documents = frozenset({"redriveAllowPolicy"})
    rules: ClassVar[Mapping[str, Rule]] = {"queueUrl": QUEUE_URL, "redriveAllowPolicy": json_document()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
