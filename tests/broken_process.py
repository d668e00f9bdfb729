"""A processor that cannot be imported where a setting is missing."""

import os
from typing import Any

SETTING = os.environ["A_SETTING_THAT_IS_MISSING"]


def process(item: Any) -> Any:
    return item
