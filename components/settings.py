"""The stack's configuration, checked: every key of Pulumi.yaml as one typed `Settings`.

No AWS and no resources, so a wrong value stops a preview before anything is registered.
"""

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from urllib.parse import urlsplit

import jmespath
import pulumi
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from components.definition import EXPRESS_SECONDS, STANDARD_SECONDS
from components.model_prices import AS_OF, USD_PER_MILLION
from handlers import addresses, completion, contract
from handlers.processing import READ_BY_STEP_FUNCTIONS
from handlers.selection import RANKINGS

LONGEST_DEADLINE = 900
"""How long SQS can delay a message, which is what closes a request of the variant sns; for the others it is the same."""

EXPRESS_DEADLINE = EXPRESS_SECONDS - 10
"""The answers that an Express workflow still waits for when its time is over reach nobody."""

LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""What CloudWatch Logs accepts."""

SAMPLE_RESPONDERS = (("avis", "99"), ("alamo", "120"), ("hertz", "105.50"), ("europcar", "89.90"), ("sixt", "132"))
"""Names and daily rates of the first sample responders; the ones after them are numbered."""

SAMPLE_REQUEST = {"description": "A large car for 30 days", "data": {"car_type": "L", "days_rental": 30}}
"""What `sampleInput` asks, and `client try`."""

DEFAULT_MODULE = "handlers.quotes.car_rental"
JUDGE_MODULE = "handlers.rankings.judge"
DEFAULT_PROCESS = "handlers.processes.log_item"

MISSPELT = 0.8
"""How near a known key another one is that is taken for it, 0 to 1, where keys of the user's own are allowed."""

MAX_RETRIES = 5
"""What the state machines allow; each responder says which attempt is its last."""

INLINE_CONCURRENCY = 40
DISTRIBUTED_CONCURRENCY = 10_000
"""How many iterations an inline Map, and a Distributed Map, may run at once (Step Functions' limits)."""


TAKEN_BY = {
    "http": ("url",),
    "inference": ("model",),
    "request": ("functionArn", "url", "model"),
    "answer": ("functionArn", "url"),
    "settings": ("module",),
    "secrets": ("module", "url"),
    "vpc": ("module", "url", "model"),
    "packages": ("module",),
    "layers": ("module",),
    "permissions": ("module",),
    "environment": ("module",),
}
"""The keys of a responder that are not for every kind."""

OWN_VARIABLES = frozenset(
    {"RESPONDER", "CURRENCY", "TIMEOUT_SECONDS", "RETRIES", "QUOTE_MODULE", "SETTINGS", "SECRETS", "CIRCUIT_BREAKER", "CAP", "TABLE_NAME"}
)
"""What a responder's function has in its environment."""

CREDENTIAL = re.compile(r"authorization|pass(word|wd|phrase)|secret|token|credential|(api|access|private|signing)[-_]?key", re.IGNORECASE)
"""What a setting is called that should be a secret."""


class SettingsError(ValueError):
    """A key of the configuration has a value that is not allowed; the message names key, value and what is allowed."""


def carriers() -> list[str]:
    """The names in the table of carriers."""
    # Here, because a carrier is a component, and components check their arguments by these settings.
    from components.carriers import CARRIERS

    return list(CARRIERS)


def variants() -> list[str]:
    """What a stack may deploy: the carriers, and the list processor."""
    return [*carriers(), "distributed"]


def _named_in(names: Callable[[], list[str]]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names():
            raise ValueError(f"allowed: {', '.join(names())}")
        return value

    return AfterValidator(check)


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
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float, str))
            or not re.fullmatch(r"-?\d+" if whole else r"-?\d+(\.\d+)?", str(value))
        ):
            raise ValueError(f"allowed: {kind} from {least} to {most}")
        if not least <= float(value) <= most:
            raise ValueError(f"allowed: {kind} from {least} to {most}")
        return int(value) if whole else float(value)

    return BeforeValidator(check)


def _whole(least: int, most: int) -> BeforeValidator:
    return _number(least, most, whole=True)


def _key_value(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # A definition would take "{% … %}" for an expression and "${…}" for a token.
    if not isinstance(value, str) or not re.fullmatch(r'[^\x00-\x1f"{}$\\]{1,1024}', value):
        raise ValueError("allowed: a whole number, or 1 to 1024 characters other than braces, $, backslashes, quotes and line breaks")
    return value


def _amount(value: object) -> object:
    text = value if value is None else contract.amount_text(value)
    if value is not None and (text is None or not float(text)):
        raise ValueError(f"allowed: a decimal above 0 with at most {contract.MAX_AMOUNT_DIGITS} digits")
    return text


def _price(value: object) -> object:
    if value is not None and (text := contract.amount_text(value)) is None:
        raise ValueError("allowed: a decimal of 0 or more")
    return value if value is None else text


def _known(pattern: str, described: str) -> Callable[[object], object]:
    """An output of the same program is not known yet."""

    def check(value: object) -> object:
        if value is None or isinstance(value, pulumi.Output) or (isinstance(value, str) and re.fullmatch(pattern, value)):
            return value
        raise ValueError(f"allowed: {described}")

    return check


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{1,63}", value) or value in OWN_VARIABLES or value.startswith(("AWS_", "LAMBDA_")):
        raise ValueError("allowed: a name of 2 to 64 letters, digits or _ that neither Lambda nor the stack gives a meaning")
    return value


def _expression(value: str) -> str:
    try:
        jmespath.compile(value)
    except ValueError as error:
        raise ValueError(f"{str(error).splitlines()[0].rstrip(':')}; allowed: a JMESPath expression such as offer.total") from None
    return value


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _url(value: str) -> str:
    url = urlsplit(value)
    # What a port may be is checked when it is asked for.
    if (
        url.scheme not in ("http", "https")
        or not url.hostname
        or url.username
        or url.fragment
        or not (value.isascii() and value.isprintable() and " " not in value)
        or not re.fullmatch(r".*?(:[0-9]{1,5})?", url.netloc)
    ):
        raise ValueError("allowed: an https:// URL without user and fragment")
    return value


def _selection(value: str) -> str:
    if value not in RANKINGS and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value):
        raise ValueError(
            f"allowed: {', '.join(RANKINGS)}, or a dotted Python module of your own with rank, such as handlers.rankings.nearest"
        )
    return value


