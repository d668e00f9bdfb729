"""The sample lists under examples/."""

import io
import json
from pathlib import Path

import pytest

from examples.lists import orders
from handlers.processes import log_item, price_row

LISTS = Path(__file__).parents[2] / "examples" / "lists"


def test_the_samples_are_those_of_the_original():
    assert json.loads((LISTS / "subjects.json").read_text()) == ["Computer Science", "Economics", "Mathematics"]
    assert all(item.keys() == {"topic", "name"} for item in json.loads((LISTS / "topics.json").read_text()))


@pytest.mark.parametrize(("count", "failing", "expected"), [(1000, 1, 10), (1000, 5, 50), (10, 0, 0), (3, 100, 3), (0, 1, 0)])
def test_so_many_orders_fail_as_asked_for(count, failing, expected):
    failed = 0
    for row in orders.rows(count, failing=failing, seed=7):
        try:
            price_row.process(dict(zip(orders.HEADER, row, strict=True)))
        except ValueError:
            failed += 1

    assert failed == expected


def test_the_seed_decides():
    def text(seed):
        file = io.StringIO()
        orders.write(file, 50, failing=10, seed=seed)
        return file.getvalue()

    assert text(1) == text(1) != text(2)
    assert len(text(1).splitlines()) == 51


def test_an_order_is_priced_exactly():
    assert price_row.process({"id": "1", "product": "bolt", "quantity": "3", "unit_price": "0.10"}) == {"id": "1", "total": "0.30"}


def test_the_logger_hands_the_item_back(capsys):
    assert log_item.process({"topic": "Economics"}) == {"topic": "Economics"}
    assert json.loads(capsys.readouterr().out) == {"item": {"topic": "Economics"}}
