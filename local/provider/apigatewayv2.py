"""Amazon API Gateway v2: HTTP APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local.properties import UNKNOWN, Properties
from local.provider.aws import Aws
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised, renamed

DEFAULT_STAGE = "$default"
STAGE_NAME = r"\$default|[a-zA-Z0-9_-]+"
ROUTE_KEY = r"\$default|(ANY|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) /\S*"


def control_arn(aws: Aws, path: str) -> str:
    """The ARN by which an API or one of its parts is administered."""
    return f"arn:{aws.partition}:apigateway:{aws.region}::/apis/{path}"


def execution_arn(aws: Aws, path: str) -> str:
    """The ARN by which the right to call an API is granted."""
    return aws.arn("execute-api", path)


def address(aws: Aws, api_id: str) -> str:
    """Where the API answers. On AWS that is a host name of its own, which an emulator can't give it."""
    return f"{aws.settings.endpoint_of('apigatewayv2').rstrip('/')}/_aws/execute-api/{api_id}"


class Api(Resource):
    token = "aws:apigatewayv2/api:Api"
    service = "apigatewayv2"
    name = Name("name", 128)
    fields = capitalised(
        "apiKeySelectionExpression corsConfiguration description disableExecuteApiEndpoint name protocolType "
        "routeSelectionExpression version"
    )
    defaults = {"apiKeySelectionExpression": "$request.header.x-api-key", "routeSelectionExpression": "$request.method $request.path"}
    kept = frozenset({"disableExecuteApiEndpoint"})
    deletion = ("delete_api", "ApiId")
    rules = {
        "corsConfiguration.maxAge": between(-1, 86400),
        "description": text(longest=1024),
        "protocolType": one_of("HTTP"),
        "version": text(shortest=1, longest=64),
    }

    def create(self, inputs: Properties) -> str:
        return self.api.create_api(**self.arguments(inputs), Tags=inputs.get("tags", {}))["ApiId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_api(ApiId=id)
        return self.properties(found) | {
            "apiEndpoint": address(self.aws, id),
            "arn": control_arn(self.aws, id),
            "disableExecuteApiEndpoint": found.get("DisableExecuteApiEndpoint", False),
            "executionArn": execution_arn(self.aws, id),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "corsConfiguration" in changed and "corsConfiguration" not in new:
            self.api.delete_cors_configuration(ApiId=id)
        if arguments := self.arguments({"description": "", "version": ""} | new, changed):
            self.api.update_api(ApiId=id, **arguments)


class _PartOfApi(Resource):
    """What belongs to an API and is found by the API's id and its own."""

    service = "apigatewayv2"
    kind: ClassVar[str]
    id_name: ClassVar[str]
    others = frozenset({"apiId"})

    def create(self, inputs: Properties) -> str:
        tags = {"Tags": inputs.get("tags", {})} if "tags" in self.schema().inputs else {}
        return self._call("create", ApiId=inputs["apiId"], **self.arguments(inputs), **tags)[self.id_name]

    def read(self, id: str, known: Properties) -> Properties | None:
        return self.properties(self._call("get", **self._target(id, known))) | {"apiId": known["apiId"]}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._call("update", **self._target(id, new), **self.arguments(dict(self.empty) | new, changed))

    def delete(self, id: str, known: Properties) -> None:
        self._call("delete", **self._target(id, known))

    def _call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        return getattr(self.api, f"{verb}_{self.kind}")(**arguments)

    def _target(self, id: str, known: Properties) -> dict[str, str]:
        return {"ApiId": known["apiId"], self.id_name: id}


class Integration(_PartOfApi):
    token = "aws:apigatewayv2/integration:Integration"
    kind, id_name = "integration", "IntegrationId"
    fields = {
        **capitalised("connectionType description integrationMethod integrationType integrationUri payloadFormatVersion"),
        "timeoutMilliseconds": "TimeoutInMillis",
    }
    defaults = {"connectionType": "INTERNET", "payloadFormatVersion": "1.0"}
    empty = {"description": ""}
    replaces = frozenset({"apiId", "integrationType"})
    kept = frozenset({"integrationMethod", "timeoutMilliseconds"})
    rules = {
        "connectionType": one_of("INTERNET"),
        "integrationType": one_of("AWS_PROXY", "HTTP_PROXY"),
        "payloadFormatVersion": one_of("1.0", "2.0"),
        "timeoutMilliseconds": between(50, 30000),
    }


class Route(_PartOfApi):
    token = "aws:apigatewayv2/route:Route"
    kind, id_name = "route", "RouteId"
    fields = capitalised("apiKeyRequired authorizationScopes authorizationType authorizerId routeKey target")
    defaults = {"apiKeyRequired": False, "authorizationType": "NONE"}
    empty = {"authorizationScopes": [], "authorizerId": "", "target": ""}
    replaces = frozenset({"apiId"})
    unordered = frozenset({"authorizationScopes"})
    rules = {
        "apiKeyRequired": one_of(False),
        "authorizationType": one_of("AWS_IAM", "JWT", "NONE"),
        "routeKey": text(ROUTE_KEY, 1, 1024, "must be $default or a method and a path, e.g. GET /quotes"),
        "target": text(shortest=1, longest=128),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["authorizationType"] == "JWT" and "authorizerId" not in inputs:
            yield "authorizerId", "is required for authorizationType JWT"


class Stage(_PartOfApi):
    token = "aws:apigatewayv2/stage:Stage"
    kind, id_name = "stage", "StageName"
    name = Name("name", 128, STAGE_NAME, "must be $default or consist of letters, digits, - and _")
    fields = capitalised("accessLogSettings autoDeploy defaultRouteSettings description") | {"name": "StageName"}
    defaults = {"autoDeploy": False}
    empty = {"defaultRouteSettings": {}, "description": ""}
    replaces = frozenset({"apiId", "name"})
    rules = {
        "accessLogSettings.destinationArn": arn("(logs|firehose)"),
        "defaultRouteSettings.throttlingBurstLimit": between(0, float("inf")),
        "defaultRouteSettings.throttlingRateLimit": between(0, float("inf")),
        "description": text(longest=1024),
    }

    def read(self, id: str, known: Properties) -> Properties | None:
        api_id = known["apiId"]
        return (super().read(id, known) or {}) | {
            "arn": control_arn(self.aws, f"{api_id}/stages/{id}"),
            "executionArn": execution_arn(self.aws, f"{api_id}/{id}"),
            "invokeUrl": f"{address(self.aws, api_id)}/{'' if id == DEFAULT_STAGE else id}",
            "name": id,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "accessLogSettings" in changed and "accessLogSettings" not in new:
            self.api.delete_access_log_settings(**self._target(id, new))
        super().update(id, old, new, changed)


class Authorizer(_PartOfApi):
    token = "aws:apigatewayv2/authorizer:Authorizer"
    kind, id_name = "authorizer", "AuthorizerId"
    name = Name("name", 128)
    fields = capitalised("authorizerType name") | {"identitySources": "IdentitySource"}
    others = frozenset({"apiId", "jwtConfiguration"})
    replaces = frozenset({"apiId"})
    unordered = frozenset({"identitySources"})
    rules = {"authorizerType": one_of("JWT")}

    _JWT = {"audiences": "Audience", "issuer": "Issuer"}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        jwt = inputs.get("jwtConfiguration", {})
        for property in self._JWT:
            if jwt != UNKNOWN and not jwt.get(property):
                yield f"jwtConfiguration.{property}", "is required for a JWT authorizer"
        if not inputs.get("identitySources"):
            yield "identitySources", "is required for a JWT authorizer, e.g. $request.header.Authorization"

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        jwt = {"JwtConfiguration": renamed(inputs["jwtConfiguration"], self._JWT)} if "jwtConfiguration" in inputs else {}
        return super().arguments(inputs, names) | jwt

    def properties(self, found: Mapping[str, Any]) -> Properties:
        back = {theirs: ours for ours, theirs in self._JWT.items()}
        return super().properties(found) | {"jwtConfiguration": renamed(found.get("JwtConfiguration") or {}, back) or None}
