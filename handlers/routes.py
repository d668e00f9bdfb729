"""The API's routes and what each of them answers. Pure: the carriers, the store and the clock are given.

POST /{variant}/requests   202 {"requestId", "variant", "status", "href"}: accepted; the href, appended to the API's address, is the request
                           200 Result: the request is closed, either already or because `?wait=true` waited for it
GET  /requests/{requestId} 200 {"request", "recipients", "deadlineAt", "lateAnswers"} and the Result, with the answers so far; a reader
                           adds `?owner=` to read another owner's request
GET  /requests             200 {"requests", "next"}: the last requests, newest first, see `history`. If requests have owners, these are
                           the caller's own; a reader gets everybody's, or one owner's with `?owner=`
GET  /openapi.json         200 this table and the request's schema as OpenAPI 3.1
GET  /                     200 the quote board, a page for people; not with AWS_IAM
Errors                     {"error": {"type", "message", "requestId"?}}, with the reason; with an id if the request may have been accepted

The same requestId with the same request is the same request, whatever has become of it: nobody is asked twice. The stored record
decides this, and never an execution's name, which has a lifetime of its own (90 days) and belongs to one variant. Each caller has its own
ids, see `callers`.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from handlers import aggregation, board, callers, clock, completion, contract, history, request, request_ids
from handlers.callers import Caller
from handlers.contract import Json
from handlers.selection import Selection

WAIT_SECONDS = 26
"""How long `?wait=true` may take. The rest of an HTTP API's 30 seconds is reserved for a cold start."""

OPEN_SECONDS = 5
"""How long a reply waits for the record of a request that was handed to its carrier."""

CLOCKS_DIFFER_SECONDS = 5

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0
"""The pause between two looks at the store. Each pause is 1.5 times the one before."""


MOST_LISTED, USUALLY_LISTED = 50, 20
"""Requests on a page of the history."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query. schema: the values that it may have, as JSON Schema."""

    description: str
    schema: Json


@dataclass(frozen=True)
class Route:
    """One route. operation: the method of Operations that answers it. replies: what the status codes mean. has_owner: whether the route
    is about one owner's requests."""

    method: str
    path: str
    operation: str
    summary: str
    replies: Mapping[int, str]
    query: Mapping[str, Parameter] = field(default_factory=dict)
    takes_request: bool = False
    has_owner: bool = False

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


STATUSES = ("OPEN", "COMPLETE", "PARTIAL", "FAILED")
OWNER = Parameter("For readers: whose it is", {"type": "string", "minLength": 1})