Name = Annotated[str, _matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}", "1 to 30 letters, digits, _ or -, starting with a letter or digit")]
SecretName = Annotated[str, _matching(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", "1 to 64 letters, digits, _ or -")]
SecretId = Annotated[
    str,
    _matching(
        r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+|arn:aws[a-z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9/_.-]+"
        r"|/[A-Za-z0-9/_.-]+|[A-Za-z0-9_+=.@-][A-Za-z0-9/_+=.@-]*",
        "the ARN or the name of a secret of Secrets Manager, or the ARN or the name, with a / in front, of a parameter of Systems Manager",
    ),
]
FunctionArn = Annotated[
    Any,
    BeforeValidator(
        _known(
            r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_$-]+)?", "the ARN of a Lambda function"
        )
    ),
]
RequirementsFile = Annotated[str, _matching(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\.txt", "a file of the project such as requirements-acme.txt")]
Action = Annotated[str, _matching(r"[a-z0-9-]+:[A-Za-z*?]+", "an action of IAM such as s3:GetObject")]
VariableName = Annotated[str, AfterValidator(_variable)]
ResourceArn = Annotated[Any, BeforeValidator(_known(r"arn:aws[a-z-]*:\S+|\*", "the ARN of a resource"))]
SubnetId = Annotated[Any, BeforeValidator(_known(r"subnet-[0-9a-f]+", "the id of a subnet"))]
SecurityGroupId = Annotated[Any, BeforeValidator(_known(r"sg-[0-9a-f]+", "the id of a security group"))]
LayerArn = Annotated[
    Any,
    BeforeValidator(_known(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+", "the ARN of a version of a layer")),
]
ModelId = Annotated[
    str,
    _matching(
        r"arn:aws[a-z-]*:bedrock:[a-z0-9-]+:[0-9]{0,12}:[a-z-]+/[A-Za-z0-9.:/_-]{1,200}|[a-z0-9-]+(\.[A-Za-z0-9-]+)+[A-Za-z0-9.:-]*",
        "the id of a model or of an inference profile such as amazon.nova-lite-v1:0, or its ARN",
    ),
]
Price = Annotated[str | None, BeforeValidator(_price)]
Url = Annotated[str, AfterValidator(_url)]
HeaderName = Annotated[str, _matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", "the name of a header such as x-api-key")]
HostName = Annotated[
    str, _matching(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:]{2,39}", "a host in lower case such as prices.internal")
]
Expression = Annotated[str, AfterValidator(_expression)]
Carrier = Annotated[str, _named_in(carriers)]
Variant = Annotated[str, _named_in(variants)]
Module = Annotated[str, _matching(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "a dotted Python module such as handlers.quotes.car_rental")]
TableName = Annotated[str, _matching(r"[A-Za-z0-9_.-]{3,255}", "the name of a DynamoDB table")]
BucketName = Annotated[str, _matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket")]
AttributeName = Annotated[str, _matching(r"[A-Za-z0-9_.-]{1,255}", "1 to 255 letters, digits, _, . or -")]
ObjectKey = Annotated[str, _matching(r"[A-Za-z0-9_./=-]{1,900}", "a key of 1 to 900 letters, digits, _, ., /, = or -")]
KeyPrefix = Annotated[str, _matching(r"[A-Za-z0-9_./=-]{1,899}/", "a prefix of up to 900 letters, digits, _, ., /, = or -, ending in /")]
KMS_KEY = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+"
KmsKeyArn = Annotated[str, _matching(KMS_KEY, "the ARN of a KMS key")]
KeyValue = Annotated[str | int, BeforeValidator(_key_value)]
SourceAddress = Annotated[
    str,
    _matching(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9_./=-]{1,900}",
        "the address of an object (s3://bucket/key) or, ending in /, of all below a prefix",
    ),
]
Encoding = Annotated[
    str,
    _matching(
        r"utf-8|utf-16(-[lb]e)?|latin-1|iso-8859-([2-9]|1[0-6])|windows-125[0-8]",
        "utf-8, utf-16, utf-16-le, utf-16-be, latin-1, iso-8859-2 to -16 or windows-1250 to -1258",
    ),
]
OF_KEY = ("keyName", "keyValue", "sortKey", "attribute")
OF_DYNAMODB = ("table", "read", "index", *OF_KEY)
OF_S3 = ("key", "prefix", "format", "reading", "runSources")
"""Keys of `distributed` that mean something with one source alone."""

STANDARD_BATCH = 1_000
"""A history has room for 25,000 events. Where a batch broke, each of its items is called alone, which takes 9 events, and 3 for each call
that is made again."""
HttpsUrl = Annotated[str, _matching(r"https://[^\s/?#]+(/[^\s?#]*)?", "an https:// URL")]
ClaimName = Annotated[str, _matching(r"[A-Za-z0-9_:./-]{1,128}", "the name of a claim such as sub")]
Scope = Annotated[str, _matching(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}", "a scope, which has no spaces")]
PrincipalArn = Annotated[str, _matching(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/\S+", "the ARN of a role or a user")]
Origin = Annotated[str, _matching(r"\*|https?://[^\s/?#*]+", "* or an origin such as https://www.example.com")]
TopicArn = Annotated[str, _matching(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}", "the ARN of an SNS topic")]
Email = Annotated[str, _matching(r"[^\s@]+@[^\s@]+\.[^\s@]+", "an e-mail address")]
Currency = Annotated[str, _matching(r"[A-Z]{3}", "three capital letters such as USD")]


ReservedConcurrency = Annotated[int, _whole(0, 10_000)]
"""How many calls of a function may run at once, which no other function can take from it; 0 reserves nothing and bounds nothing."""

Checked = TypeVar("Checked", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def arguments(self, model: type[BaseModel]) -> Any:
        """Those of these settings that a component takes whose arguments are checked by `model`."""
        return {key: _as_written(getattr(self, key)) for key in type(self).model_fields if key in model.model_fields}


class CircuitBreaker(_Strict):
    """When a responder that keeps failing is left alone, and for how long."""

    failures: Annotated[int, _whole(1, 100)] = 5
    """In a row."""
    pauseSeconds: Annotated[float, _number(1, 3600)] = 30


class Answer(_Strict):
    """Where the parts of an answer are in what a partner replies; `handlers.mapping` reads it."""

    amount: Expression
    currency: Expression | None = None
    details: Expression | None = None
    decline: Expression | None = None
    """What it finds is the reason of a decline; null, false and an empty text are none."""
    sample: Any = None
    """A reply that a preview reads."""

    @property
    def expressions(self) -> dict[str, str]:
        return self.model_dump(exclude={"sample"}, exclude_none=True)


class Signing(_Strict):
    """HMAC-SHA256 over the body."""

    secret: SecretName
    header: HeaderName = "x-signature"
    prefix: str = ""
    timestampHeader: HeaderName | None = None
    """Has the time, which is then signed with the body: "TIME.BODY"."""


class Http(_Strict):
    """How a partner's URL is asked."""

    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: dict[HeaderName, str] = {}
    """${NAME} in one is the value of a secret."""
    hmac: Signing | None = None
    maxBytes: Annotated[int, _whole(1, 5_000_000)] = 1_000_000
    """Of a reply, unpacked."""
    privateHosts: list[HostName] = []
    """Those that may have addresses of a private network or of this machine, and be asked without TLS."""

    @property
    def secrets(self) -> set[str]:
        """The names of those that it needs."""
        named = {name for value in self.headers.values() for name in re.findall(r"\$\{([^}]*)\}", value)}
        return named | ({self.hmac.secret} if self.hmac else set())


class Inference(_Strict):
    """How a model is asked, and what its tokens cost."""

    system: str | None = None
    temperature: Annotated[float | None, _number(0, 1)] = None
    maxTokens: Annotated[int, _whole(1, 32_000)] = 500
    inputPrice: Price = None
    """Of a million tokens, in the stack's currency; the table in `components.model_prices` where it is absent."""
    outputPrice: Price = None

    def priced(self, model: str, currency: str) -> dict[str, Any]:
        """Without what says nothing, with prices. Raises ValueError where they are not known."""
        given = self.model_dump(exclude_none=True)
        known = next((prices for id_, prices in USD_PER_MILLION.items() if re.search(rf"(^|[./]){re.escape(id_)}$", model)), None)
        if known and currency == "USD":
            given = {"inputPrice": known[0], "outputPrice": known[1], **given}
        if missing := [key for key in ("inputPrice", "outputPrice") if key not in given]:
            raise ValueError(
                f"inference needs {' and '.join(missing)}, of a million tokens in {currency}: {model} has no price "
                f"in the table, which has those of {', '.join(USD_PER_MILLION)} in USD as of {AS_OF}"
            )
        return given


class Permission(_Strict):
    """A statement of IAM that allows something."""

    actions: Annotated[list[Action], Field(min_length=1)]
    resources: Annotated[list[ResourceArn], Field(min_length=1)]
    conditions: dict[str, dict[str, Any]] = {}
    wildcards: list[str] = []
    """Those of its actions and resources with * or ? that are meant."""

    @model_validator(mode="after")
    def _exact(self) -> Self:
        for each in (*self.actions, *self.resources):
            if isinstance(each, str) and re.search(r"[*?]", each) and each not in self.wildcards:
                raise ValueError(f"{json.dumps(each)} is more than one; allowed: exact actions and resources, and what wildcards repeats")
        return self


class Vpc(_Strict):
    """Where the network of a responder's function is."""

    subnetIds: Annotated[list[SubnetId], Field(min_length=1)]
    securityGroupIds: Annotated[list[SecurityGroupId], Field(min_length=1)]


class Responder(BaseModel):
    """One responder: its own Python (`module`, with a function `quote`) or an existing function (`functionArn`).

    `settings` is handed to `quote` as `request.settings`. So is whatever else its entry holds, as before there was `settings`, unless that
    looks like a misspelt key.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name
    module: Module | None = None
    functionArn: FunctionArn = None
    """A string, or an output."""
    url: Url | None = None
    http: Http = Http()
    model: ModelId | None = None
    inference: Inference = Inference()
    request: Expression | None = None
    """What a partner gets, out of the question."""
    answer: Answer | None = None
    timeoutSeconds: Annotated[float, _number(1, 60)] = 10
    memoryMb: Annotated[int, _whole(128, 10240)] = 128
    queueConcurrency: Annotated[int, _whole(2, 1000)] = 10
    reservedConcurrency: ReservedConcurrency = 0
    requestsPerSecond: Annotated[float | None, _number(0.1, 100)] = None
    """How often it is called, whoever carries the request; None bounds nothing."""
    retries: Annotated[int, _whole(0, MAX_RETRIES)] = 2
    circuitBreaker: CircuitBreaker | None = None
    settings: dict[str, Any] = {}
    secrets: dict[SecretName, SecretId] = {}
    """Where the secrets are that `quote` gets as `request.secrets`, by the name that it calls them."""
    secretsKmsKeyArn: KmsKeyArn | None = None
    """The key of those that are encrypted with one of the account's own."""

    packages: RequirementsFile | None = None
    """For its code; every package pinned."""
    layers: Annotated[list[LayerArn], Field(max_length=3)] = []
    permissions: list[Permission] = []
    environment: dict[VariableName, str] = {}
    vpc: Vpc | None = None

    @model_validator(mode="after")
    def _no_misspelt_key(self) -> Self:
        for key in self.model_extra or {}:
            if _nearest(key, type(self).model_fields, MISSPELT):
                raise ValueError(
                    f"{_unknown(key, key, type(self).model_fields)}; a setting of its own with such a name belongs under settings"
                )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        kinds = [kind for kind in ("module", "functionArn", "url", "model") if getattr(self, kind) is not None]
        if len(kinds) > 1:
            raise ValueError(f"{' and '.join(kinds)} exclude each other: give one of them")
        kind = kinds[0] if kinds else "module"
        foreign = [key for key, takers in TAKEN_BY.items() if key in self.model_fields_set and kind not in takers]
        if kind != "module":
            foreign += list(self.model_extra or {})
        if foreign:
            takers = " or ".join(dict.fromkeys(taker for key in foreign for taker in TAKEN_BY.get(key, ("module",))))
            hint = "; a setting of its own with such a name belongs under settings" if kind == "module" else ""
            raise ValueError(f"{', '.join(foreign)} would have no effect with {kind}: leave it out, or give {takers}{hint}")
        if self.secretsKmsKeyArn and not self.secrets:
            raise ValueError("secretsKmsKeyArn would have no effect without secrets: leave it out, or give them")
        if self.module in (None, DEFAULT_MODULE) and kind == "module":
            rate = self.own.get("rate")
            if isinstance(rate, bool) or not isinstance(rate, (int, float, str)) or not re.fullmatch(r"\d+(\.\d+)?", str(rate)):
                raise ValueError(f"rate is {json.dumps(rate)}; allowed: a price per day of 0 or more")
        return self

    @model_validator(mode="after")
    def _partner(self) -> Self:
        if self.url is None:
            return self
        url, private = urlsplit(self.url), self.http.privateHosts
        host = url.hostname or ""
        if host not in private:
            if url.scheme == "http":
                raise ValueError(f"url is {json.dumps(self.url)}; allowed: https://, or a host that http.privateHosts names")
            if host == "localhost" or (_is_address(host) and not addresses.is_public(ip_address(host))):
                raise ValueError(f"url is {json.dumps(self.url)}; allowed: a public host, or one that http.privateHosts names")
        if missing := sorted(self.http.secrets - set(self.secrets)):
            raise ValueError(f"http needs the secret {json.dumps(missing[0])}; allowed: {', '.join(self.secrets) or 'what secrets names'}")
        if self.http.method == "GET" and self.request is None:
            raise ValueError("http.method GET needs request, whose object becomes the query")
        return self

    @model_validator(mode="after")
    def _queue_within_reserve(self) -> Self:
        if 0 < self.reservedConcurrency < self.queueConcurrency:
            raise ValueError(
                f"reservedConcurrency is {self.reservedConcurrency}; allowed with queueConcurrency "
                f"{self.queueConcurrency}: 0, or a whole number that is no less"
            )
        return self

    @property
    def mapping(self) -> dict[str, Any]:
        """The arguments of `handlers.mapping.PartnerMapping`."""
        mapped = {"request": self.request, "answer": self.answer and self.answer.expressions}
        return {key: value for key, value in mapped.items() if value}

    def variables(self, currency: str) -> dict[str, Any]:
        """What its function reads from its environment, see `handlers.responder`; an ARN may be an output."""
        source: dict[str, Any]
        if self.functionArn is not None:
            source = {"FUNCTION_ARN": self.functionArn}
        elif self.model is not None:
            source = {"MODEL": self.model, "INFERENCE": json.dumps(self.inference.priced(self.model, currency), sort_keys=True)}
        elif self.url is not None:
            source = {"URL": self.url, "HTTP": self.http.model_dump_json(exclude_none=True)}
        else:
            source = {"QUOTE_MODULE": self.module or DEFAULT_MODULE, "SETTINGS": json.dumps(self.own, sort_keys=True)}
        several = {"MAPPING": self.mapping, "SECRETS": self.secrets}
        return {
            "RESPONDER": self.name,
            **source,
            **{key: json.dumps(value, sort_keys=True) for key, value in several.items() if value},
            "CURRENCY": currency,
            "TIMEOUT_SECONDS": f"{self.timeoutSeconds:g}",
            "RETRIES": str(self.retries),
            **self.environment,
        }

    @property
    def in_the_clear(self) -> list[str]:
        """Keys of its settings, variables and headers that look like credentials."""
        headers = {f"http.headers.{name}": value for name, value in self.http.headers.items() if "${" not in value}
        clear = {**self.own, **self.environment, **headers}
        return [key for key, value in clear.items() if CREDENTIAL.search(key) and isinstance(value, str)]

    @property
    def own(self) -> dict[str, Any]:
        return {**(self.model_extra or {}), **self.settings}


class Completion(_Strict):
    """When a request counts as complete, see `handlers.completion`. A request may tighten it, never loosen it."""

    deadlineSeconds: Annotated[float, _number(1, LONGEST_DEADLINE)] = 60
    quorum: Annotated[int | None, _whole(1, 10_000)] = None
    """The weight of quotes that is enough; None waits for all answers."""
    amountBelow: Annotated[str | None, BeforeValidator(_amount)] = None
    required: list[Name] = []
    weights: dict[Name, Annotated[int, _whole(1, 100)]] = {}

    @property
    def given(self) -> dict[str, Any]:
        """The policy as JSON, without what says nothing."""
        return {key: value for key, value in self.model_dump().items() if value not in (None, [], {})}

    def check(self, responders: Iterable[str]) -> None:
        """Raises ValueError where the policy can never be met by these."""
        names = list(responders)
        for key, given in (("required", self.required), ("weights", self.weights)):
            stranger = next((name for name in given if name not in names), None)
            if stranger is not None:
                raise ValueError(f"completion.{key} names {json.dumps(stranger)}; allowed: {', '.join(names)}")
        most = completion.policy_of(self.given).weight(names)
        if self.quorum is not None and self.quorum > most:
            raise ValueError(
                f"completion.quorum is {self.quorum}; allowed: a whole number from 1 to {most}, "
                f"{'the sum of the weights' if self.weights else 'the number'} of the responders"
            )


class SortKey(_Strict):
    """Of a table, beside keyName: an exact value, or, of a query, how it begins."""

    name: AttributeName
    value: KeyValue | None = None
    beginsWith: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "SortKey":
        if (self.value is None) == (self.beginsWith is None):
            raise ValueError("sortKey has one of value and beginsWith")
        return self


class Reading(_Strict):
    """How an object in S3 is read, where its name and its first bytes do not tell, or are not to be asked."""

    encoding: Encoding | None = None
    delimiter: Annotated[str | None, _matching(r".|tab", "1 character, or tab")] = None
    quote: Annotated[str | None, _matching(r".?", "1 character, or none")] = None
    header: list[str] | None = None
    pointer: str | None = None


class Distributed(_Strict):
    """What the distributed variant works through, and how. Keys that belong to the other source or mode are refused."""

    source: Literal["dynamodb", "s3"] = "dynamodb"
    table: TableName | None = None
    read: Literal["list", "query", "scan"] = "list"
    keyName: AttributeName = "id"
    keyValue: KeyValue = "list"
    sortKey: SortKey | None = None
    index: TableName | None = None
    attribute: AttributeName = "items"
    bucket: BucketName | None = None
    key: ObjectKey | None = None
    prefix: KeyPrefix | None = None
    runSources: list[SourceAddress] = []
    format: Literal["auto", "json", "jsonl", "csv", "parquet", "inventory", "athena"] = "auto"
    reading: Reading = Reading()
    sourceKmsKeyArn: KmsKeyArn | None = None
    mode: Literal["AUTO", "INLINE", "DISTRIBUTED"] = "AUTO"
    sizeHint: Annotated[int | None, _whole(0, 100_000_000)] = None
    childType: Literal["STANDARD", "EXPRESS"] = "STANDARD"
    batchSize: Annotated[int, _whole(1, 10_000)] = 1
    toleratedFailureCount: Annotated[int | None, _whole(0, 100_000_000)] = None
    toleratedFailurePercentage: Annotated[float | None, _number(0, 100)] = None
    waitSeconds: Annotated[int | None, _whole(0, 86_400)] = None
    timeoutSeconds: Annotated[int | None, _whole(1, STANDARD_SECONDS)] = None
    retries: Annotated[int, _whole(0, 10)] = 2
    module: Module = DEFAULT_PROCESS
    idempotent: bool = False
    functionTimeoutSeconds: Annotated[int, _whole(1, 890)] = 30
    memoryMb: Annotated[int, _whole(128, 10240)] = 128
    reservedConcurrency: ReservedConcurrency = 0

    @model_validator(mode="after")
    def _fitting(self) -> "Distributed":
        self._refuse({"dynamodb": OF_S3, "s3": OF_DYNAMODB}[self.source], f"with source {self.source}")
        if self.mode == "INLINE":
            if self.source == "s3":
                raise ValueError("mode INLINE cannot read from S3; allowed with source s3: AUTO, DISTRIBUTED")
            self._refuse(("batchSize", "childType", "bucket"), "in mode INLINE", ", or take DISTRIBUTED")
        if self.source == "dynamodb":
            self._check_read()
        else:
            self._check_format()
        if self.sourceKmsKeyArn and not (self.table or self.bucket):
            raise ValueError("sourceKmsKeyArn is the key of an existing table or bucket: name one in table or bucket, or leave it out")
        if self.childType == "EXPRESS" and self.wait_seconds + self.functionTimeoutSeconds > EXPRESS_SECONDS:
            raise ValueError(
                f"waitSeconds {self.wait_seconds} and functionTimeoutSeconds {self.functionTimeoutSeconds} take more "
                f"than the {EXPRESS_SECONDS} seconds that a childType EXPRESS may run; allowed with them: STANDARD"
            )
        if self.childType == "STANDARD" and self.batchSize > STANDARD_BATCH:
            raise ValueError(
                f"batchSize is {self.batchSize}; allowed with childType STANDARD: a whole number from 1 to {STANDARD_BATCH}, whose items "
                "fit one history where each has to be called alone (EXPRESS takes 10000)"
            )
        return self

    def _refuse(self, foreign: Iterable[str], where: str, instead: str = "") -> None:
        given = [name for name in foreign if name in self.model_fields_set]
        if given:
            raise ValueError(f"{', '.join(given)} would have no effect {where}: leave it out{instead}")

    def _check_read(self) -> None:
        self._refuse({"list": ("index",), "query": ("attribute",), "scan": OF_KEY}[self.read], f"with read {self.read}")
        if self.read == "list" and self.attribute in (self.keyName, self.sortKey and self.sortKey.name):
            raise ValueError(f"attribute and keyName are both {json.dumps(self.attribute)}: the list needs an attribute of its own")
        if self.read == "list" and self.sortKey and self.sortKey.value is None:
            raise ValueError("sortKey.beginsWith would have no effect with read list, which is one item: give sortKey.value")
        if self.read != "list" and not self.table:
            raise ValueError(f"read {self.read} is of an existing table: name it in table")

    def _check_format(self) -> None:
        if self.key and self.prefix:
            raise ValueError("key and prefix: an object, or all below a prefix; leave one out")
        if self.format in READ_BY_STEP_FUNCTIONS:
            self._refuse(("prefix", "reading"), f"with format {self.format}, whose one object Step Functions reads for itself")

    @property
    def sort_key(self) -> dict[str, str | int]:
        return {} if self.sortKey is None else self.sortKey.model_dump(exclude_none=True)

    @property
    def key_type(self) -> str:
        """DynamoDB's name for the type of keyValue."""
        return "N" if isinstance(self.keyValue, int) else "S"

    @property
    def wait_seconds(self) -> int:
        """A list shows its items go by one after the other, unless told otherwise; a data set does not wait."""
        return self.waitSeconds if self.waitSeconds is not None else 2 if self.source == "dynamodb" else 0

    @property
    def timeout_seconds(self) -> int:
        return self.timeoutSeconds if self.timeoutSeconds is not None else 20 if self.source == "dynamodb" else 86_400


class DistributedSettings(Distributed):
    """What a DistributedMapProcessor takes."""

    maxConcurrency: Annotated[int, _whole(0, DISTRIBUTED_CONCURRENCY)] = 10
    resultRetentionDays: Annotated[int, _whole(1, 3650)] = 30
    logRetentionDays: Annotated[int, _one_of(*LOG_RETENTION_DAYS)] = 14
    retainData: bool = False

    @model_validator(mode="after")
    def _concurrency(self) -> Self:
        if self.mode == "INLINE" and self.maxConcurrency > INLINE_CONCURRENCY:
            raise ValueError(
                f"maxConcurrency is {self.maxConcurrency}; allowed: a whole number from 0 to {INLINE_CONCURRENCY} for mode "
                f"INLINE ({DISTRIBUTED_CONCURRENCY} for mode DISTRIBUTED)"
            )
        return self


class Throttling(_Strict):
    """Requests to the API from all callers together; what is above them gets 429."""

    rateLimit: Annotated[float, _number(0.1, 10_000)] = 50
    burstLimit: Annotated[int, _whole(1, 5_000)] = 100


class ApiSettings(_Strict):
    """What a RequestApi takes beside its components: who may call it and how often, and whose a request is."""

    auth: Literal["AWS_IAM", "JWT", "NONE"] = "AWS_IAM"
    issuer: HttpsUrl | None = None
    audience: list[str] = []
    scopes: list[Scope] = []
    ownerClaim: ClaimName | None = None
    ownedBy: Literal["ALL", "ACCOUNT", "ROLE"] = "ALL"
    readers: list[str] = []
    throttling: Throttling = Throttling()
    reservedConcurrency: ReservedConcurrency = 100
    corsOrigins: list[Origin] = []

    @model_validator(mode="after")
    def _tokens(self) -> Self:
        given = [name for name in ("issuer", "audience") if getattr(self, name)]
        if self.auth == "JWT" and len(given) < 2:
            raise ValueError("auth JWT needs issuer, an https:// URL, and audience, a list of one or more")
        given += [name for name in ("scopes", "ownerClaim") if getattr(self, name)]
        if self.auth != "JWT" and given:
            raise ValueError(f"{' and '.join(given)} would have no effect with auth {self.auth}: leave it out, or take JWT")
        return self

    @model_validator(mode="after")
    def _owners(self) -> Self:
        if self.ownedBy != "ALL" and self.auth != "AWS_IAM":
            raise ValueError(f"ownedBy would have no effect with auth {self.auth}: leave it out, or take AWS_IAM")
        if self.readers and not self.ownership:
            raise ValueError(
                "readers would have no effect where every caller reads every request: leave it out, or take auth JWT, "
                "or AWS_IAM with ownedBy ACCOUNT or ROLE"
            )
        for reader in self.readers:
            try:
                TypeAdapter(Scope if self.auth == "JWT" else PrincipalArn).validate_python(reader)
            except ValidationError as error:
                raise ValueError(f"readers names {json.dumps(reader)}; {_reason(error)}") from None
        return self

    @property
    def ownership(self) -> dict[str, Any]:
        """The fields of `handlers.callers.Ownership`; none where requests have no owner."""
        if self.auth == "JWT":
            return {"claim": self.ownerClaim or "sub", "readers": self.readers}
        return {} if self.ownedBy == "ALL" else {"by": self.ownedBy, "readers": self.readers}


class Api(ApiSettings):
    """The HTTP API, and whether there is one."""

    enabled: bool = True


class AlarmSettings(_Strict):
    """What Alarms take beside what they watch: who is told."""

    topicArn: TopicArn | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.topicArn and self.email:
            raise ValueError("topicArn and email exclude each other: give one of them")
        return self


class Alarms(AlarmSettings):
    """Who is told when something needs a person, and whether there are alarms and a dashboard."""

    enabled: bool = True
    dashboard: bool = True

    @model_validator(mode="after")
    def _heard(self) -> Self:
        if not self.enabled and (self.topicArn or self.email):
            raise ValueError("topicArn and email would have no effect with enabled false: leave them out")
        return self


class Judge(_Strict):
    """The model of the selection `handlers.rankings.judge`."""

    model: ModelId | None = None
    instructions: str = "the one that is most correct and complete"
    """What makes a quote better than another."""
    temperature: Annotated[float, _number(0, 1)] = 0
    maxTokens: Annotated[int, _whole(100, 8_000)] = 1_000


class StoreSettings(_Strict):
    """What a RequestStore takes."""

    completion: Completion = Completion()
    selection: Annotated[str, AfterValidator(_selection)] = "lowest"
    judge: Judge = Judge()
    topK: Annotated[int, _whole(1, 100)] = 3
    currency: Currency = "USD"
    resultRetentionDays: Annotated[int, _whole(1, 3650)] = 30
    logRetentionDays: Annotated[int, _one_of(*LOG_RETENTION_DAYS)] = 14
    retainData: bool = False

    @model_validator(mode="after")
    def _judged(self) -> Self:
        if (self.judge.model is None) == (self.selection == JUDGE_MODULE):
            raise ValueError(f"judge.model and selection {JUDGE_MODULE} belong together: give both, or neither")
        return self


class FleetSettings(_Strict):
    """What a ResponderFleet takes beside its store."""

    responders: list[Responder] = []

    @model_validator(mode="after")
    def _distinct_responders(self) -> Self:
        _refuse_repeated("responders", [responder.name for responder in self.responders])
        return self

    @property
    def notice(self) -> str | None:
        """Which responders have settings that do not stand under `settings`, and how to write them; None where none has."""
        loose = [(number, each) for number, each in enumerate(self.responders) if each.model_extra]
        if not loose:
            return None
        (number, first), others = loose[0], [each.name for _, each in loose[1:]]
        own = first.model_extra or {}
        written = ", ".join(f"{key}: {'…' if CREDENTIAL.search(key) else json.dumps(value, default=str)}" for key, value in own.items())
        is_read, it = ("is read as a setting", "it") if len(own) == 1 else ("are read as settings", "them")
        also = f"; the same holds for {', '.join(others)}" if others else ""
        return f"responders[{number}] '{first.name}': {', '.join(own)} {is_read} of its own; write {it} under settings: {{{written}}}{also}"


class FleetArguments(FleetSettings):
    """What a ResponderFleet takes, whose responders are always given."""

    responders: list[Responder]


class NoSettings(_Strict):
    """What a component takes that has nothing to set: the components that it works with, and no more."""


class WorkflowSettings(_Strict):
    """What a carrier that is a state machine takes beside its store and its fleet."""

    workflowType: Literal["STANDARD", "EXPRESS"] = "STANDARD"


class MapSettings(WorkflowSettings):
    maxConcurrency: Annotated[int, _whole(0, INLINE_CONCURRENCY)] = 0


class Settings(StoreSettings, FleetSettings, WorkflowSettings):
    """Every key of the configuration; the defaults of Pulumi.yaml and these are the same (a test compares them)."""

    variants: list[Variant] = Field(default_factory=lambda: variants())
    kmsKeyArn: Annotated[str, _matching(f"({KMS_KEY})?", "the ARN of a KMS key")] = ""
    reservedConcurrency: ReservedConcurrency = 0
    responderCount: Annotated[int, _whole(1, 100)] = 5
    maxConcurrency: Annotated[int, _whole(0, DISTRIBUTED_CONCURRENCY)] = 10
    distributed: Distributed = Distributed()
    api: Api = Api()
    alarms: Alarms = Alarms()

    @model_validator(mode="before")
    @classmethod
    def _sample_responders(cls, values: dict[str, Any]) -> dict[str, Any]:
        count = values.get("responderCount", 5)
        if values.get("responders") or not isinstance(count, int) or not 1 <= count <= 100:
            return values
        return {**values, "responders": [_sample_responder(number) for number in range(1, count + 1)]}

    @model_validator(mode="after")
    def _distinct(self) -> "Settings":
        _refuse_repeated("variants", self.variants)
        if not self.variants:
            raise ValueError(f"variants is []; allowed: one or more of {', '.join(variants())}")
        return self

    @model_validator(mode="after")
    def _queues_within_reserve(self) -> "Settings":
        for number, responder in enumerate(self.responders):
            if not responder.reservedConcurrency and 0 < self.reservedConcurrency < responder.queueConcurrency:
                raise ValueError(
                    f"reservedConcurrency is {self.reservedConcurrency}; allowed with responders[{number}].queueConcurrency "
                    f"{responder.queueConcurrency}: 0, or a whole number that is no less"
                )
        return self

    @model_validator(mode="after")
    def _policy(self) -> "Settings":
        self.completion.check(responder.name for responder in self.responders)
        check_deadline(self.workflowType, self.completion)
        return self

    @model_validator(mode="after")
    def _concurrency(self) -> "Settings":
        inline = "map" if "map" in self.variants else None
        if "distributed" in self.variants and self.distributed.mode == "INLINE":
            inline = inline or "distributed.mode INLINE"
        if self.maxConcurrency > INLINE_CONCURRENCY and (inline or "distributed" not in self.variants):
            raise ValueError(
                f"maxConcurrency is {self.maxConcurrency}; allowed: a whole number from 0 to {INLINE_CONCURRENCY}"
                f"{f' for {inline}' if inline else ''} ({DISTRIBUTED_CONCURRENCY} for distributed.mode DISTRIBUTED without map)"
            )
        return self


class CarrierSettings(Settings):
    """What a ScatterGather takes: the configuration of the carriers, whose responders are always given."""

    variants: list[Carrier] = ["map"]
    responders: list[Responder]


def _as_written(value: Any) -> Any:
    """Without what was left out: which keys were given is part of what is checked."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return [_as_written(each) for each in value] if isinstance(value, list) else value


def _refuse_repeated(key: str, names: Iterable[str]) -> None:
    twice = contract.repeated(names)
    if twice is not None:
        raise ValueError(f"{key} names {json.dumps(twice)} more than once; allowed: each name once")


def _sample_responder(number: int) -> dict[str, Any]:
    if number <= len(SAMPLE_RESPONDERS):
        name, rate = SAMPLE_RESPONDERS[number - 1]
    else:
        name, rate = f"responder-{number}", str(90 + 7 * number % 60)
    return {"name": name, "settings": {"rate": rate}}


def settings_of_the_stack() -> Settings:
    """The settings of the stack that runs; pulumi.RunError, which ends a preview in one line, where they are wrong."""
    project = pulumi.get_project()
    given = {**pulumi.runtime.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    try:
        return load(pulumi.Config().get, [key.removeprefix(f"{project}:") for key in given if key.startswith(f"{project}:")])
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def load(read: Callable[[str], str | None], keys: Iterable[str] = ()) -> Settings:
    """The settings, from `read(key)`: Pulumi's text of a key, or None where it is not set.

    keys: all that the stack sets in the project's namespace, to find misspelt ones. Raises SettingsError.
    """
    for key in keys:
        if key not in Settings.model_fields:
            raise SettingsError(f"configuration key {_unknown(key, key, Settings.model_fields)}")
    found = {key: read(key) for key in Settings.model_fields}
    return parse({key: _decode(key, text) for key, text in found.items() if text is not None})


def check_deadline(workflow_type: str, policy: Completion) -> None:
    """Raises ValueError where an Express workflow would end before the deadline."""
    if workflow_type == "EXPRESS" and policy.deadlineSeconds > EXPRESS_DEADLINE:
        raise ValueError(
            f"completion.deadlineSeconds is {policy.deadlineSeconds:g}; allowed with workflowType EXPRESS: "
            f"a number from 1 to {EXPRESS_DEADLINE}"
        )


def parse(values: Mapping[str, Any]) -> Settings:
    """The settings from plain values; SettingsError names key, value and what is allowed."""
    return _validated(Settings, values)


def checked(
    model: type[Checked], component: str, args: Mapping[str, Any], needs: Collection[str] = (), takes: Collection[str] = ()
) -> Checked:
    """A component's settings, or pulumi.RunError, which ends a preview in one line, with what the configuration would say of them.

    needs, takes: the arguments that are no settings, required and optional, such as other components. An argument that is None is one
    that was left out; whole numbers may arrive as floats (from other languages than Python).
    """
    given = {key: value for key, value in args.items() if value is not None}
    known = [*needs, *takes, *model.model_fields]
    try:
        for key in given:
            if needs and key not in known:
                raise SettingsError(_unknown(key, key, known))
        for key in needs:
            if key not in given:
                raise SettingsError(f"{key} is missing")
        return _validated(model, {key: _whole_number(value) for key, value in given.items() if key not in {*needs, *takes}})
    except SettingsError as error:
        raise pulumi.RunError(f"{component}: {error}") from None


def _whole_number(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _whole_number(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_whole_number(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _validated(model: type[Checked], values: Mapping[str, Any]) -> Checked:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(_explain(error, model)) from None


def _decode(key: str, text: str) -> Any:
    annotation = Settings.model_fields[key].annotation
    if annotation is str or getattr(annotation, "__origin__", None) is Literal:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
    reason = _reason(error)
    if not path:
        return reason
    if first["type"] == "missing":
        return f"{path} is missing"
    if first["type"] == "extra_forbidden":
        return _unknown(path, str(first["loc"][-1]), _keys_at(model, first["loc"]))
    if isinstance(first["input"], dict):
        return f"{path}: {reason}"
    return f"{path} is {json.dumps(first['input'], default=str)}; {reason}"


def _unknown(path: str, key: str, known: Iterable[str]) -> str:
    """What is said of a key that nobody reads. path: where it stands, with its name."""
    allowed, nearest = list(known), _nearest(key, known)
    return f"{path} is not a known key; allowed: {', '.join(allowed) or 'none'}{f'; the nearest is {nearest}' if nearest else ''}"


def _nearest(key: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known key that is written most like it, whatever the case; None where none is as near as the cutoff."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(key.lower(), names, n=1, cutoff=cutoff)
    return names[found[0]] if found else None


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    return first["msg"].removeprefix("Value error, ").replace("Input should be", "allowed:").replace("'", "")


def _keys_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The keys that are allowed beside the last one of a path."""
    for part in path[:-1]:
        if isinstance(part, str):
            model = _models_in(model.model_fields[part].annotation)[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
