"""What the API answers, with carriers and a store that only remember: every status, and every way to send an id twice."""

import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import jsonschema_rs
import pytest

from handlers import clock, contract, openapi, request_ids
from handlers.completion import Policy
from handlers.contract import InvalidRequest, Json
from handlers.history import Place
from handlers.routes import FIRST_PAUSE_SECONDS, OPEN_SECONDS, ROUTES, WAIT_SECONDS, Call, Operations, Problem, Reply
from handlers.selection import Selection
from tests import memory_index

KNOWN = ["avis", "alamo"]
BODY = {"requestId": "trip-1", "data": {"days_rental": 30}}


class World:
    """A store, a clock, and what is still to happen: `after(seconds, event)`."""

    def __init__(self) -> None:
        self.records: dict[str, Json] = {}
        self.reads: list[str] = []
        self.now = 0.0
        self.events: list[tuple[float, Callable[[], None]]] = []

    def read(self, request_id: str) -> Json | None:
        self.reads.append(request_id)
        return self.records.get(request_id)

    def entries(self, index: str, value: str, behind: Place, size: int) -> list[Place]:
        return memory_index.entries(self.records, index, value, behind, size)

    def read_all(self, ids: Sequence[str]) -> dict[str, Json]:
        return memory_index.read_all(self.records, ids)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for due in [event for event in self.events if event[0] <= self.now]:
            self.events.remove(due)
            due[1]()

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self.events.append((self.now + seconds, event))

    def open(self, variant: str, asked: Json, created_at: str | None = None, **more: Any) -> None:
        """As every carrier's first step: only where the id is new."""
        self.records.setdefault(
            asked["requestId"],
            {
                "requestId": asked["requestId"],
                "variant": variant,
                "status": "OPEN",
                "request": {key: value for key, value in asked.items() if key != "requestId"},
                "recipients": contract.recipients_of(asked, KNOWN),
                "answers": {},
                "createdAt": created_at or clock.now(),
                "listed": (created_at or clock.now())[:10],
                "deadlineAt": clock.now(),
                **more,
            },
        )

    def close(self, request_id: str) -> None:
        record = self.records[request_id]
        record["answers"] = {name: answer(name, str(100 + place)) for place, name in enumerate(record["recipients"])}
        record.update(status="COMPLETE", completedBy="ALL", completedAt=clock.now(), top=record["recipients"][:1])


class FakeCarrier:
    """Opens the record `opens` seconds after the start and closes it after `closes` (None: never)."""

    def __init__(self, world: World, variant: str, opens: float | None = 0.1, closes: float | None = 2) -> None:
        self.world, self.variant, self.opens, self.closes = world, variant, opens, closes
        self.started: list[Json] = []

    def start(self, request: Json) -> None:
        self.started.append(request)
        if self.opens is not None:
            self.world.after(self.opens, lambda: self.world.open(self.variant, request))
        if self.closes is not None:
            self.world.after(self.closes, lambda: self.world.close(request["requestId"]))


class Refusing(FakeCarrier):
    def start(self, request: Json) -> None:
        raise InvalidRequest("completion.quorum must be at most 1, as the stack has it, not 2")


def answer(name: str, amount: str) -> Json:
    return {
        "responder": name,
        "status": "QUOTED",
        "amount": amount,
        "currency": "USD",
        "details": {},
        "latencyMs": 5,
        "respondedAt": clock.now(),
    }


@pytest.fixture
def world():
    return World()


@pytest.fixture
def carriers(world):
    return {variant: FakeCarrier(world, variant) for variant in ("map", "parallel")}


@pytest.fixture
def api(world, carriers):
    return Operations(
        carriers,
        world,
        known=KNOWN,
        policy=Policy(60),
        selection=Selection("lowest", 3),
        retention_seconds=30 * 86_400,
        document=openapi.document(list(carriers), "NONE"),
        seconds=lambda: world.now,
        epoch=lambda: 1_800_000_000 + world.now,
        sleep=world.sleep,
    )


def send(api: Operations, body: Any = BODY, variant: str = "map", content_type: str | None = "application/json", **query: str) -> Reply:
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return api.send(Call({"variant": variant}, query, None if text is None else text.encode(), content_type))


def refused(status: int, kind: str, call: Callable[[], Reply]) -> str:
    with pytest.raises(Problem) as problem:
        call()
    assert (problem.value.status, problem.value.kind) == (status, kind)
    return str(problem.value)


# Sending


def test_a_request_is_taken_with_its_address(api, carriers):
    reply = send(api)

    assert (reply.status, reply.body) == (202, {"requestId": "trip-1", "variant": "map", "status": "OPEN", "href": "/requests/trip-1"})
    assert reply.headers == {"location": "../requests/trip-1"}
    assert carriers["map"].started == [BODY]