ROUTES = (
    Route(
        "POST",
        "/{variant}/requests",
        "send",
        "Send a request to the responders",
        takes_request=True,
        has_owner=True,
        replies={
            200: "Closed: the result",
            202: "Taken: the request's address",
            400: "The request breaks the contract",
            403: "The caller cannot be told from others",
            404: "The variant is not deployed here",
            409: "The requestId belongs to another request",
            413: "The request is too large",
            415: "The body is not JSON by its content-type",
            429: "Too many requests at this moment",
        },
        query={"wait": Parameter("true: answer with the result, if the request closes in time", {"enum": ["true", "false"]})},
    ),
    Route(
        "GET",
        "/requests/{requestId}",
        "read",
        "The request, its status, its answers so far and the best",
        has_owner=True,
        replies={
            200: "The request and its result",
            400: "The query is wrong",
            403: "The caller cannot be told from others, or is no reader",
            404: "No such request of the caller's",
            429: "Too many requests at this moment",
        },
        query={"owner": OWNER},
    ),
    Route(
        "GET",
        "/requests",
        "list",
        "The last requests, newest first",
        has_owner=True,
        replies={
            200: "A page of them",
            400: "The query is wrong",
            403: "The caller cannot be told from others, or is no reader",
            429: "Too many requests at this moment",
        },
        query={
            "limit": Parameter(
                "How many at the most", {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": USUALLY_LISTED}
            ),
            "before": Parameter(
                "The `next` of a page: the page behind it; or a time, 2027-01-01T12:00:00.000Z: what was made before it", {"type": "string"}
            ),
            "status": Parameter("Only those", {"enum": list(STATUSES)}),
            "owner": OWNER,
        },
    ),
    Route("GET", "/openapi.json", "describe", "This document", replies={200: "OpenAPI 3.1"}),
)

BOARD = Route("GET", "/", "show_board", "The quote board", replies={200: "HTML"})
"""The page is for people, so the OpenAPI document omits it. See `board` for why it needs no authorization, and why AWS_IAM excludes it."""


class Problem(Exception):
    """A reply that is an error: its HTTP status, its type and its reason."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class NotFinished(Exception):
    """Something broke after the request may have been handed over; the cause says what. A retry with this id is the same request."""

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self.request_id = request_id


@dataclass(frozen=True)
class Call:
    """One HTTP request. body: None if there is none. content_type: the header as received."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str | None = None
    caller: Caller = field(default_factory=Caller)


@dataclass(frozen=True)
class Reply:
    """body: JSON, or a text, which is sent unchanged."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Carrier(Protocol):
    def start(self, request: Json) -> None:
        """Hands the request over. Raises InvalidRequest for faults that only the carrier can see."""


class Store(history.Index, Protocol):
    """See `records`."""

    def read(self, request_id: str) -> Json | None:
        """The record of that id, or None."""


class Operations:
    """What the routes do.

    carriers: by variant. known, policy, selection, retention_seconds (how long a record is kept): the stack's own.
    """

    def __init__(
        self,
        carriers: Mapping[str, Carrier],
        store: Store,
        *,
        known: Sequence[str],
        policy: completion.Policy,
        selection: Selection,
        retention_seconds: int,
        document: Json,
        seconds: Callable[[], float] = time.monotonic,
        epoch: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._carriers = carriers
        self._store = store
        self._read_record = store.read
        self._known = known
        self._policy = policy
        self._selection = selection
        self._retention_seconds = retention_seconds
        self._document = document
        self._seconds = seconds
        self._epoch = epoch
        self._sleep = sleep

    def send(self, call: Call) -> Reply:
        variant, carrier = self._carrier(call.path["variant"])
        wait = _wants_to_wait(call.query)
        own_id = request_ids.new(self._epoch())
        given = self._request(call, own_id)
        asked = {"requestId": own_id, **given}
        request_id = asked["requestId"]
        stored_id = call.caller.stored_id(request_id)
        # A generated id is new and tells its readers when it was generated.
        before = self._read_record(stored_id) if "requestId" in given else None
        is_enough = _is_closed if wait else _is_there if "requestId" in given else None
        if before is not None:
            _refuse_another(before, variant, asked)
        if before is None or _is_unpublished(before):
            record = self._start(carrier, variant, asked, call.caller, is_enough)
        elif wait and not _is_closed(before):
            record = self._look(stored_id, _is_closed, self._seconds() + WAIT_SECONDS)
        else:
            record = before
        if record is not None:
            # If two requests with one id arrive at once, the store keeps one of them.
            _refuse_another(record, variant, asked)
        headers = {"location": f"../requests/{request_id}"}
        if record is not None and _is_closed(record) and (wait or record is before):
            return Reply(200, self._result(record, request_id), headers)
        status = self._result(record, request_id)["status"] if record is not None else "OPEN"
        return Reply(202, {"requestId": request_id, "variant": variant, "status": status, "href": f"/requests/{request_id}"}, headers)

    def read(self, call: Call) -> Reply:
        _check_query(call.query, "owner")
        request_id, owner = call.path["requestId"], _owner(call)
        record = None
        if contract.REQUEST_ID.fullmatch(request_id):
            stored_id = callers.stored_id(owner, request_id) if owner else call.caller.stored_id(request_id)
            record = self._look(stored_id, _is_there, self._seconds() + self._still_opening(request_id))
            if record is None and call.caller.reads_all and not owner:
                # Logs, events and dead letters have the record's id.
                record = self._read_record(request_id)
        if record is None:
            raise Problem(404, "UnknownRequest", f"there is no request {request_id}")
        return Reply(
            200,
            {
                **aggregation.stored_result(record, self._selection),
                "requestId": request_id,
                "recipients": record["recipients"],
                "deadlineAt": record["deadlineAt"],
            },
        )

    def list(self, call: Call) -> Reply:
        _check_query(call.query, "limit", "before", "status", "owner")
        owner = _owner(call) or (None if call.caller.reads_all else call.caller.owner)
        now = clock.text(datetime.fromtimestamp(self._epoch(), UTC))
        # Another machine's clock may be slightly ahead of this one's.
        latest = history.Place(clock.later(now, CLOCKS_DIFFER_SECONDS))
        return Reply(
            200,
            history.page(
                self._store,
                self._selection,
                owner=None if owner is None else callers.digest(owner),
                behind=min(_before(call.query) or latest, latest, key=lambda place: place.at),
                since=clock.later(now, -self._retention_seconds),
                limit=_limit(call.query),
                status=_status(call.query),
            ),
        )

    def describe(self, call: Call) -> Reply:
        return Reply(200, self._document)

    def show_board(self, call: Call) -> Reply:
        return Reply(200, board.PAGE, board.HEADERS)

    def _carrier(self, variant: str) -> tuple[str, Carrier]:
        if variant not in self._carriers:
            raise Problem(404, "UnknownVariant", f"variant {variant} is not deployed here; deployed: {', '.join(self._carriers)}")
        return variant, self._carriers[variant]

    def _request(self, call: Call, own_id: str) -> Json:
        media_type = (call.content_type or "application/json").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Problem(415, "UnsupportedMediaType", f"content-type must be application/json, not {media_type}")
        try:
            given = request.read(call.body or b"", self._known, self._policy)
            # The generated id counts too, because the carrier cannot refuse what was accepted here.
            contract.check_size({"requestId": own_id, **given})
        except contract.RequestTooLarge as error:
            raise Problem(413, "RequestTooLarge", str(error)) from None
        except contract.InvalidRequest as error:
            raise Problem(400, "InvalidRequest", str(error)) from None
        return given

    def _still_opening(self, request_id: str) -> float:
        """For how many more seconds a request with a generated id may have no record yet."""
        age = request_ids.age(request_id, self._epoch())
        return OPEN_SECONDS - age if age is not None and 0 <= age < OPEN_SECONDS else 0

    def _start(self, carrier: Carrier, variant: str, asked: Json, caller: Caller, is_enough: Callable[[Json], bool] | None) -> Json | None:
        """The record of the request that was handed over, once `enough` holds; None if that takes too long or nothing has to hold.
        Raises NotFinished if something breaks on the way."""
        stored_id = caller.stored_id(asked["requestId"])
        ends = self._seconds() + (WAIT_SECONDS if is_enough is _is_closed else OPEN_SECONDS)
        try:
            try:
                carrier.start(caller.stored(asked))
            except contract.InvalidRequest as refusal:
                winner = self._read_record(stored_id)
                if winner is not None:
                    _refuse_another(winner, variant, asked)
                raise Problem(400, "InvalidRequest", str(refusal)) from None
            return self._look(stored_id, is_enough, ends) if is_enough else None
        except Problem:
            raise
        except Exception as error:
            raise NotFinished(asked["requestId"]) from error

    def _look(self, request_id: str, is_enough: Callable[[Json], bool], ends: float) -> Json | None:
        """The record as soon as `enough` holds, or else as it is when the time is over."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            record = self._read_record(request_id)
            if (record is not None and is_enough(record)) or self._seconds() + pause > ends:
                return record
            self._sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)

    def _result(self, record: Json, request_id: str) -> Json:
        """request_id: the caller's own id."""
        return {**aggregation.result_of(record, self._selection), "requestId": request_id}


