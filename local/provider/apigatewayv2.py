"""Amazon API Gateway v2: HTTP APIs."""

from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised

STAGE_NAME = r"\$default|[a-zA-Z0-9_-]+"
ROUTE_KEY = r"\$default|(ANY|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) /\S*"


class _Api(Resource):
    """An API, or what belongs to one and is found by the API's id and its own."""

    def control_arn(self, path: str) -> str:
        """The ARN by which an API or one of its parts is administered."""
        return f"arn:{self.aws.partition}:apigateway:{self.aws.region}::/apis/{path}"

    def execution_arn(self, path: str) -> str:
        """The ARN by which the right to call an API is granted."""
        return self.aws.arn("execute-api", path)

    def address(self, api_id: str) -> str:
        """Where the API answers. On AWS that is a host name of its own, which an emulator can't give it."""
        return f"{self.aws.settings.endpoint_of('apigatewayv2').rstrip('/')}/_aws/execute-api/{api_id}"


class Api(_Api):
    token = "aws:apigatewayv2/api:Api"
    kind, key = "api", "ApiId"
    name = Name("name", 128)
    fields = capitalised("apiKeySelectionExpression corsConfiguration description name protocolType routeSelectionExpression")
    defaults = {"apiKeySelectionExpression": "$request.header.x-api-key", "routeSelectionExpression": "$request.method $request.path"}
    empty = {"description": ""}
    rules = {
        "corsConfiguration.maxAge": between(-1, 86400),
        "description": text(longest=1024),
        "protocolType": one_of("HTTP"),
    }

    def read(self, id: str, known: Properties) -> Properties | None:
        return (super().read(id, known) or {}) | {
            "apiEndpoint": self.address(id),
            "arn": self.control_arn(id),
            "executionArn": self.execution_arn(id),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "corsConfiguration" in changed and "corsConfiguration" not in new:
            self.api.delete_cors_configuration(ApiId=id)
        super().update(id, old, new, changed)


class _PartOfApi(_Api):
    def target(self, id: str, known: Properties) -> dict[str, Any]:
        return {"ApiId": known["apiId"], self.key: id}

    def read(self, id: str, known: Properties) -> Properties | None:
        return (super().read(id, known) or {}) | {"apiId": known["apiId"]}


class Integration(_PartOfApi):
    token = "aws:apigatewayv2/integration:Integration"
    kind, key = "integration", "IntegrationId"
    fields = capitalised("apiId connectionType integrationType integrationUri payloadFormatVersion") | {
        "timeoutMilliseconds": "TimeoutInMillis"
    }
    defaults = {"connectionType": "INTERNET", "payloadFormatVersion": "1.0"}
    replaces = frozenset({"apiId", "integrationType"})
    kept = frozenset({"timeoutMilliseconds"})
    rules = {
        "connectionType": one_of("INTERNET"),
        "integrationType": one_of("AWS_PROXY", "HTTP_PROXY"),
        "payloadFormatVersion": one_of("1.0", "2.0"),
        "timeoutMilliseconds": between(50, 30000),
    }


class Route(_PartOfApi):
    token = "aws:apigatewayv2/route:Route"
    kind, key = "route", "RouteId"
    fields = capitalised("apiId authorizationScopes authorizationType authorizerId routeKey target")
    defaults = {"authorizationType": "NONE"}
    empty = {"authorizationScopes": [], "authorizerId": "", "target": ""}
    replaces = frozenset({"apiId"})
    unordered = frozenset({"authorizationScopes"})
    rules = {
        "authorizationType": one_of("AWS_IAM", "JWT", "NONE"),
        "routeKey": text(ROUTE_KEY, 1, 1024, "must be $default or a method and a path, e.g. GET /quotes"),
        "target": text(shortest=1, longest=128),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["authorizationType"] == "JWT" and "authorizerId" not in inputs:
            yield "authorizerId", "is required for authorizationType JWT"


class Stage(_PartOfApi):
    token = "aws:apigatewayv2/stage:Stage"
    kind, key = "stage", "StageName"
    name = Name("name", 128, STAGE_NAME, "must be $default or consist of letters, digits, - and _")
    fields = capitalised("accessLogSettings apiId autoDeploy defaultRouteSettings") | {"name": "StageName"}
    defaults = {"autoDeploy": False}
    empty = {"defaultRouteSettings": {}}
    replaces = frozenset({"apiId", "name"})
    rules = {
        "accessLogSettings.destinationArn": arn("(logs|firehose)"),
        "defaultRouteSettings.throttlingBurstLimit": between(0, float("inf")),
        "defaultRouteSettings.throttlingRateLimit": between(0, float("inf")),
    }

    def read(self, id: str, known: Properties) -> Properties | None:
        api_id = known["apiId"]
        return (super().read(id, known) or {}) | {
            "arn": self.control_arn(f"{api_id}/stages/{id}"),
            "executionArn": self.execution_arn(f"{api_id}/{id}"),
            "invokeUrl": f"{self.address(api_id)}/{'' if id == '$default' else id}",
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "accessLogSettings" in changed and "accessLogSettings" not in new:
            self.api.delete_access_log_settings(**self.target(id, new))
        super().update(id, old, new, changed)


class Authorizer(_PartOfApi):
    token = "aws:apigatewayv2/authorizer:Authorizer"
    kind, key = "authorizer", "AuthorizerId"
    name = Name("name", 128)
    fields = capitalised("apiId authorizerType jwtConfiguration name") | {"identitySources": "IdentitySource"}
    spelled = {"audiences": "Audience"}
    replaces = frozenset({"apiId"})
    unordered = frozenset({"identitySources"})
    rules = {"authorizerType": one_of("JWT")}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        jwt = inputs.get("jwtConfiguration", {})
        for property in ("audiences", "issuer"):
            if jwt != UNKNOWN and not jwt.get(property):
                yield f"jwtConfiguration.{property}", "is required for a JWT authorizer"
        if not inputs.get("identitySources"):
            yield "identitySources", "is required for a JWT authorizer, e.g. $request.header.Authorization"
