"""ResponderFleet: the responders that the carriers ask, made once and shared by all of them.

Builds: a HandlerFunction for each responder, with code of its own or in front of an existing function; one with a circuit breaker may
read and change its own circuit in the table of the requests. For the state machines that ask them, once, the requester.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import code, packages, place, policy, settings
from components.handler_function import HandlerFunction, layer_version
from components.place import Place
from components.request_store import HANDLER_MEMORY_MB, RequestStore
from components.watched import Watched
from handlers import circuit_breaker, contract, rate_cap, secret_values, still_wanted
from handlers.attempt import BACKSTOP_SECONDS
from handlers.mapping import PartnerMapping
from handlers.quoting import TransientError

REQUESTER_SECONDS = 10

LONGEST_FUNCTION_SECONDS = 900
"""Lambda's limit."""


class CircuitBreakerArgs(TypedDict, total=False):
    failures: Optional[int]
    """How many in a row open the circuit, so that the responder is not asked; 5."""
    pauseSeconds: Optional[float]
    """How long it stays open before one request tries again; 30."""


class AnswerArgs(TypedDict, total=False):
    """JMESPath expressions over what a partner replies."""

    amount: str
    currency: Optional[str]
    """The stack's currency where it is absent."""
    details: Optional[str]
    decline: Optional[str]
    """What it finds is the reason of a decline; null, false and an empty text are none."""
    sample: Optional[Any]
    """A reply, on which a preview tries them."""


class SigningArgs(TypedDict, total=False):
    """HMAC-SHA256 over the body, in hexadecimal."""

    secret: str
    """A name in `secrets`."""
    header: Optional[str]
    """x-signature."""
    prefix: Optional[str]
    """What stands before the signature, such as sha256=."""
    timestampHeader: Optional[str]
    """Has the time, in seconds since 1970, which is then signed with the body: "TIME.BODY"."""


class HttpArgs(TypedDict, total=False):
    method: Optional[str]
    """GET, POST or PUT; POST."""
    headers: Optional[Mapping[str, str]]
    """${NAME} in one is the value of a secret."""
    hmac: Optional[SigningArgs]
    maxBytes: Optional[int]
    """Of a reply, unpacked; 1,000,000."""
    privateHosts: Optional[Sequence[str]]
    """Hosts that may have addresses of a private network or of this machine, and be asked without TLS."""


class InferenceArgs(TypedDict, total=False):
    system: Optional[str]
    """What the model is told before it is asked."""
    temperature: Optional[float]
    """0 to 1; the model's own where it is absent."""
    maxTokens: Optional[int]
    """Of its answer; 500."""
    inputPrice: Optional[str]
    """Of a million tokens, in the stack's currency; a dated table's where it is absent."""
    outputPrice: Optional[str]


class PermissionArgs(TypedDict, total=False):
    """A statement of IAM that allows something."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    conditions: Optional[Mapping[str, Any]]
    """As in a policy: {"StringEquals": {…}}."""
    wildcards: Optional[Sequence[str]]
    """Those of its actions and resources with * or ? that are meant; any other is refused."""


class VpcArgs(TypedDict):
    subnetIds: Sequence[pulumi.Input[str]]
    securityGroupIds: Sequence[pulumi.Input[str]]


class ResponderArgs(TypedDict, total=False):
    name: str
    module: Optional[str]
    """A Python module with a function `quote`; excludes functionArn and url."""
    functionArn: Optional[pulumi.Input[str]]
    """An existing function; excludes module."""
    url: Optional[str]
    """A partner over HTTP; excludes both."""
    http: Optional[HttpArgs]
    """How that is asked."""
    model: Optional[str]
    """A model, or an inference profile, of Amazon Bedrock; excludes the others."""
    inference: Optional[InferenceArgs]
    """How that is asked, and what its tokens cost."""
    request: Optional[str]
    """A JMESPath expression: what an existing function, a partner or a model gets, out of {"requestId", "description", "data",
    "deadlineAt", "attempt"}."""
    answer: Optional[AnswerArgs]
    """Where the answer is in what that replies."""
    timeoutSeconds: Optional[float]
    """10."""
    memoryMb: Optional[int]
    """128."""
    queueConcurrency: Optional[int]
    """How many requests it works on at once where a queue feeds it: 2 to 1,000, as Lambda has it; 10."""
    reservedConcurrency: Optional[int]
    """How many calls of its function may run at once, kept for it alone; 0, the default, reserves nothing."""
    requestsPerSecond: Optional[float]
    """How often it is called at the most, by all carriers together; none bounds nothing."""
    retries: Optional[int]
    """How often it is asked again after a TransientError, before that becomes a FAILED answer; 2."""
    circuitBreaker: Optional[CircuitBreakerArgs]
    settings: Optional[Mapping[str, Any]]
    """JSON that `quote` gets as `request.settings`."""
    secrets: Optional[Mapping[str, str]]
    """What `quote` gets as `request.secrets`, and headers have: by name, the ARN or name of a secret of Secrets Manager, or of a parameter
    of Systems Manager."""
    secretsKmsKeyArn: Optional[str]
    """The key that encrypts them, where that is not AWS's own."""
    packages: Optional[str]
    """A requirements file of the program, which pins each package that a module needs."""
    layers: Optional[Sequence[pulumi.Input[str]]]
    """ARNs of layers that a module needs, at most 3."""
    permissions: Optional[Sequence[PermissionArgs]]
    """What else a module may do."""
    environment: Optional[Mapping[str, str]]
    """Variables that a module, or a package, reads."""
    vpc: Optional[VpcArgs]
    """Where the network of its function is; none is Lambda's own, with a way to the internet."""


