"""Logs the item and hands it back: what the list holds is what arrives."""

import json
from typing import Any


def process(item: Any) -> Any:
    print(json.dumps({"item": item}, default=str))
    return item