def test_what_was_answered_can_be_read_at_once(api):
    send(api)

    assert api.read(Call({"requestId": "trip-1"})).body["status"] == "OPEN"


def test_a_request_without_an_id_gets_one(api, carriers, world):
    reply = send(api, {"data": {}})

    [asked] = carriers["map"].started
    assert reply.body["requestId"] == asked["requestId"] == str(uuid.UUID(asked["requestId"]))
    assert (reply.body["status"], world.now, world.reads) == ("OPEN", 0, [])


def test_who_reads_it_before_it_is_stored_waits_for_that(api, world):
    request_id = send(api, {"data": {}}).body["requestId"]

    assert api.read(Call({"requestId": request_id})).body["status"] == "OPEN"
    assert 0.1 <= world.now < 1


@pytest.mark.parametrize(("made", "seconds"), [(0, OPEN_SECONDS), (OPEN_SECONDS - 1, 1), (60, 0), (-60, 0)])
def test_an_id_of_the_apis_own_making_that_is_never_stored_is_not_found_in_the_end(api, world, made, seconds):
    request_id = request_ids.new(1_800_000_000 - made)

    refused(404, "UnknownRequest", lambda: api.read(Call({"requestId": request_id})))
    assert seconds - 1 <= world.now <= seconds


def test_waiting_returns_the_result(api, carriers, world):
    reply = send(api, wait="true")

    assert reply.status == 200
    assert (reply.body["status"], reply.body["completedBy"], reply.body["best"]["responder"]) == ("COMPLETE", "ALL", "avis")
    assert [given["responder"] for given in reply.body["answers"]] == KNOWN
    assert reply.headers == {"location": "../requests/trip-1"}
    assert carriers["map"].started == [BODY]
    assert world.now < 4


def test_waiting_ends_in_time_with_the_address(api, carriers, world):
    carriers["map"].closes = 100

    reply = send(api, wait="true")

    assert (reply.status, reply.body["status"]) == (202, "OPEN")
    assert world.now <= WAIT_SECONDS


def test_a_carrier_that_is_slow_to_open_does_not_hold_the_caller(api, carriers, world):
    carriers["map"].opens, carriers["map"].closes = 20, None

    reply = send(api)

    assert (reply.status, reply.body["status"]) == (202, "OPEN")
    assert world.now <= OPEN_SECONDS


def test_a_request_that_closed_while_it_was_taken_says_so(api, carriers):
    carriers["map"].opens = carriers["map"].closes = 0.01

    assert send(api).body["status"] == "COMPLETE"


def test_wait_false_does_not_wait(api, world):
    assert send(api, wait="false").status == 202
    assert world.now < 1


def test_charset_and_case_of_the_content_type_do_not_matter(api):
    assert send(api, content_type="Application/JSON; charset=utf-8").status == 202
    assert send(api, {"data": {}}, content_type=None).status == 202


# The same id again


def test_the_same_request_again_is_the_same_request(api, carriers):
    first, again = send(api), send(api)

    assert again == first
    assert len(carriers["map"].started) == 1


def test_the_same_request_again_returns_the_result_once_it_is_closed(api, carriers, world):
    send(api)
    world.sleep(5)

    again = send(api)

    assert (again.status, again.body["status"]) == (200, "COMPLETE")
    assert len(carriers["map"].started) == 1


def test_the_same_request_again_can_wait_for_the_first(api, carriers):
    send(api)

    again = send(api, wait="true")

    assert (again.status, again.body["status"]) == (200, "COMPLETE")
    assert len(carriers["map"].started) == 1


def test_the_order_of_keys_and_the_form_of_numbers_do_not_make_another_request(api):
    send(api, '{"requestId": "a", "data": {"x": 1, "y": 30}}')

    assert send(api, '{"data": {"y": 30.0, "x": 1}, "requestId": "a"}').status == 202


@pytest.mark.parametrize(
    ("body", "variant"),
    [
        ({**BODY, "data": {"days_rental": 31}}, "map"),
        ({**BODY, "description": "another"}, "map"),
        ({**BODY, "recipients": KNOWN}, "map"),
        (BODY, "parallel"),
    ],
)
def test_the_same_id_for_another_request_is_a_conflict(api, carriers, body, variant):
    send(api)

    reason = refused(409, "Conflict", lambda: send(api, body, variant))

    assert reason == "requestId trip-1 was already used for another request"
    assert not carriers["parallel"].started
    assert len(carriers["map"].started) == 1


