"""RequestApi: an HTTP API in front of the variants that take requests, `handlers/routes.py` as a service.

Builds: the API with its stage, routes, integration, authorizer (JWT) and access log, and the HandlerFunction behind it, which may
start exactly these carriers, and read the one table by id and by its indexes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Required, TypedDict

import pulumi
import pulumi_aws as aws

from components import emulator, policy
from components.handler_function import HandlerFunction
from components.log_group import vended_log_group
from components.request_store import RequestStore
from components.responder_fleet import ResponderFleet
from components.settings import ApiSettings, Throttling, checked
from components.watched import Carrier, Watched
from handlers import history
from handlers.routes import BOARD, ROUTES, Route

STAGE = "$default"
"""The stage whose address has no stage in it."""

INTEGRATION_SECONDS = 30
"""An HTTP API's limit, and so the function's."""

MEMORY_MB = 256

ACCESS_LOG = {
    field: f"$context.{variable}"
    for field, variable in {
        "time": "requestTime",
        "requestId": "requestId",
        "ip": "identity.sourceIp",
        "caller": "identity.caller",
        "subject": "authorizer.claims.sub",
        "route": "routeKey",
        "path": "path",
        "status": "status",
        "bytes": "responseLength",
        "latencyMs": "responseLatency",
        "integrationLatencyMs": "integrationLatency",
        "integrationError": "integrationErrorMessage",
        "authorizerError": "authorizer.error",
    }.items()
}


class RequestApiArgs(TypedDict, total=False):
    store: Required[RequestStore]
    fleet: Required[ResponderFleet]
    carriers: Required[Mapping[str, Carrier]]
    """By the word that stands for each in an address."""
    auth: Optional[str]
    """AWS_IAM (the default), JWT or NONE."""
    issuer: Optional[str]
    """With JWT: whose tokens are taken."""
    audience: Optional[Sequence[str]]
    """With JWT: for whom a token must have been made, one of these."""
    scopes: Optional[Sequence[str]]
    """With JWT: a token needs one of these; none: every token of the issuer will do."""
    ownerClaim: Optional[str]
    """With JWT: the claim that says whose a request is; sub."""
    ownedBy: Optional[str]
    """With AWS_IAM: who reads a request, ALL callers (the default), those of the same ACCOUNT, or those of the same ROLE."""
    readers: Optional[Sequence[str]]
    """Who reads every request: scopes with JWT, ARNs of roles and users with AWS_IAM."""
    throttling: Optional[Mapping[str, float]]
    """{"rateLimit": requests per second, on average; 50, "burstLimit": requests at once; 100}."""
    reservedConcurrency: Optional[int]
    """How many calls of its function may run at once, kept for it alone; 100; 0 reserves nothing."""
    corsOrigins: Optional[Sequence[str]]
    """From where pages in a browser may call; none: from nowhere else."""
    sample: Optional[Mapping[str, Any]]
    """A request without its recipients, to begin with."""


class RequestApi(pulumi.ComponentResource):
    """Outputs: apiUrl (without a slash at its end), apiId."""

    apiUrl: pulumi.Output[str]
    apiId: pulumi.Output[str]

    def __init__(self, name: str, args: RequestApiArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:RequestApi", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        own = checked(ApiSettings, f"RequestApi {name}", args, needs=["store", "fleet", "carriers"], takes=["sample"])
        if own.auth == "NONE" and not emulator.is_in_use():
            pulumi.log.warn("auth is NONE: whoever has the API's address can send requests and read every one", self)
        self.function = _function(f"{name}-handler", args, own, child)
        self.api = aws.apigatewayv2.Api(
            name,
            protocol_type="HTTP",
            description="Send one request to many responders, read one result",
            cors_configuration={
                "allow_origins": own.corsOrigins,
                "allow_methods": sorted({route.method for route in ROUTES}),
                # What a page sends that signs its requests, or brings a token.
                "allow_headers": ["authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"],
                "expose_headers": ["location", "retry-after"],
                "max_age": 3600,
            }
            if own.corsOrigins
            else None,
            opts=child,
        )
        integration = aws.apigatewayv2.Integration(
            name,
            api_id=self.api.id,
            integration_type="AWS_PROXY",
            integration_uri=self.function.function.invoke_arn,
            payload_format_version="2.0",
            timeout_milliseconds=INTEGRATION_SECONDS * 1000,
            opts=child,
        )
        authorizer = _authorizer(name, self.api, own, child) if own.auth == "JWT" else None
        for route in ROUTES:
            aws.apigatewayv2.Route(
                f"{name}-{route.operation}",
                api_id=self.api.id,
                route_key=route.key,
                target=pulumi.Output.concat("integrations/", integration.id),
                authorization_type=own.auth,
                authorizer_id=authorizer.id if authorizer else None,
                authorization_scopes=_scopes(route, own),
                opts=child,
            )
        if own.auth != "AWS_IAM":
            # Without a token too: it is the same page everywhere, and what it shows it asks the routes above for.
            aws.apigatewayv2.Route(
                f"{name}-board",
                api_id=self.api.id,
                route_key=BOARD.key,
                target=pulumi.Output.concat("integrations/", integration.id),
                authorization_type="NONE",
                opts=child,
            )
        aws.lambda_.Permission(
            name,
            action="lambda:InvokeFunction",
            function=self.function.functionName,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(self.api.execution_arn, "/*/*"),
            opts=child,
        )
        self._stage(name, own.throttling, args["store"].settings.logRetentionDays, child)
        self.watched = Watched(functions={"api": self.function})
        self.apiUrl = self.api.api_endpoint
        self.apiId = self.api.id
        self.register_outputs({"apiUrl": self.apiUrl, "apiId": self.apiId})

    def _stage(self, name: str, throttling: Throttling, log_retention_days: int, child: pulumi.ResourceOptions) -> None:
        logs = vended_log_group(f"{name}-access", "apis", self.api.id, log_retention_days, self)
        aws.apigatewayv2.Stage(
            name,
            api_id=self.api.id,
            name=STAGE,
            auto_deploy=True,
            access_log_settings={"destination_arn": logs.arn, "format": json.dumps(ACCESS_LOG)},
            default_route_settings={
                "throttling_rate_limit": throttling.rateLimit,
                "throttling_burst_limit": throttling.burstLimit,
            },
            opts=child,
        )


def _scopes(route: Route, own: ApiSettings) -> list[str] | None:
    """A token needs one of them. Who may read every request need not be one who sends any."""
    if not own.scopes:
        return None
    return [*own.scopes, *(own.readers if route.method == "GET" else [])]


def _authorizer(name: str, api: aws.apigatewayv2.Api, own: ApiSettings, child: pulumi.ResourceOptions) -> aws.apigatewayv2.Authorizer:
    return aws.apigatewayv2.Authorizer(
        name,
        api_id=api.id,
        authorizer_type="JWT",
        identity_sources=["$request.header.Authorization"],
        jwt_configuration={"issuer": own.issuer, "audiences": own.audience},
        opts=child,
    )


def _function(name: str, args: RequestApiArgs, own: ApiSettings, child: pulumi.ResourceOptions) -> HandlerFunction:
    store, settings = args["store"], args["store"].settings
    entrances = {carrier: component.entrance for carrier, component in args["carriers"].items()}
    return HandlerFunction(
        name,
        {
            "module": "handlers.api",
            "withModules": [],
            "environment": {
                "TABLE_NAME": store.tableName,
                "CARRIERS": pulumi.Output.json_dumps(entrances),
                # As short as can be: there may be a hundred names.
                "RESPONDERS": ",".join(args["fleet"].functions),
                "COMPLETION": json.dumps(settings.completion.given, separators=(",", ":")),
                "SELECTION": settings.selection,
                "TOP_K": str(settings.topK),
                "RESULT_RETENTION_SECONDS": str(settings.resultRetentionDays * 86_400),
                "AUTH": own.auth,
                "OWNERSHIP": json.dumps(own.ownership, separators=(",", ":")),
                "SAMPLE": json.dumps(args.get("sample") or {}),
            },
            "timeoutSeconds": INTEGRATION_SECONDS,
            "memoryMb": MEMORY_MB,
            "reservedConcurrency": own.reservedConcurrency,
            "logRetentionDays": settings.logRetentionDays,
            "statements": _statements(store.tableArn, own, entrances.values()),
        },
        child,
    )


def _statements(
    table_arn: pulumi.Input[str], own: ApiSettings, entrances: Iterable[Mapping[str, pulumi.Input[Any]]]
) -> list[policy.Statement]:
    """Each kind of carrier that there is, the table, and the indexes by which its callers see the last requests."""
    indexes = [history.OWNER] if own.ownership else [history.DAY]
    if own.ownership and own.readers:
        indexes.append(history.DAY)
    statements = [
        policy.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem"], table_arn),
        policy.allow(["dynamodb:Query"], [pulumi.Output.concat(table_arn, "/index/", index) for index in indexes]),
    ]
    for action, key in (("states:StartExecution", "stateMachineArn"), ("lambda:InvokeFunction", "functionArn")):
        arns = [entrance[key] for entrance in entrances if key in entrance]
        if arns:
            statements.append(policy.allow([action], arns))
    return statements
