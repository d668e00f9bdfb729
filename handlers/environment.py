"""The stack's configuration, as its functions read it from their environment.

TABLE_NAME; RESPONDERS (names, separated by commas); COMPLETION (JSON, see `completion.policy_of`); SELECTION, TOP_K; CURRENCY;
RESULT_RETENTION_SECONDS; RESPONSE_QUEUE_URL
"""

import json
import os

from handlers import completion, opening
from handlers.selection import Selection


def policy() -> completion.Policy:
    return completion.policy_of(json.loads(os.environ["COMPLETION"]))


def selection() -> Selection:
    return Selection(os.environ["SELECTION"], int(os.environ["TOP_K"]))


def responders() -> list[str]:
    return os.environ["RESPONDERS"].split(",")


def opening_rules() -> opening.Rules:
    return opening.Rules(responders(), policy(), int(os.environ["RESULT_RETENTION_SECONDS"]))
