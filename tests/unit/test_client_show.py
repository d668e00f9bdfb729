"""The course of a request, out of its record."""

import json

import pytest

from client import show
from client.__main__ import main
from client.show import Moment, course

CREATED = "2026-11-26T12:00:00.000Z"
RECORD = {
    "requestId": "r1",
    "variant": "sns",
    "status": "COMPLETE",
    "completedBy": "QUORUM",
    "recipients": ["avis", "alamo", "hertz"],
    "createdAt": CREATED,
    "deadlineAt": "2026-11-26T12:01:00.000Z",
    "publishedAt": "2026-11-26T12:00:00.020Z",
    "completedAt": "2026-11-26T12:00:01.500Z",
    "announcedAt": "2026-11-26T12:00:01.600Z",
    "answers": {"avis": {"status": "QUOTED", "amount": "99", "currency": "USD", "respondedAt": "2026-11-26T12:00:01.000Z"}},
    "late": {
        "alamo": {
            "status": "FAILED",
            "error": {"type": "KeyError", "message": "'days'", "at": "acme.py:3"},
            "respondedAt": "2026-11-26T12:00:02.000Z",
        }
    },
}


def test_every_moment_is_there_in_its_order():
    assert list(course(RECORD)) == [
        Moment(0, "", "opened by sns, 3 responders asked"),
        Moment(0.02, "", "published"),
        Moment(1, "avis", "QUOTED 99 USD", 1),
        Moment(1.5, "", "closed by QUORUM: COMPLETE"),
        Moment(1.6, "", "announced"),
        Moment(2, "alamo", "late FAILED KeyError: 'days' (acme.py:3)", 2),
        Moment(60, "", "deadline"),
    ]


def test_who_never_answered_ends_with_the_request():
    silent = {"alamo": {"status": "TIMED_OUT", "error": {"type": "Deadline", "message": "no answer before the deadline"}}}

    found = list(course({**RECORD, "answers": silent, "late": {}, "completedAt": RECORD["deadlineAt"], "completedBy": "DEADLINE"}))

    assert Moment(60, "alamo", "TIMED_OUT Deadline: no answer before the deadline", 60) in found


def test_an_open_request_is_neither_closed_nor_announced():
    still_open = {key: value for key, value in RECORD.items() if key not in ("completedAt", "completedBy", "announcedAt")}

    assert [moment.what for moment in course({**still_open, "status": "OPEN"}) if not moment.of] == [
        "opened by sns, 3 responders asked",
        "published",
        "deadline",
    ]


@pytest.fixture
def stored(monkeypatch):
    monkeypatch.setattr("client.outputs.find", lambda *_: ({"quoteTableName": "quotes"}, None, None))
    monkeypatch.setattr("client.stack.Stack.record", lambda _, request_id: RECORD if request_id == "r1" else None)


def test_it_is_shown_as_a_waterfall(stored, capsys):
    assert main(["show", "r1"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"r1  {CREATED}"
    assert next(line for line in lines if "avis" in line).count("━") == show.WIDTH // 2
    assert next(line for line in lines if "alamo" in line).count("━") == show.WIDTH


def test_it_is_json_for_machines(stored, capsys):
    assert main(["show", "r1", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["moments"][2] == {"seconds": 1.0, "of": "avis", "what": "QUOTED 99 USD", "lasted": 1.0}


def test_an_unknown_request_is_told(stored, capsys):
    assert main(["show", "r2"]) == 3
    assert capsys.readouterr().err == "error: there is no request r2\n"
