"""RequestApi under Pulumi's mocks: what it builds, who may call it, and what it may do."""

import json

import pulumi
import pytest

from handlers.routes import ROUTES
from tests import program

JWT = {"auth": "JWT", "issuer": "https://login.example.com/", "audience": ["scatter-gather"]}
STATES, TABLE = "arn:aws:sfn:us-east-1:000000000000:", "arn:aws:dynamodb:us-east-1:000000000000:quotes"


def api(**config) -> program.Registered:
    return program.run({"variants": ["map", "parallel"], **config})


@pytest.fixture(scope="module")
def registered():
    return api()


def statements(registered: program.Registered) -> list[dict]:
    return json.loads(registered.of_type("aws:iam/rolePolicy:RolePolicy")["api-handler-runs"]["policy"])["Statement"]


def test_it_is_built_from_the_table_of_routes(registered):
    routes = registered.of_type("aws:apigatewayv2/route:Route").values()

    assert {route["routeKey"] for route in routes} == {route.key for route in ROUTES}
    assert {route["target"] for route in routes} == {"integrations/api-id"}
    [integration] = registered.of_type("aws:apigatewayv2/integration:Integration").values()
    assert (integration["integrationType"], integration["payloadFormatVersion"], integration["timeoutMilliseconds"]) == (
        "AWS_PROXY",
        "2.0",
        30000,
    )


def test_every_resource_belongs_to_the_component(registered):
    own = [resource for resource in registered.resources if resource.name == "api" or resource.name.startswith("api-")]

    assert {resource.type.split(":")[-1] for resource in own} == {
        "RequestApi",
        "HandlerFunction",
        "Api",
        "Stage",
        "Integration",
        "Route",
        "Permission",
        "Function",
        "LogGroup",
        "Role",
        "RolePolicy",
    }
    for resource in own:
        if resource.type.startswith("aws:"):
            assert resource.parent_type.split("$")[-1] in ("scatter-gather:index:RequestApi", "scatter-gather:index:HandlerFunction")


def test_the_stage_is_throttled_and_logs_every_request_as_json(registered):
    [stage] = registered.of_type("aws:apigatewayv2/stage:Stage").values()

    assert (stage["name"], stage["autoDeploy"]) == ("$default", True)
    assert stage["defaultRouteSettings"] == {"throttlingRateLimit": 50, "throttlingBurstLimit": 100}
    logged = json.loads(stage["accessLogSettings"]["format"])
    assert logged["requestId"] == "$context.requestId"
    assert "body" not in json.dumps(logged).lower()
    group = registered.of_type("aws:cloudwatch/logGroup:LogGroup")["api-access"]
    assert group["name"] == "/aws/vendedlogs/apis/scatter-gather-test-api-id"
    assert group["retentionInDays"] == 14


def test_only_this_api_may_call_the_function(registered):
    [permission] = registered.of_type("aws:lambda/permission:Permission").values()

    assert permission["principal"] == "apigateway.amazonaws.com"
    assert permission["sourceArn"] == "arn:aws:execute-api:us-east-1:000000000000:api/*/*"


