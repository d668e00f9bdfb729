"""Amazon API Gateway v2: HTTP and WebSocket APIs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from local.properties import UNKNOWN, Properties
from local.provider.aws import Aws, wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import from_aws, renamed, tag_changes, tag_map, to_aws

DEFAULT_STAGE = "$default"
STAGE_NAME = r"\$default|[a-zA-Z0-9_-]+"
ROUTE_KEY = r"\$default|\$connect|\$disconnect|(ANY|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) /\S*|[^\s/]+"


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
    name = Name("name", 128, prefix_property=None)
    defaults = {
        "apiKeySelectionExpression": "$request.header.x-api-key",
        "routeSelectionExpression": "$request.method $request.path",
    }
    replaces = frozenset({"protocolType"})
    kept = frozenset({"disableExecuteApiEndpoint", "ipAddressType"})
    missing = frozenset({"body", "failOnWarnings"})
    rules = {
        "corsConfiguration.maxAge": between(-1, 86400),
        "description": text(longest=1024),
        "ipAddressType": one_of("dualstack", "ipv4"),
        "protocolType": one_of("HTTP", "WEBSOCKET"),
        "version": text(shortest=1, longest=64),
    }

    _NAMES = {
        "apiKeySelectionExpression": "ApiKeySelectionExpression",
        "credentialsArn": "CredentialsArn",
        "description": "Description",
        "disableExecuteApiEndpoint": "DisableExecuteApiEndpoint",
        "ipAddressType": "IpAddressType",
        "name": "Name",
        "routeSelectionExpression": "RouteSelectionExpression",
        "version": "Version",
    }
    # Only for making an API with its route and integration in one go; the API doesn't give them back.
    _QUICK_CREATE = {"routeKey": "RouteKey", "target": "Target"}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["protocolType"] == "WEBSOCKET":
            if "corsConfiguration" in inputs:
                yield "corsConfiguration", "is for HTTP APIs only"
            if inputs["routeSelectionExpression"] == self.defaults["routeSelectionExpression"]:
                yield "routeSelectionExpression", "is required for a WebSocket API, e.g. $request.body.action"

    def create(self, inputs: Properties) -> str:
        names = self._NAMES | self._QUICK_CREATE | {"protocolType": "ProtocolType", "tags": "Tags"}
        answer = self.api.create_api(**renamed(inputs, names), **self._cors(inputs))
        return answer["ApiId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_api(ApiId=id)
        return {
            **{name: found.get(theirs) or known.get(name) for name, theirs in self._NAMES.items()},
            "apiEndpoint": address(self.aws, id),
            "arn": control_arn(self.aws, id),
            "corsConfiguration": from_aws(found.get("CorsConfiguration")) or None,
            "description": found.get("Description") or None,
            "disableExecuteApiEndpoint": found.get("DisableExecuteApiEndpoint", False),
            "executionArn": execution_arn(self.aws, id),
            "ipAddressType": found.get("IpAddressType", "ipv4"),
            "protocolType": found["ProtocolType"],
            "tags": _tags(self.api, control_arn(self.aws, id)),
            "version": found.get("Version") or None,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        settings = changed - {"corsConfiguration", "tags"}
        if "corsConfiguration" in changed and "corsConfiguration" not in new:
            self.api.delete_cors_configuration(ApiId=id)
        if settings or ("corsConfiguration" in new and "corsConfiguration" in changed):
            wanted = {name: ({"description": "", "version": ""} | new).get(name) for name in changed}
            self.api.update_api(
                ApiId=id, **renamed(wanted, self._NAMES | self._QUICK_CREATE), **self._cors(wanted)
            )
        if "tags" in changed:
            _retag(self.api, old["arn"], old, new)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_api(ApiId=id)

    def _cors(self, inputs: Properties) -> dict[str, Any]:
        return {"CorsConfiguration": to_aws(inputs["corsConfiguration"])} if inputs.get("corsConfiguration") else {}


class _PartOfApi(Resource):
    """What belongs to an API and is found by the API's id and its own."""

    service = "apigatewayv2"
    id_name: ClassVar[str]

    def _target(self, id: str, known: Properties) -> dict[str, str]:
        return {"ApiId": known["apiId"], self.id_name: id}


