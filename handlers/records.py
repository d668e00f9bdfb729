"""The records of the requests in DynamoDB, one item for each:

    {"requestId", "variant", "status", "request" (without its requestId), "recipients", "answers": {name: Answer}, "createdAt",
     "deadlineAt", "expiresAt" (epoch seconds), "listed" (its day), "owner" and "knownAs" (where it has an owner, see `callers`),
     "late": {name: Answer}, "spared": {name: true}, "openedBy", "writtenBy"
     "completedBy", "completedAt", "top" (names), "selectionError", "reasons" (or null), "announceBy", "announcedAt"    once it is closed
     "publishBy" | "publishedAt"                                                                             with SNS}

The SDK repeats a call whose reply was lost. A conditional write that may happen only once then finds that it has itself broken its
condition. So such a write leaves a token of its own in `writtenBy`: if its condition fails and the record has its token, it has succeeded.
"""

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self

import boto3

from handlers import aggregation, contract
from handlers.aggregation import Closing, Record
from handlers.attribute_values import decode_item, encode_item
from handlers.history import Place
from handlers.selection import Selection

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0
"""The pauses before asking again for records that DynamoDB was too busy to return."""


class Records:
    """The table of the records. `aggregation.Store` says what its updates return, and `history.Index` what its indexes do."""

    def __init__(self, table: str, client: Any = None) -> None:
        self.table = table
        self.client = client or boto3.client("dynamodb")

    @classmethod
    def of_the_stack(cls, client: Any = None) -> Self:
        return cls(os.environ["TABLE_NAME"], client)

    def read(self, request_id: str) -> Record | None:
        found = self.client.get_item(TableName=self.table, Key=_key(request_id), ConsistentRead=True)
        return decode_item(found["Item"]) if "Item" in found else None

    def entries(self, index: str, value: str, behind: Place, size: int) -> list[Place]:
        here = {index: {"S": value}, "createdAt": {"S": behind.at}}
        if behind.request_id is None:
            start: dict[str, Any] = {"KeyConditionExpression": "#value = :value AND createdAt < :at"}
            values = {":value": value, ":at": behind.at}
        else:
            start = {"KeyConditionExpression": "#value = :value", "ExclusiveStartKey": {**here, **_key(behind.request_id)}}
            values = {":value": value}
        found = self.client.query(
            TableName=self.table,
            IndexName=index,
            ScanIndexForward=False,
            Limit=size,
            ExpressionAttributeNames={"#value": index},
            ExpressionAttributeValues=encode_item(values),
            **start,
        )
        return [Place(item["createdAt"]["S"], item["requestId"]["S"]) for item in found["Items"]]

    def read_all(self, ids: Sequence[str]) -> dict[str, Record]:
        """ids: at most 100 (DynamoDB's limit). DynamoDB returns up to 16 MB at a time, and fewer records if it is busy."""
        found, pause = dict[str, Record](), FIRST_PAUSE_SECONDS
        asked: Mapping[str, Any] = {self.table: {"Keys": [_key(request_id) for request_id in ids]}} if ids else {}
        while asked:
            reply = self.client.batch_get_item(RequestItems=asked)
            items = reply["Responses"].get(self.table, [])
            found |= {item["requestId"]["S"]: decode_item(item) for item in items}
            asked = reply.get("UnprocessedKeys") or {}
            if asked and not items:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return found

    def result(self, request_id: str, selection: Selection) -> contract.Json | None:
        """The result as in `aggregation.stored_result`, or None if there is no such request."""
        record = self.read(request_id)
        return aggregation.stored_result(record, selection) if record else None

    def create(self, record: Record, now: str) -> tuple[Record, bool]:
        """Creates the record and returns it and True, or returns the record that has its id already and False.

        The new record replaces an equal one whose opener died before it published (`publishBy` has passed) and that nobody answered.
        """
        token = uuid.uuid4().hex
        try:
            self.client.put_item(
                TableName=self.table,
                Item=encode_item({**record, "writtenBy": token}),
                ConditionExpression="attribute_not_exists(requestId) OR (#status = :open AND publishBy < :now"
                " AND size(answers) = :none AND size(late) = :none AND variant = :variant AND #request = :request)",
                ExpressionAttributeNames={"#status": "status", "#request": "request"},
                ExpressionAttributeValues=encode_item(
                    {":open": "OPEN", ":now": now, ":none": 0, ":variant": record["variant"], ":request": record["request"]}
                ),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as refusal:
            kept = decode_item(refusal.response["Item"])
            return (record, True) if kept.get("writtenBy") == token else (kept, False)
        return record, True

    def published(self, record: Record, now: str) -> None:
        self._update(
            record, "SET publishedAt = :now REMOVE publishBy", "createdAt = :createdAt", {":now": now, ":createdAt": record["createdAt"]}
        )

    def not_published(self, record: Record, now: str) -> None:
        """Lets the next attempt with the same id publish without waiting for `publishBy`."""
        self._update(
            record,
            "SET publishBy = :now",
            "createdAt = :createdAt AND attribute_exists(publishBy)",
            {":now": now, ":createdAt": record["createdAt"]},
        )

    def add(self, record: Record, answers: Mapping[str, contract.Json]) -> tuple[Record | None, bool]:
        places, names, values = _places("answers", answers)
        return self._update(
            record,
            f"SET {','.join(f'{place}=if_not_exists({place},{value})' for place, value in places)}",
            "#status = :open AND createdAt = :createdAt",
            {":open": "OPEN", ":createdAt": record["createdAt"], **values},
            {"#status": "status", **names},
        )

    def add_late(self, record: Record, answers: Mapping[str, contract.Json]) -> tuple[Record | None, bool]:
        places, names, values = _places("late", answers)
        return self._update(
            record,
            f"SET {','.join(f'{place}=if_not_exists({place},{value})' for place, value in places)}",
            "createdAt = :createdAt",
            {":createdAt": record["createdAt"], **values},
            names,
        )

    def add_spared(self, record: Record, names: Sequence[str]) -> tuple[Record | None, bool]:
        places, its, values = _places("spared", dict.fromkeys(names, True))
        # A record from an earlier version has no place for them and does without.
        return self._update(
            record,
            f"SET {','.join(f'{place}={value}' for place, value in places)}",
            "createdAt = :createdAt AND attribute_exists(spared)",
            {":createdAt": record["createdAt"], **values},
            its,
        )

    def close(self, record: Record, change: Closing) -> tuple[Record | None, bool]:
        places, names, values = _places("answers", change.silent)
        silent = "".join(f",{place}={value}" for place, value in places)
        return self._update_once(
            record,
            "SET #status = :status, completedBy = :completedBy, completedAt = :completedAt, #top = :top,"
            f" selectionError = :selectionError, reasons = :reasons, announceBy = :announceBy{silent}",
            "#status = :open AND createdAt = :createdAt AND size(answers) = :seen",
            {
                ":open": "OPEN",
                ":createdAt": record["createdAt"],
                ":seen": len(record["answers"]),
                ":status": change.status,
                ":completedBy": change.completed_by,
                ":completedAt": change.completed_at,
                ":top": list(change.ranking.top),
                ":selectionError": change.ranking.error,
                ":reasons": change.ranking.reasons,
                ":announceBy": change.announce_by,
                **values,
            },
            {"#status": "status", "#top": "top", **names},
        )

    def claim_announcement(self, record: Record, now: str, until: str) -> bool:
        _, claimed = self._update_once(
            record,
            "SET announceBy = :until",
            "createdAt = :createdAt AND announceBy < :now AND attribute_not_exists(announcedAt)",
            {":createdAt": record["createdAt"], ":now": now, ":until": until},
        )
        return claimed

    def announced(self, record: Record, now: str) -> None:
        self._update(record, "SET announcedAt = :now", "createdAt = :createdAt", {":createdAt": record["createdAt"], ":now": now})

    def _update_once(
        self, record: Record, expression: str, condition: str, values: Mapping[str, Any], names: Mapping[str, str] | None = None
    ) -> tuple[Record | None, bool]:
        """expression: an update expression that begins with SET."""
        token = uuid.uuid4().hex
        kept, done = self._update(record, f"{expression}, writtenBy = :token", condition, {**values, ":token": token}, names)
        return kept, done or (kept is not None and kept.get("writtenBy") == token)

    def _update(
        self, record: Record, expression: str, condition: str, values: Mapping[str, Any], names: Mapping[str, str] | None = None
    ) -> tuple[Record | None, bool]:
        try:
            updated = self.client.update_item(
                TableName=self.table,
                Key=_key(record["requestId"]),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=encode_item(dict(values)),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except self.client.exceptions.ConditionalCheckFailedException as refusal:
            return _as_it_is(refusal), False
        return decode_item(updated["Attributes"]), True


def _key(request_id: str) -> dict[str, Any]:
    return {"requestId": {"S": request_id}}


def _as_it_is(refusal: Any) -> Record | None:
    item = refusal.response.get("Item")
    return decode_item(item) if item else None


def _places(attribute: str, answers: Mapping[str, Any]) -> tuple[list[tuple[str, str]], dict[str, str], dict[str, Any]]:
    """For each answer its (path, value) in an update expression, and the names and values that these stand for.

    They are short because an expression may have at most 4,096 bytes (DynamoDB's limit), and a state machine brings all of its answers at
    once, up to about 120 in one update.
    """
    numbered = list(enumerate(answers.items()))
    return (
        [(f"#p.#{number}", f":{number}") for number, _ in numbered],
        {**({"#p": attribute} if numbered else {}), **{f"#{number}": name for number, (name, _) in numbered}},
        {f":{number}": answer for number, (_, answer) in numbered},
    )