def test_the_function_may_start_these_machines_and_read_this_table(registered):
    own = [statement for statement in statements(registered) if statement["Action"][0].split(":")[0] not in ("logs", "xray")]

    assert own == [
        {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:BatchGetItem"], "Resource": TABLE},
        {"Effect": "Allow", "Action": ["dynamodb:Query"], "Resource": [f"{TABLE}/index/listed"]},
        {"Effect": "Allow", "Action": ["states:StartExecution"], "Resource": [f"{STATES}map", f"{STATES}parallel"]},
    ]


@pytest.mark.parametrize(
    ("config", "indexes"), [(JWT, ["owner"]), ({**JWT, "readers": ["quotes.audit"]}, ["owner", "listed"]), ({"ownedBy": "ROLE"}, ["owner"])]
)
def test_the_function_may_read_everybody_s_index_only_where_a_caller_may(config, indexes):
    [queries] = [statement for statement in statements(api(api=config)) if statement["Action"] == ["dynamodb:Query"]]

    assert queries["Resource"] == [f"{TABLE}/index/{index}" for index in indexes]


def test_the_function_ends_with_the_integration_and_knows_its_stack(registered):
    function = registered.of_type("aws:lambda/function:Function")["api-handler"]

    assert (function["handler"], function["timeout"]) == ("handlers.api.handler", 30)
    variables = function["environment"]["variables"]
    assert {name: entrance["stateMachineArn"] for name, entrance in json.loads(variables["CARRIERS"]).items()} == {
        "map": f"{STATES}map",
        "parallel": f"{STATES}parallel",
    }
    assert variables["RESPONDERS"] == "avis,alamo,hertz,europcar,sixt"


def test_callers_sign_with_iam_by_default(registered):
    assert {route["authorizationType"] for route in registered.of_type("aws:apigatewayv2/route:Route").values()} == {"AWS_IAM"}
    assert not registered.of_type("aws:apigatewayv2/authorizer:Authorizer")


def test_callers_bring_tokens_where_that_is_configured():
    registered = api(api=JWT)

    [authorizer] = registered.of_type("aws:apigatewayv2/authorizer:Authorizer").values()
    assert authorizer["jwtConfiguration"] == {"issuer": JWT["issuer"], "audiences": JWT["audience"]}
    assert authorizer["identitySources"] == ["$request.header.Authorization"]
    routes = registered.of_type("aws:apigatewayv2/route:Route")
    board = routes.pop("api-board")
    assert {(route["authorizationType"], route["authorizerId"]) for route in routes.values()} == {("JWT", "api-id")}
    assert (board["routeKey"], board["authorizationType"]) == ("GET /", "NONE")


def test_nobody_is_asked_where_that_is_configured():
    routes = api(api={"auth": "NONE"}).of_type("aws:apigatewayv2/route:Route").values()

    assert {route["authorizationType"] for route in routes} == {"NONE"}
    assert "GET /" in {route["routeKey"] for route in routes}


def test_a_token_needs_a_scope_where_that_is_configured_and_readers_need_not_send():
    routes = api(api={**JWT, "scopes": ["quotes.send"], "readers": ["quotes.audit"]}).of_type("aws:apigatewayv2/route:Route")

    assert routes["api-send"]["authorizationScopes"] == ["quotes.send"]
    assert routes["api-read"]["authorizationScopes"] == ["quotes.send", "quotes.audit"]
    assert "authorizationScopes" not in routes["api-board"]


@pytest.mark.parametrize(
    ("config", "ownership"),
    [
        ({}, {}),
        ({"auth": "NONE"}, {}),
        (JWT, {"claim": "sub", "readers": []}),
        ({**JWT, "ownerClaim": "tenant", "readers": ["quotes.audit"]}, {"claim": "tenant", "readers": ["quotes.audit"]}),
        (
            {"ownedBy": "ROLE", "readers": ["arn:aws:iam::111122223333:role/audit"]},
            {"by": "ROLE", "readers": ["arn:aws:iam::111122223333:role/audit"]},
        ),
    ],
)
def test_the_function_knows_whose_a_request_is(config, ownership):
    function = api(api=config).of_type("aws:lambda/function:Function")["api-handler"]

    assert json.loads(function["environment"]["variables"]["OWNERSHIP"]) == ownership


@pytest.mark.parametrize(
    ("config", "on_the_emulator", "warned"),
    [({"auth": "NONE"}, False, True), ({"auth": "NONE"}, True, False), ({}, False, False), (JWT, False, False)],
)
def test_a_preview_for_aws_warns_of_an_api_that_asks_nobody(monkeypatch, config, on_the_emulator, warned):
    warnings = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, resource=None: warnings.append(message))
    monkeypatch.setattr("components.emulator.is_in_use", lambda: on_the_emulator)

    api(api=config)

    assert warnings == (["auth is NONE: whoever has the API's address can send requests and read every one"] if warned else [])


def test_a_bounded_number_of_calls_runs_at_once():
    responders = [{"name": "avis", "settings": {"rate": 1}, "reservedConcurrency": 20}, {"name": "alamo", "settings": {"rate": 1}}]
    functions = api(responders=responders).of_type("aws:lambda/function:Function")
    unbounded = api(api={"reservedConcurrency": 0}).of_type("aws:lambda/function:Function")["api-handler"]

    assert {
        name: function["reservedConcurrentExecutions"] for name, function in functions.items() if "reservedConcurrentExecutions" in function
    } == {"api-handler": 100, "responder-avis": 20}
    assert "reservedConcurrentExecutions" not in unbounded