class Integration(_PartOfApi):
    token = "aws:apigatewayv2/integration:Integration"
    id_name = "IntegrationId"
    defaults = {"connectionType": "INTERNET", "payloadFormatVersion": "1.0"}
    replaces = frozenset({"apiId", "integrationSubtype", "integrationType"})
    kept = frozenset({"integrationMethod", "passthroughBehavior", "timeoutMilliseconds"})
    unordered = frozenset({"responseParameters"})
    rules = {
        "connectionType": one_of("INTERNET", "VPC_LINK"),
        "contentHandlingStrategy": one_of("CONVERT_TO_BINARY", "CONVERT_TO_TEXT"),
        "credentialsArn": text(r"arn:.+"),
        "integrationMethod": one_of("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"),
        "integrationSubtype": text(shortest=1, longest=128),
        "integrationType": one_of("AWS", "AWS_PROXY", "HTTP", "HTTP_PROXY", "MOCK"),
        "passthroughBehavior": one_of("NEVER", "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES"),
        "payloadFormatVersion": one_of("1.0", "2.0"),
        "timeoutMilliseconds": between(50, 30000),
    }

    _NAMES = {
        "connectionId": "ConnectionId",
        "connectionType": "ConnectionType",
        "contentHandlingStrategy": "ContentHandlingStrategy",
        "credentialsArn": "CredentialsArn",
        "description": "Description",
        "integrationMethod": "IntegrationMethod",
        "integrationSubtype": "IntegrationSubtype",
        "integrationType": "IntegrationType",
        "integrationUri": "IntegrationUri",
        "passthroughBehavior": "PassthroughBehavior",
        "payloadFormatVersion": "PayloadFormatVersion",
        "requestParameters": "RequestParameters",
        "requestTemplates": "RequestTemplates",
        "templateSelectionExpression": "TemplateSelectionExpression",
        "timeoutMilliseconds": "TimeoutInMillis",
    }
    # What the API takes to mean "none any more".
    _EMPTY = {"credentialsArn": "", "description": "", "requestParameters": {}, "requestTemplates": {}}

    def create(self, inputs: Properties) -> str:
        answer = self.api.create_integration(ApiId=inputs["apiId"], **self._arguments(inputs))
        return answer["IntegrationId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_integration(**self._target(id, known))
        responses = found.get("ResponseParameters") or {}
        return {
            **{name: found.get(theirs) or None for name, theirs in self._NAMES.items()},
            "apiId": known["apiId"],
            "connectionType": found.get("ConnectionType", "INTERNET"),
            "integrationResponseSelectionExpression": found.get("IntegrationResponseSelectionExpression", ""),
            "integrationType": found["IntegrationType"],
            "payloadFormatVersion": found.get("PayloadFormatVersion", "1.0"),
            "responseParameters": [
                {"mappings": mappings, "statusCode": status} for status, mappings in responses.items()
            ]
            or None,
            "tlsConfig": from_aws(found.get("TlsConfig")) or None,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        wanted = {name: value for name, value in (self._EMPTY | new).items() if name in changed}
        arguments = self._arguments(wanted)
        if "responseParameters" in changed:
            gone = {entry["statusCode"]: {} for entry in old.get("responseParameters") or []}
            arguments["ResponseParameters"] = gone | arguments.get("ResponseParameters", {})
        self.api.update_integration(**self._target(id, new), **arguments)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_integration(**self._target(id, known))

    def _arguments(self, inputs: Properties) -> dict[str, Any]:
        arguments = renamed(inputs, self._NAMES)
        if inputs.get("responseParameters"):
            arguments["ResponseParameters"] = {
                entry["statusCode"]: entry["mappings"] for entry in inputs["responseParameters"]
            }
        if inputs.get("tlsConfig"):
            arguments["TlsConfig"] = to_aws(inputs["tlsConfig"])
        return arguments


class Route(_PartOfApi):
    token = "aws:apigatewayv2/route:Route"
    id_name = "RouteId"
    defaults = {"apiKeyRequired": False, "authorizationType": "NONE"}
    replaces = frozenset({"apiId"})
    unordered = frozenset({"authorizationScopes", "requestParameters"})
    rules = {
        "authorizationType": one_of("AWS_IAM", "CUSTOM", "JWT", "NONE"),
        "operationName": text(shortest=1, longest=64),
        "routeKey": text(ROUTE_KEY, 1, 1024, "must be $default or a method and a path, e.g. GET /quotes"),
        "target": text(shortest=1, longest=128),
    }

    _NAMES = {
        "apiKeyRequired": "ApiKeyRequired",
        "authorizationScopes": "AuthorizationScopes",
        "authorizationType": "AuthorizationType",
        "authorizerId": "AuthorizerId",
        "modelSelectionExpression": "ModelSelectionExpression",
        "operationName": "OperationName",
        "requestModels": "RequestModels",
        "routeKey": "RouteKey",
        "routeResponseSelectionExpression": "RouteResponseSelectionExpression",
        "target": "Target",
    }
    _EMPTY = {"authorizationScopes": [], "authorizerId": "", "operationName": "", "requestModels": {}, "target": ""}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["authorizationType"] in ("CUSTOM", "JWT") and "authorizerId" not in inputs:
            yield "authorizerId", f"is required for authorizationType {inputs['authorizationType']}"

    def create(self, inputs: Properties) -> str:
        return self.api.create_route(ApiId=inputs["apiId"], **self._arguments(inputs))["RouteId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_route(**self._target(id, known))
        parameters = found.get("RequestParameters") or {}
        return {
            **{name: found.get(theirs) or None for name, theirs in self._NAMES.items()},
            "apiId": known["apiId"],
            "apiKeyRequired": found.get("ApiKeyRequired", False),
            "authorizationType": found.get("AuthorizationType", "NONE"),
            "requestParameters": [
                {"requestParameterKey": key, "required": value["Required"]} for key, value in parameters.items()
            ]
            or None,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        wanted = {name: value for name, value in (self._EMPTY | new).items() if name in changed}
        self.api.update_route(**self._target(id, new), **self._arguments(wanted))

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_route(**self._target(id, known))

    def _arguments(self, inputs: Properties) -> dict[str, Any]:
        arguments = renamed(inputs, self._NAMES)
        if inputs.get("requestParameters"):
            arguments["RequestParameters"] = {
                entry["requestParameterKey"]: {"Required": entry["required"]} for entry in inputs["requestParameters"]
            }
        return arguments


class Stage(_PartOfApi):
    token = "aws:apigatewayv2/stage:Stage"
    id_name = "StageName"
    name = Name("name", 128, STAGE_NAME, "must be $default or consist of letters, digits, - and _", None)
    defaults = {"autoDeploy": False}
    replaces = frozenset({"apiId", "name"})
    kept = frozenset({"deploymentId"})
    unordered = frozenset({"routeSettings"})
    rules = {
        "accessLogSettings.destinationArn": arn("(logs|firehose)"),
        "defaultRouteSettings.loggingLevel": one_of("ERROR", "INFO", "OFF"),
        "defaultRouteSettings.throttlingBurstLimit": between(0, float("inf")),
        "defaultRouteSettings.throttlingRateLimit": between(0, float("inf")),
        "description": text(longest=1024),
        "routeSettings[*].loggingLevel": one_of("ERROR", "INFO", "OFF"),
    }

    _NAMES = {
        "autoDeploy": "AutoDeploy",
        "clientCertificateId": "ClientCertificateId",
        "deploymentId": "DeploymentId",
        "description": "Description",
        "stageVariables": "StageVariables",
    }
    _OBJECTS = {"accessLogSettings": "AccessLogSettings", "defaultRouteSettings": "DefaultRouteSettings"}

    def create(self, inputs: Properties) -> str:
        self.api.create_stage(
            ApiId=inputs["apiId"],
            StageName=inputs["name"],
            Tags=inputs.get("tags", {}),
            **self._arguments(inputs),
        )
        return inputs["name"]

    def read(self, id: str, known: Properties) -> Properties | None:
        api_id = known["apiId"]
        found = self.api.get_stage(**self._target(id, known))
        settings = found.get("RouteSettings") or {}
        return {
            **{name: found.get(theirs) or None for name, theirs in self._NAMES.items()},
            **{name: from_aws(found.get(theirs)) or None for name, theirs in self._OBJECTS.items()},
            "apiId": api_id,
            "arn": control_arn(self.aws, f"{api_id}/stages/{id}"),
            "autoDeploy": found.get("AutoDeploy", False),
            "executionArn": execution_arn(self.aws, f"{api_id}/{id}"),
            "invokeUrl": f"{address(self.aws, api_id)}/{'' if id == DEFAULT_STAGE else id}",
            "name": id,
            "routeSettings": [{"routeKey": key, **from_aws(value)} for key, value in settings.items()] or None,
            "tags": _tags(self.api, control_arn(self.aws, f"{api_id}/stages/{id}")),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "accessLogSettings" in changed and "accessLogSettings" not in new:
            self.api.delete_access_log_settings(**self._target(id, new))
        for route in {entry["routeKey"] for entry in old.get("routeSettings") or []} - {
            entry["routeKey"] for entry in new.get("routeSettings") or []
        }:
            self.api.delete_route_settings(**self._target(id, new), RouteKey=route)
        empty = {"defaultRouteSettings": {}, "description": "", "stageVariables": {}}
        wanted = {name: value for name, value in (empty | new).items() if name in changed}
        if arguments := self._arguments(wanted):
            self.api.update_stage(**self._target(id, new), **arguments)
        if "tags" in changed:
            _retag(self.api, old["arn"], old, new)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_stage(**self._target(id, known))

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        return {"deploymentId"} if new.get("autoDeploy") else set()

    def _arguments(self, inputs: Properties) -> dict[str, Any]:
        arguments = renamed(inputs, self._NAMES)
        arguments |= {theirs: to_aws(inputs[name]) for name, theirs in self._OBJECTS.items() if name in inputs}
        if "routeSettings" in inputs:
            arguments["RouteSettings"] = {
                entry["routeKey"]: to_aws({key: value for key, value in entry.items() if key != "routeKey"})
                for entry in inputs["routeSettings"]
            }
        return arguments


class Authorizer(_PartOfApi):
    token = "aws:apigatewayv2/authorizer:Authorizer"
    id_name = "AuthorizerId"
    name = Name("name", 128, prefix_property=None)
    replaces = frozenset({"apiId"})
    kept = frozenset({"authorizerResultTtlInSeconds"})
    unordered = frozenset({"identitySources"})
    rules = {
        "authorizerPayloadFormatVersion": one_of("1.0", "2.0"),
        "authorizerResultTtlInSeconds": between(0, 3600),
        "authorizerType": one_of("JWT", "REQUEST"),
        "authorizerUri": text(shortest=1, longest=2048),
    }

    _NAMES = {
        "authorizerCredentialsArn": "AuthorizerCredentialsArn",
        "authorizerPayloadFormatVersion": "AuthorizerPayloadFormatVersion",
        "authorizerResultTtlInSeconds": "AuthorizerResultTtlInSeconds",
        "authorizerType": "AuthorizerType",
        "authorizerUri": "AuthorizerUri",
        "enableSimpleResponses": "EnableSimpleResponses",
        "identitySources": "IdentitySource",
        "name": "Name",
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["authorizerType"] == "JWT":
            jwt = inputs.get("jwtConfiguration", {})
            for property in ("audiences", "issuer"):
                if jwt != UNKNOWN and not jwt.get(property):
                    yield f"jwtConfiguration.{property}", "is required for a JWT authorizer"
            if not inputs.get("identitySources"):
                yield "identitySources", "is required for a JWT authorizer, e.g. $request.header.Authorization"
        elif inputs["authorizerType"] == "REQUEST" and "authorizerUri" not in inputs:
            yield "authorizerUri", "is required for a REQUEST authorizer"

    def create(self, inputs: Properties) -> str:
        answer = self.api.create_authorizer(
            ApiId=inputs["apiId"], **({"IdentitySource": []} | self._arguments(inputs))
        )
        return answer["AuthorizerId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_authorizer(**self._target(id, known))
        jwt = found.get("JwtConfiguration") or {}
        return {
            **{name: found.get(theirs) or None for name, theirs in self._NAMES.items()},
            "apiId": known["apiId"],
            "authorizerResultTtlInSeconds": found.get("AuthorizerResultTtlInSeconds"),
            "jwtConfiguration": renamed(jwt, {"Audience": "audiences", "Issuer": "issuer"}) or None,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        wanted = {name: value for name, value in new.items() if name in changed}
        self.api.update_authorizer(**self._target(id, new), **self._arguments(wanted))

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_authorizer(**self._target(id, known))

    def _arguments(self, inputs: Properties) -> dict[str, Any]:
        arguments = renamed(inputs, self._NAMES)
        if inputs.get("jwtConfiguration"):
            names = {"audiences": "Audience", "issuer": "Issuer"}
            arguments["JwtConfiguration"] = renamed(inputs["jwtConfiguration"], names)
        return arguments


class Deployment(_PartOfApi):
    token = "aws:apigatewayv2/deployment:Deployment"
    id_name = "DeploymentId"
    replaces = frozenset({"apiId", "triggers"})
    rules = {"description": text(longest=1024)}

    def create(self, inputs: Properties) -> str:
        answer = self.api.create_deployment(
            ApiId=inputs["apiId"], **renamed(inputs, {"description": "Description"})
        )
        return answer["DeploymentId"]

    def settle(self, id: str, inputs: Properties) -> None:
        def deployed() -> bool:
            return self.api.get_deployment(**self._target(id, inputs))["DeploymentStatus"] == "DEPLOYED"

        wait_until(deployed, f"deployment {id} of API {inputs['apiId']}")

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_deployment(**self._target(id, known))
        return {
            "apiId": known["apiId"],
            "autoDeployed": found.get("AutoDeployed", False),
            "description": found.get("Description") or None,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.update_deployment(**self._target(id, new), Description=new.get("description", ""))

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_deployment(**self._target(id, known))


def _tags(api: Any, arn: str) -> dict[str, str] | None:
    # Those that come with the resource itself are the ones it was made with, on the emulator.
    return tag_map(api.get_tags(ResourceArn=arn)["Tags"])


def _retag(api: Any, arn: str, old: Properties, new: Properties) -> None:
    added, removed = tag_changes(old.get("tags"), new.get("tags"))
    if added:
        api.tag_resource(ResourceArn=arn, Tags=added)
    if removed:
        api.untag_resource(ResourceArn=arn, TagKeys=removed)