def test_of_two_different_requests_at_once_one_is_told_of_the_conflict(api, world, carriers):
    world.after(0.05, lambda: world.open("map", {**BODY, "data": {}}))

    refused(409, "Conflict", lambda: send(api))


def test_two_equal_requests_at_once_are_one(api, world):
    world.after(0.05, lambda: world.open("map", BODY))

    assert send(api).status == 202
    assert len(world.records) == 1


def test_a_request_whose_maker_ended_before_it_was_published_is_started_again(api, carriers, world):
    world.open("map", BODY, publishBy=clock.later(clock.now(), -1))

    assert send(api).status == 202
    assert len(carriers["map"].started) == 1


def test_a_request_that_was_never_published_does_not_give_way_to_another(api, carriers, world):
    world.open("map", BODY, publishBy=clock.later(clock.now(), -1))

    refused(409, "Conflict", lambda: send(api, {**BODY, "data": {}}))
    assert not carriers["map"].started


def test_a_start_that_never_opened_its_record_can_be_repeated(api, carriers):
    carriers["map"].opens = carriers["map"].closes = None
    assert send(api).status == 202
    carriers["map"].opens = 0.1

    assert send(api).body["status"] == "OPEN"
    assert len(carriers["map"].started) == 2


def test_what_only_the_carrier_refuses_is_an_invalid_request(world, api, carriers):
    carriers["map"] = Refusing(world, "map")

    assert "quorum must be at most 1" in refused(400, "InvalidRequest", lambda: send(api))


def test_a_carrier_that_refuses_because_another_was_first_is_a_conflict(world, api, carriers):
    class First(Refusing):
        def start(self, request: Json) -> None:
            self.world.open("map", {**BODY, "data": {}})
            super().start(request)

    carriers["map"] = First(world, "map")

    refused(409, "Conflict", lambda: send(api))


# Refusals


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "the body is empty"),
        ("", "the body is empty"),
        ("{", "not JSON"),
        ("[]", "must be a JSON object, not a list"),
        ("null", "must be a JSON object, not nothing"),
        ({}, "data must be an object, not nothing"),
        ({"data": []}, "data must be an object, not a list"),
        ({"data": {}, "extra": 1}, 'unknown key "extra"; allowed: requestId'),
        ({"data": {}, "requestId": ""}, "requestId must be 1 to 64"),
        ({"data": {}, "requestId": "a" * 65}, "requestId must be 1 to 64"),
        ({"data": {}, "requestId": 7}, "requestId must be 1 to 64"),
        ({"data": {}, "description": 7}, "description must be a string"),
        ({"data": {}, "recipients": []}, "known responders: avis, alamo"),
        ({"data": {}, "recipients": ["nobody"]}, 'unknown recipient "nobody"; known responders: avis, alamo'),
        ({"data": {}, "recipients": ["avis", "avis"]}, "more than once"),
        ({"data": {}, "completion": {"quorum": 3}}, "from 1 to 2, not 3"),
        ({"data": {}, "completion": {"deadlineSeconds": 61}}, "at most 60, not 61"),
    ],
)
def test_a_malformed_request_is_refused_before_anything_is_started(api, carriers, world, body, reason):
    assert reason in refused(400, "InvalidRequest", lambda: send(api, body))
    assert not carriers["map"].started
    assert not world.reads


def test_a_large_request_is_told_its_limit(api):
    assert "at most 65536" in refused(413, "RequestTooLarge", lambda: send(api, {"data": {"text": "x" * 70_000}}))


def test_an_id_that_the_api_makes_counts_as_well(api, carriers):
    # As JSON {"data":{"text":"…"}} takes 65,536 bytes, and its id is yet to come.
    body = {"data": {"text": "x" * (65_536 - len('{"data":{"text":""}}'))}}

    assert "at most 65536" in refused(413, "RequestTooLarge", lambda: send(api, body))
    assert not carriers["map"].started


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"])
def test_another_content_type_is_refused(api, content_type):
    assert content_type in refused(415, "UnsupportedMediaType", lambda: send(api, content_type=content_type))


def test_an_unknown_variant_lists_those_that_are_deployed(api):
    reason = refused(404, "UnknownVariant", lambda: send(api, variant="distributed"))

    assert reason == "variant distributed is not deployed here; deployed: map, parallel"


@pytest.mark.parametrize("wait", ["", "yes", "1", "TRUE", "true,true"])
def test_wait_is_true_or_false(api, wait):
    assert "wait must be true or false" in refused(400, "InvalidRequest", lambda: send(api, wait=wait))


def test_a_misspelt_query_parameter_is_not_ignored(api):
    assert "unknown query parameter wiat; allowed: wait" in refused(400, "InvalidRequest", lambda: send(api, wiat="true"))