def test_every_function_that_reserves_nothing_of_its_own_has_the_stack_s_bound():
    responders = [{"name": "avis", "settings": {"rate": 1}, "reservedConcurrency": 20}, {"name": "alamo", "settings": {"rate": 1}}]
    functions = api(responders=responders, reservedConcurrency=50).of_type("aws:lambda/function:Function")

    bounds = {name: function["reservedConcurrentExecutions"] for name, function in functions.items()}
    assert (bounds.pop("api-handler"), bounds.pop("responder-avis")) == (100, 20)
    assert bounds == dict.fromkeys(bounds, 50)
    assert "responder-alamo" in bounds


def test_pages_may_call_from_the_origins_that_are_configured(registered):
    [closed] = registered.of_type("aws:apigatewayv2/api:Api").values()
    [opened] = api(api={"corsOrigins": ["https://www.example.com"]}).of_type("aws:apigatewayv2/api:Api").values()

    assert "corsConfiguration" not in closed
    assert opened["corsConfiguration"]["allowOrigins"] == ["https://www.example.com"]
    assert opened["corsConfiguration"]["allowMethods"] == ["GET", "POST"]
    # SigV4 as browsers' SDKs send it, or a token.
    assert {"authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} == set(
        opened["corsConfiguration"]["allowHeaders"]
    )


def test_throttling_is_configured():
    [stage] = api(api={"throttling": {"rateLimit": 7, "burstLimit": 9}}).of_type("aws:apigatewayv2/stage:Stage").values()

    assert stage["defaultRouteSettings"] == {"throttlingRateLimit": 7, "throttlingBurstLimit": 9}


def test_its_address_is_an_output(registered):
    assert registered.outputs["apiUrl"] == "https://api.execute-api.us-east-1.amazonaws.com"
    assert registered.outputs["apiId"] == "api-id"


@pytest.mark.parametrize("config", [{"api": {"enabled": False}}, {"variants": ["distributed"]}])
def test_there_is_none_where_it_is_disabled_or_nothing_takes_requests(config):
    registered = api(**config)

    assert not registered.of_type("aws:apigatewayv2/api:Api")
    assert "apiUrl" not in registered.outputs


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"auth": "BASIC"}, 'api.auth is "BASIC"; allowed: AWS_IAM, JWT or NONE'),
        ({"auth": "JWT"}, "api: auth JWT needs issuer, an https:// URL, and audience"),
        ({"auth": "JWT", "issuer": "https://login.example.com"}, "api: auth JWT needs issuer"),
        ({"auth": "JWT", "issuer": "http://login.example.com", "audience": ["a"]}, "allowed: an https:// URL"),
        ({"auth": "NONE", "scopes": ["a"]}, "api: scopes would have no effect with auth NONE: leave it out, or take JWT"),
        ({**JWT, "scopes": ["a b"]}, 'api.scopes[0] is "a b"; allowed: a scope, which has no spaces'),
        ({"ownerClaim": "sub"}, "api: ownerClaim would have no effect with auth AWS_IAM"),
        ({**JWT, "ownedBy": "ROLE"}, "api: ownedBy would have no effect with auth JWT"),
        ({"ownedBy": "TEAM"}, 'api.ownedBy is "TEAM"; allowed: ALL, ACCOUNT or ROLE'),
        ({"readers": ["quotes.audit"]}, "api: readers would have no effect where every caller reads every request"),
        ({"ownedBy": "ROLE", "readers": ["audit"]}, 'api: readers names "audit"; allowed: the ARN of a role or a user'),
        ({"reservedConcurrency": -1}, "api.reservedConcurrency is -1; allowed: a whole number from 0 to 10000"),
        ({"issuer": "https://login.example.com"}, "api: issuer would have no effect with auth AWS_IAM"),
        ({"throttling": {"rateLimit": 0}}, "api.throttling.rateLimit is 0; allowed: a number from 0.1 to 10000"),
        ({"throttling": {"burstLimit": 2.5}}, "api.throttling.burstLimit is 2.5; allowed: a whole number"),
        ({"corsOrigins": ["www.example.com"]}, 'api.corsOrigins[0] is "www.example.com"; allowed: * or an origin'),
        ({"cors": ["*"]}, "api.cors is not a known key"),
    ],
)
def test_wrong_configuration_is_named(config, message):
    with pytest.raises(pulumi.RunError) as error:
        api(api=config)

    assert message in str(error.value)
