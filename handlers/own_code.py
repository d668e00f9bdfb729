"""A responder's own code: the function `quote` of its module. Whatever the code does, even during its import, becomes its answer."""

import importlib
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger

from handlers import contract, quoting
from handlers.quoting import QuoteFunction, QuoteRequest
from handlers.secret_values import NONE, SecretValues

logger = Logger(service="responder")


class OwnCode:
    def __init__(self, responder: str, module: str, settings: Mapping[str, Any], currency: str, secrets: SecretValues = NONE) -> None:
        self._responder, self._module, self._settings, self._currency, self._secrets = responder, module, settings, currency, secrets
        self._quote: QuoteFunction | None = None
        try:
            # While a sandbox starts, outside of any call, the code has a whole processor to itself.
            self._load()
        except BaseException:
            # The answer to each request reports the failure.
            logger.exception("the module cannot be imported", extra={"quote_module": module})

    def ask(self, question: Mapping[str, Any], attempt: int, details_limit: int) -> Callable[[], contract.Json]:
        """The work of one attempt, see `attempt.answer`."""
        request = QuoteRequest(
            request_id=question["requestId"],
            description=question["description"],
            data=question["data"],
            responder=self._responder,
            settings=self._settings,
            deadline_at=question["deadlineAt"],
            secrets=self._secrets,
            wanted=question.get("wanted", lambda: True),
        )
        return lambda: self._secrets.kept_from(lambda: quoting.ask(self._load, request, self._currency, details_limit, self._tell))

    def _tell(self, error: BaseException) -> None:
        # exc_info would write the secrets too.
        logger.error("its code raised", extra={"exception": self._secrets.cleared("".join(traceback.format_exception(error)))})

    def _load(self) -> QuoteFunction:
        """Raises what the module raises. An import that failed before is tried again, because the fault may have passed."""
        if self._quote is None:
            self._quote = importlib.import_module(self._module).quote
        return self._quote
