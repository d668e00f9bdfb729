"""The stack's configuration, checked: every key of Pulumi.yaml as one typed `Settings`.

Pure: no AWS and no resources, so a wrong value stops a preview before anything is registered.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

Variant = Literal["map", "parallel", "sns", "distributed"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

EXPRESS_SECONDS = 300
"""How long an Express workflow may run (Step Functions' limit), and how long ours do at the most."""

LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""What CloudWatch Logs accepts."""

SAMPLE_RESPONDERS = (("avis", "99"), ("alamo", "120"), ("hertz", "105.50"), ("europcar", "89.90"), ("sixt", "132"))
"""Names and daily rates of the first sample responders; the ones after them are numbered."""

DEFAULT_MODULE = "handlers.quotes.car_rental"


class SettingsError(ValueError):
    """A key of the configuration has a value that is not allowed; the message names key, value and what is allowed."""


def _one_of(*allowed: object) -> AfterValidator:
    def check(value: object) -> object:
        if value not in allowed:
            raise ValueError(f"allowed: {', '.join(map(str, allowed))}")
        return value

    return AfterValidator(check)


def _matching(pattern: str, described: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"allowed: {described}")
        return value

    return AfterValidator(check)


def _number(least: float, most: float, *, whole: bool = False) -> BeforeValidator:
    kind = "a whole number" if whole else "a number"

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)) or not re.fullmatch(
                r"-?\d+" if whole else r"-?\d+(\.\d+)?", str(value)):
            raise ValueError(f"allowed: {kind} from {least} to {most}")
        if not least <= float(value) <= most:
            raise ValueError(f"allowed: {kind} from {least} to {most}")
        return int(value) if whole else float(value)

    return BeforeValidator(check)


def _whole(least: int, most: int) -> BeforeValidator:
    return _number(least, most, whole=True)


Name = Annotated[str, _matching(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}", "1 to 30 letters, digits, _ or -, starting with a letter or digit")]
FunctionArn = Annotated[str, _matching(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_$-]+)?", "the ARN of a Lambda function")]
Module = Annotated[str, _matching(
    r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a dotted Python module such as handlers.quotes.car_rental")]
Currency = Annotated[str, _matching(r"[A-Z]{3}", "three capital letters such as USD")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Responder(BaseModel):
    """One responder: its own Python (`module`, with a function `quote`) or an existing function (`functionArn`).

    Whatever else its entry holds (`rate` …) is its own, handed to `quote` as `request.settings`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name
    module: Module | None = None
    functionArn: FunctionArn | None = None
    timeoutSeconds: Annotated[float, _number(1, 60)] = 10
    memoryMb: Annotated[int, _whole(128, 10240)] = 128

    @model_validator(mode="after")
    def _one_source(self) -> "Responder":
        if self.module and self.functionArn:
            raise ValueError("module and functionArn exclude each other: give one of them")
        if self.functionArn and self.own:
            raise ValueError(f"{', '.join(self.own)} would never reach an existing function: leave it out, or give a module")
        uses_rate = not self.functionArn and self.module in (None, DEFAULT_MODULE)
        if uses_rate:
            rate = self.own.get("rate")
            if isinstance(rate, bool) or not isinstance(rate, (int, float, str)) or not re.fullmatch(r"\d+(\.\d+)?", str(rate)):
                raise ValueError(f"rate is {json.dumps(rate)}; allowed: a price per day of 0 or more")
        return self

    @property
    def own(self) -> dict[str, Any]:
        return self.model_extra or {}


class Completion(_Strict):
    """When a request counts as complete. A request may tighten it, never loosen it."""

    deadlineSeconds: Annotated[float, _number(1, EXPRESS_SECONDS)] = 60


class Settings(_Strict):
    """Every key of the configuration; the defaults of Pulumi.yaml and these are the same (a test compares them)."""

    variants: list[Variant] = ["map"]
    responderCount: Annotated[int, _whole(1, 100)] = 5
    responders: list[Responder] = []
    maxConcurrency: Annotated[int, _whole(0, 40)] = 10
    workflowType: Literal["STANDARD", "EXPRESS"] = "STANDARD"
    selection: Literal["lowest", "highest", "first"] = "lowest"
    currency: Currency = "USD"
    completion: Completion = Completion()
    resultRetentionDays: Annotated[int, _whole(1, 3650)] = 30
    logRetentionDays: Annotated[int, _one_of(*LOG_RETENTION_DAYS)] = 14
    retainData: bool = False

    @model_validator(mode="before")
    @classmethod
    def _sample_responders(cls, values: dict[str, Any]) -> dict[str, Any]:
        count = values.get("responderCount", 5)
        if values.get("responders") or not isinstance(count, int) or not 1 <= count <= 100:
            return values
        return {**values, "responders": [_sample_responder(number) for number in range(1, count + 1)]}

    @model_validator(mode="after")
    def _distinct(self) -> "Settings":
        for key, names in (("variants", [str(v) for v in self.variants]), ("responders", [r.name for r in self.responders])):
            repeated = next((name for name in names if names.count(name) > 1), None)
            if repeated:
                raise ValueError(f"{key} names {json.dumps(repeated)} more than once; allowed: each name once")
        if not self.variants:
            raise ValueError(f"variants is []; allowed: one or more of {', '.join(VARIANTS)}")
        return self


def _sample_responder(number: int) -> dict[str, Any]:
    if number <= len(SAMPLE_RESPONDERS):
        name, rate = SAMPLE_RESPONDERS[number - 1]
    else:
        name, rate = f"responder-{number}", str(90 + 7 * number % 60)
    return {"name": name, "rate": rate}


def load(read: Callable[[str], str | None], keys: Iterable[str] = ()) -> Settings:
    """The settings, from `read(key)`: Pulumi's text of a key, or None where it is not set.

    keys: all that the stack sets in the project's namespace, to find misspelt ones. Raises SettingsError.
    """
    for key in keys:
        if key not in Settings.model_fields:
            raise SettingsError(f"unknown configuration key {key}; allowed: {', '.join(Settings.model_fields)}")
    found = {key: read(key) for key in Settings.model_fields}
    return parse({key: _decode(key, text) for key, text in found.items() if text is not None})


def parse(values: Mapping[str, Any]) -> Settings:
    """The settings from plain values; SettingsError names key, value and what is allowed."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _decode(key: str, text: str) -> Any:
    annotation = Settings.model_fields[key].annotation
    if annotation is str or getattr(annotation, "__origin__", None) is Literal:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "allowed:").replace("'", "")
    if not path:
        return reason
    if first["type"] == "missing":
        return f"{path} is missing"
    if first["type"] == "extra_forbidden":
        return f"{path} is not a known key"
    if isinstance(first["input"], dict):
        return f"{path}: {reason}"
    return f"{path} is {json.dumps(first['input'], default=str)}; {reason}"
