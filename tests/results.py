"""Results of requests, compared."""

from collections.abc import Mapping
from typing import Any

EACH_TIME_ANOTHER = ("requestId", "variant", "createdAt", "completedAt", "latencyMs", "respondedAt")


def without_times(value: Any) -> Any:
    """A Result, or a part of one, without its times, its id and its variant."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in EACH_TIME_ANOTHER}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def said(error: Mapping[str, str]) -> tuple[str, str]:
    """An error's type and message; its line is the test's own."""
    return error["type"], error["message"]


def result_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The Result in what is stored, or announced, of a request."""
    return {key: value for key, value in told.items() if key not in ("request", "lateAnswers", "schemaVersion")}