class ResponderFleetArgs(TypedDict):
    store: RequestStore
    responders: Sequence[ResponderArgs]


class Responder:
    """A responder as the carriers know it. timeout_seconds: of its function."""

    def __init__(self, given: settings.Responder, function: HandlerFunction, timeout_seconds: int) -> None:
        self.name = given.name
        self.function = function
        self.timeout_seconds = timeout_seconds
        self.queue_concurrency = given.queueConcurrency
        self.retries = given.retries


def _function_timeout(responder: settings.Responder) -> int:
    """Without what it may wait for its turn."""
    return math.ceil(responder.timeoutSeconds) + BACKSTOP_SECONDS


class ResponderFleet(pulumi.ComponentResource):
    """Outputs: functionArns, by responder."""

    functionArns: pulumi.Output[Mapping[str, str]]

    def __init__(self, name: str, args: ResponderFleetArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ResponderFleet", name, {}, opts)
        self._requester: Optional[HandlerFunction] = None
        self._layers: dict[str, aws.lambda_.LayerVersion] = {}
        given = settings.checked(settings.FleetArguments, f"ResponderFleet {name}", args, needs=["store"])
        self._name, self._store = name, args["store"]
        if given.notice:
            pulumi.log.warn(given.notice, self)
        responders = given.responders
        self._check_policy(name, [responder.name for responder in responders])
        self.responders = [
            Responder(responder, self._function(responder), _function_timeout(responder) + self._longest_wait(responder))
            for responder in responders
        ]
        self.functionArns = pulumi.Output.all(**{responder.name: responder.function.functionArn for responder in self.responders})
        self.register_outputs({"functionArns": self.functionArns})

    @property
    def functions(self) -> dict[str, HandlerFunction]:
        return {responder.name: responder.function for responder in self.responders}

    @property
    def environment(self) -> dict[str, pulumi.Input[str]]:
        """What a function that opens requests has to know, see `handlers.environment`."""
        return {**self._store.environment, "RESPONDERS": ",".join(responder.name for responder in self.responders)}

    @property
    def watched(self) -> Watched:
        return Watched(responders=self.functions)

    @property
    def requester(self) -> HandlerFunction:
        """The function that opens requests for state machines."""
        if self._requester is None:
            self._requester = HandlerFunction(
                f"{self._store.name}-{self._name}-requester",
                {
                    "module": "handlers.requester",
                    "withModules": [],
                    "environment": self.environment,
                    "timeoutSeconds": REQUESTER_SECONDS,
                    "memoryMb": HANDLER_MEMORY_MB,
                    "logRetentionDays": self._store.settings.logRetentionDays,
                    "statements": [
                        policy.allow(["dynamodb:PutItem"], self._store.tableArn),
                        policy.allow(["sqs:SendMessage"], self._store.responseQueueArn),
                    ],
                },
                pulumi.ResourceOptions(parent=self),
            )
        return self._requester

    def _check_policy(self, name: str, responders: Sequence[str]) -> None:
        try:
            self._store.settings.completion.check(responders)
        except ValueError as error:
            raise pulumi.RunError(f"ResponderFleet {name}: {error}") from None

    def _longest_wait(self, responder: settings.Responder) -> int:
        if responder.requestsPerSecond is None:
            return 0
        return min(math.ceil(self._store.settings.completion.deadlineSeconds), LONGEST_FUNCTION_SECONDS - _function_timeout(responder))

    def _packages_layer(self, built: packages.Packages, file: str) -> aws.lambda_.LayerVersion:
        """One for all responders with the same packages."""
        if built.zip not in self._layers:
            name = f"{self._name}-packages-{Path(built.zip).stem[:6]}"
            self._layers[built.zip] = layer_version(name, pulumi.FileArchive(built.zip), file, self)
        return self._layers[built.zip]

    def _function(self, responder: settings.Responder) -> HandlerFunction:
        store, breaker, here = self._store, responder.circuitBreaker, place.of(self)
        statements = [policy.allow(["sqs:SendMessage"], store.responseQueueArn), _looks_whether_wanted(store.tableArn)]
        modules: list[str] = []
        try:
            variables = {**responder.variables(store.settings.currency), "TABLE_NAME": store.tableName}
        except ValueError as error:
            raise pulumi.RunError(f"responder {responder.name}: {error}") from None
        if responder.functionArn is not None:
            function = here.usable(f"responder {responder.name}: functionArn", responder.functionArn, "this account call it")
            statements.append(policy.allow(["lambda:InvokeFunction"], function))
        elif responder.model is not None:
            statements += policy.invoke_model(f"responder {responder.name}: model", responder.model, here)
        elif responder.url is None:
            modules = [responder.module or settings.DEFAULT_MODULE]
            code.check_defines(modules[0], "quote")
        _check_sample(responder, store.settings.currency)
        if responder.secrets:
            statements += _reads_secrets(responder, here)
        layers = [here.usable(f"responder {responder.name}: layers", arn) for arn in responder.layers]
        built = packages.built(responder.packages) if responder.packages else None
        if built is not None:
            layers.append(self._packages_layer(built, responder.packages or "").arn)
        statements += [policy.allow(each.actions, each.resources, each.conditions) for each in responder.permissions]
        for key in responder.in_the_clear:
            pulumi.log.warn(
                f"responder {responder.name}: {key} looks like a credential, and is in clear in its function's environment, in the state "
                "and in a preview: keep it in Secrets Manager or Systems Manager and name it under secrets",
                self,
            )
        if breaker is not None:
            statements.append(_own_item(circuit_breaker.key(responder.name), store.tableArn, "dynamodb:GetItem", "dynamodb:UpdateItem"))
            variables["CIRCUIT_BREAKER"] = breaker.model_dump_json()
        if responder.requestsPerSecond is not None:
            statements.append(_own_item(rate_cap.key(responder.name), store.tableArn, "dynamodb:UpdateItem"))
            cap = {"perSecond": responder.requestsPerSecond, "longestWaitSeconds": self._longest_wait(responder)}
            variables["CAP"] = json.dumps(cap)
        return HandlerFunction(
            f"{self._name}-{responder.name}",
            {
                "module": "handlers.responder",
                "withModules": modules,
                "environment": variables,
                "layers": layers,
                "layerModules": None if responder.layers else built.modules if built else frozenset(),
                "vpc": responder.vpc.model_dump() if responder.vpc else {},
                "timeoutSeconds": _function_timeout(responder) + self._longest_wait(responder),
                "memoryMb": responder.memoryMb,
                "reservedConcurrency": responder.reservedConcurrency,
                "logRetentionDays": store.settings.logRetentionDays,
                "statements": statements,
            },
            pulumi.ResourceOptions(parent=self),
        )


def _check_sample(responder: settings.Responder, currency: str) -> None:
    """Raises pulumi.RunError where the sample of its answer would be none."""
    if responder.answer is None or responder.answer.sample is None:
        return
    try:
        answer = PartnerMapping(**responder.mapping).answer(
            responder.name, responder.answer.sample, currency, contract.DETAILS_BUDGET_BYTES
        )
        reason = answer["error"]["message"] if answer["status"] == "FAILED" else None
    except TransientError as error:
        reason = str(error)
    if reason:
        raise pulumi.RunError(f"responder {responder.name}: its answer.sample would be FAILED: {reason}")


def _reads_secrets(responder: settings.Responder, here: Place) -> list[policy.Statement]:
    """Exactly these, and where they have a key of their own, what that decrypts."""
    actions: dict[str, list[pulumi.Input[str]]] = {}
    for id_ in responder.secrets.values():
        action = "ssm:GetParameter" if secret_values.is_parameter(id_) else "secretsmanager:GetSecretValue"
        actions.setdefault(action, []).append(_secret_arn(responder, id_, here))
    statements = [policy.allow([action], arns) for action, arns in actions.items()]
    if responder.secretsKmsKeyArn:
        key = here.usable(f"responder {responder.name}: secretsKmsKeyArn", responder.secretsKmsKeyArn, "this account use it")
        statements.append(policy.allow(["kms:Decrypt"], key))
    return statements


def _secret_arn(responder: settings.Responder, id_: str, here: Place) -> pulumi.Input[str]:
    if id_.startswith("arn:"):
        return here.usable(f"responder {responder.name}: secrets", id_, "this account read it")
    # The ARN of a secret ends in six characters that nobody knows by its name.
    service, resource = ("ssm", f"parameter{id_}") if secret_values.is_parameter(id_) else ("secretsmanager", f"secret:{id_}-??????")
    return here.arn(service, resource)


def _looks_whether_wanted(table_arn: pulumi.Input[str]) -> policy.Statement:
    """Whether a request is still open, and nothing else of it."""
    return policy.allow(
        ["dynamodb:GetItem"],
        table_arn,
        {
            "ForAllValues:StringEquals": {"dynamodb:Attributes": list(still_wanted.ATTRIBUTES)},
            "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
        },
    )


def _own_item(key: str, table_arn: pulumi.Input[str], *actions: str) -> policy.Statement:
    return policy.allow(actions, table_arn, {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [key]}})
