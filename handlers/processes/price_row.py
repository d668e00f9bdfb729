"""Prices one row of an order file: {"id", "product", "quantity", "unit_price"}, all strings as a CSV file has them."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any


def process(item: Mapping[str, str]) -> dict[str, Any]:
    try:
        total = int(item["quantity"]) * Decimal(item["unit_price"])
    except (ValueError, InvalidOperation):
        raise ValueError(f"row {item['id']}: quantity {item['quantity']!r} and unit_price {item['unit_price']!r} must be numbers") from None
    return {"id": item["id"], "total": str(total)}