def _check_query(query: Mapping[str, str], *allowed: str) -> None:
    for name in query:
        if name not in allowed:
            raise Problem(400, "InvalidRequest", f"unknown query parameter {name[:40]}; allowed: {', '.join(allowed)}")


def _limit(query: Mapping[str, str]) -> int:
    limit = query.get("limit", str(USUALLY_LISTED))
    if not re.fullmatch("[1-9][0-9]?", limit) or int(limit) > MOST_LISTED:
        raise Problem(400, "InvalidRequest", f"limit must be a whole number from 1 to {MOST_LISTED}, not {limit[:40]}")
    return int(limit)


def _before(query: Mapping[str, str]) -> history.Place | None:
    if "before" not in query:
        return None
    try:
        return history.place(query["before"])
    except ValueError:
        raise Problem(
            400,
            "InvalidRequest",
            f"before must be the next of a page, or a time such as 2027-01-01T12:00:00.000Z, not {query['before'][:40]}",
        ) from None


def _status(query: Mapping[str, str]) -> str | None:
    status = query.get("status")
    if status not in (None, *STATUSES):
        raise Problem(400, "InvalidRequest", f"status must be {', '.join(STATUSES[:-1])} or {STATUSES[-1]}, not {status[:40]}")
    return status


def _owner(call: Call) -> str | None:
    """The owner whose requests a reader asks for."""
    owner = call.query.get("owner")
    if owner is not None and not call.caller.reads_all:
        raise Problem(403, "Forbidden", "owner is for readers, whom the stack's api.readers names")
    return owner


def _wants_to_wait(query: Mapping[str, str]) -> bool:
    _check_query(query, "wait")
    wait = query.get("wait", "false")
    if wait not in ("true", "false"):
        raise Problem(400, "InvalidRequest", f"wait must be true or false, not {wait[:40]}")
    return wait == "true"


def _refuse_another(record: Json, variant: str, asked: Json) -> None:
    wanted = {key: value for key, value in asked.items() if key != "requestId"}
    if record["variant"] != variant or not request.same(record["request"], wanted):
        raise Problem(409, "Conflict", f"requestId {asked['requestId']} was already used for another request")


def _is_there(record: Json) -> bool:
    return True


def _is_unpublished(record: Json) -> bool:
    """Whether the record's opener is about to ask, or died before it did. The carrier can tell when it gets the same request again."""
    return not _is_closed(record) and "publishBy" in record


def _is_closed(record: Json) -> bool:
    return record["status"] != "OPEN"