# Reading


def test_reading_shows_the_request_and_the_answers_so_far(api, world):
    world.open("map", {**BODY, "description": "a car"})
    world.records["trip-1"]["answers"] = {"alamo": answer("alamo", "9"), "avis": answer("avis", "10")}

    body = api.read(Call({"requestId": "trip-1"})).body

    assert body["request"] == {"data": {"days_rental": 30}, "description": "a car"}
    assert (body["status"], body["expected"], body["received"], body["best"]["responder"]) == ("OPEN", 2, 2, "alamo")
    assert [given["responder"] for given in body["answers"]] == ["avis", "alamo"]
    assert body["recipients"] == KNOWN
    assert body["deadlineAt"]


def test_an_unknown_id_is_not_found(api):
    assert refused(404, "UnknownRequest", lambda: api.read(Call({"requestId": "nobody"}))) == "there is no request nobody"


@pytest.mark.parametrize("request_id", ["", "a" * 65, "a b", "é", "../x", "a\n"])
def test_what_can_be_no_id_is_not_even_looked_up(api, world, request_id):
    refused(404, "UnknownRequest", lambda: api.read(Call({"requestId": request_id})))
    assert not world.reads


# The history


def test_the_history_has_what_was_made_until_now(api, world):
    for number in range(3):
        world.open("map", {**BODY, "requestId": f"trip-{number}"}, f"2027-01-15T07:59:5{number}.000Z")
    world.close("trip-1")

    listed = api.list(Call(query={"limit": "2"})).body
    behind = api.list(Call(query={"before": listed["next"]})).body

    assert [(one["requestId"], one["status"]) for one in listed["requests"]] == [("trip-2", "OPEN"), ("trip-1", "COMPLETE")]
    assert [one["requestId"] for one in behind["requests"]] == ["trip-0"]
    assert [one["requestId"] for one in api.list(Call(query={"status": "COMPLETE"})).body["requests"]] == ["trip-1"]
    _validators(openapi.document(["map"], "NONE"))["Page"].validate(listed)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"limit": "0"}, "limit must be a whole number from 1 to 50, not 0"),
        ({"limit": "51"}, "limit must be a whole number from 1 to 50, not 51"),
        ({"limit": "١"}, "limit must be a whole number from 1 to 50, not ١"),
        ({"before": "noon"}, "before must be the next of a page, or a time such as 2027-01-01T12:00:00.000Z, not noon"),
        ({"status": "DONE"}, "status must be OPEN, COMPLETE, PARTIAL or FAILED, not DONE"),
        ({"after": "x"}, "unknown query parameter after; allowed: limit, before, status, owner"),
    ],
)
def test_a_wrong_query_of_the_history_is_named(api, query, reason):
    assert refused(400, "InvalidRequest", lambda: api.list(Call(query=query))) == reason


@pytest.mark.parametrize("before", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_the_history_before_any_time_is_answered(api, before):
    assert api.list(Call(query={"before": before})).body["requests"] == []


# The document


def test_the_document_describes_the_routes_and_the_variants(api):
    document = api.describe(Call()).body

    assert {(method.upper(), path) for path, methods in document["paths"].items() for method in methods} == {
        (route.method, route.path) for route in ROUTES
    }
    send_operation = document["paths"]["/{variant}/requests"]["post"]
    assert send_operation["parameters"][0]["schema"] == {"enum": ["map", "parallel"]}
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(("auth", "schemes"), [("AWS_IAM", {"AWS_IAM"}), ("JWT", {"JWT"}), ("NONE", set())])
def test_the_document_says_who_may_call(auth, schemes):
    document = openapi.document(["map"], auth)

    assert set(document["components"].get("securitySchemes", {})) == schemes
    assert document.get("security", []) == [{scheme: []} for scheme in schemes]


def test_replies_keep_the_documents_schemas(api, world):
    validate = _validators(openapi.document(["map"], "NONE"))

    validate["Taken"].validate(send(api).body)
    validate["StoredRequest"].validate(api.read(Call({"requestId": "trip-1"})).body)
    validate["Result"].validate(send(api, wait="true").body)
    validate["StoredRequest"].validate(api.read(Call({"requestId": "trip-1"})).body)


def _validators(document: Json) -> dict[str, Any]:
    schemas = document["components"]
    return {
        name: jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": schemas})
        for name in schemas["schemas"]
    }


def test_pauses_grow_so_that_waiting_is_not_a_thousand_reads(api, carriers, world):
    carriers["map"].closes = None

    send(api, wait="true")

    assert len(world.reads) < WAIT_SECONDS * 2
    assert FIRST_PAUSE_SECONDS < 0.1
