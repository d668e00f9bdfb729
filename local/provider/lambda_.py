"""AWS Lambda: functions, layers, permissions, event source mappings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.archives import zip_bytes
from local.provider.aws import Aws, wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import capitalised

NAME_PATTERN = r"[a-zA-Z0-9_-]+"
NAME_WHAT = "must consist of letters, digits, - and _"
ARCHITECTURE = one_of("x86_64", "arm64")

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")

# Lambda sets these itself, and refuses a function that does.
RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
    }
)  # fmt: skip


def invoke_arn(aws: Aws, function_arn: str) -> str:
    """What an API's integration calls the function by."""
    return f"arn:{aws.partition}:apigateway:{aws.region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


class Function(Resource):
    token = "aws:lambda/function:Function"
    service = "lambda"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    fields = {
        **capitalised(
            "architectures description environment ephemeralStorage handler layers loggingConfig memorySize role runtime "
            "timeout tracingConfig vpcConfig"
        ),
        "kmsKeyArn": "KMSKeyArn",
        "name": "FunctionName",
    }
    others = frozenset({"code", "sourceCodeHash"})
    maps = frozenset({"variables", "Variables"})
    empty = {"description": "", "environment": {"variables": {}}, "kmsKeyArn": "", "layers": []}
    defaults = {
        "memorySize": 128,
        "packageType": "Zip",
        "publish": False,
        "reservedConcurrentExecutions": -1,
        "skipDestroy": False,
        "timeout": 3,
    }
    required = frozenset({"code", "handler", "runtime"})
    replaces = frozenset({"name"})
    kept = frozenset({"architectures", "ephemeralStorage", "loggingConfig", "sourceCodeHash", "tracingConfig"})
    rules = {
        "architectures[*]": ARCHITECTURE,
        "description": text(longest=256),
        "ephemeralStorage.size": between(512, 10240),
        "handler": text(r"\S+", 1, 128),
        "kmsKeyArn": arn("kms"),
        "layers[*]": text(r"arn:aws[a-z-]*:lambda:[^:]+:\d{12}:layer:[\w-]+:\d+", what="must be a layer version's ARN"),
        "loggingConfig.applicationLogLevel": one_of(*LOG_LEVELS),
        "loggingConfig.logFormat": one_of("JSON", "Text"),
        "loggingConfig.systemLogLevel": one_of("DEBUG", "INFO", "WARN"),
        "memorySize": between(128, 10240),
        "packageType": one_of("Zip"),
        "publish": one_of(False),
        "reservedConcurrentExecutions": between(-1, float("inf")),
        "role": arn("iam"),
        "timeout": between(1, 900),
        "tracingConfig.mode": one_of("Active", "PassThrough"),
    }

    _CODE = frozenset({"architectures", "code", "sourceCodeHash"})

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if isinstance(inputs.get("layers"), list) and len(inputs["layers"]) > 5:
            yield "layers", f"may hold 5 layers at most, not {len(inputs['layers'])}"
        environment = inputs.get("environment", {})
        variables = environment.get("variables", {}) if environment != UNKNOWN else {}
        for key in variables if variables != UNKNOWN else {}:
            path = f"environment.variables.{key}"
            if key in RESERVED_VARIABLES:
                yield path, "is a name that Lambda reserves for itself"
            elif reason := text(r"[a-zA-Z]\w+", what="is a name Lambda refuses: two or more letters, digits and _")(key):
                yield path, reason

    def create(self, inputs: Properties) -> str:
        code = {"ZipFile": zip_bytes(inputs["code"])}
        self.api.create_function(**self.arguments(inputs), Code=code, Tags=inputs.get("tags", {}))
        return inputs["name"]

    def settle(self, id: str, inputs: Properties) -> None:
        self._wait(id)
        if inputs["reservedConcurrentExecutions"] >= 0:
            self._set_concurrency(id, inputs["reservedConcurrentExecutions"])

    def read(self, id: str, known: Properties) -> Properties | None:
        answer = self.api.get_function(FunctionName=id)
        found = answer["Configuration"]
        arn = found["FunctionArn"]
        variables = found.get("Environment", {}).get("Variables")
        properties = self.properties(found)
        network = properties.get("vpcConfig") or {}
        return properties | {
            "arn": arn,
            "codeSha256": found["CodeSha256"],
            "environment": {"variables": variables} if variables else None,
            "invokeArn": invoke_arn(self.aws, arn),
            "lastModified": found["LastModified"],
            "layers": [layer["Arn"] for layer in found.get("Layers", [])] or None,
            "qualifiedArn": f"{arn}:$LATEST",
            "qualifiedInvokeArn": invoke_arn(self.aws, f"{arn}:$LATEST"),
            "reservedConcurrentExecutions": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1),
            "responseStreamingInvokeArn": invoke_arn(self.aws, arn)
            .replace("2015-03-31", "2021-11-15")
            .replace("/invocations", "/response-streaming-invocations"),
            "sourceCodeHash": known.get("sourceCodeHash") or found["CodeSha256"],
            "sourceCodeSize": found["CodeSize"],
            "version": "$LATEST",
            "vpcConfig": {key: network[key] for key in ("subnetIds", "securityGroupIds")} if network.get("subnetIds") else None,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        settings = self.arguments(dict(self.empty) | new, changed - {"architectures"})
        if settings:
            self.api.update_function_configuration(FunctionName=id, **settings)
            self._wait(id)
        if changed & self._CODE:
            architectures = self.arguments(new, ["architectures"])
            self.api.update_function_code(FunctionName=id, ZipFile=zip_bytes(new["code"]), **architectures)
            self._wait(id)
        if "reservedConcurrentExecutions" in changed:
            self._set_concurrency(id, new["reservedConcurrentExecutions"])

    def delete(self, id: str, known: Properties) -> None:
        if not known.get("skipDestroy"):
            self.api.delete_function(FunctionName=id)

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        outputs = {"lastModified"} if changed - {"tags", "reservedConcurrentExecutions"} else set()
        if changed & self._CODE:
            outputs |= {"codeSha256", "sourceCodeSize"} | ({"sourceCodeHash"} - new.keys())
        return outputs

    def _set_concurrency(self, id: str, reserved: int) -> None:
        if reserved >= 0:
            self.api.put_function_concurrency(FunctionName=id, ReservedConcurrentExecutions=reserved)
        else:
            self.api.delete_function_concurrency(FunctionName=id)

    def _wait(self, id: str) -> None:
        def ready() -> bool:
            found = self.api.get_function_configuration(FunctionName=id)
            return found.get("State", "Active") == "Active" and found.get("LastUpdateStatus") in (None, "Successful")

        wait_until(ready, f"function {id} to become active")


class LayerVersion(Resource):
    token = "aws:lambda/layerVersion:LayerVersion"
    service = "lambda"
    fields = capitalised("compatibleArchitectures compatibleRuntimes description layerName")
    defaults = {"skipDestroy": False}
    required = frozenset({"code"})
    unordered = frozenset({"compatibleArchitectures", "compatibleRuntimes"})
    kept = frozenset({"sourceCodeHash"})
    replaces = frozenset({"code", "compatibleArchitectures", "compatibleRuntimes", "description", "layerName", "sourceCodeHash"})
    rules = {
        "compatibleArchitectures[*]": ARCHITECTURE,
        "description": text(longest=256),
        "layerName": text(NAME_PATTERN, 1, 64, NAME_WHAT),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if len(inputs.get("compatibleRuntimes", ())) > 15 and inputs["compatibleRuntimes"] != UNKNOWN:
            yield "compatibleRuntimes", "may hold 15 runtimes at most"

    def create(self, inputs: Properties) -> str:
        content = {"ZipFile": zip_bytes(inputs["code"])}
        return self.api.publish_layer_version(**self.arguments(inputs), Content=content)["LayerVersionArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_layer_version(**self._target(id))
        return self.properties(found) | {
            "arn": found["LayerVersionArn"],
            "codeSha256": found["Content"]["CodeSha256"],
            "createdDate": found["CreatedDate"],
            "layerArn": found["LayerArn"],
            "layerName": known.get("layerName") or self._target(id)["LayerName"],
            "sourceCodeHash": known.get("sourceCodeHash") or found["Content"]["CodeSha256"],
            "sourceCodeSize": found["Content"]["CodeSize"],
            "version": str(found["Version"]),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only `skipDestroy` can change in place, and AWS doesn't know of it."""

    def delete(self, id: str, known: Properties) -> None:
        if not known.get("skipDestroy"):
            self.api.delete_layer_version(**self._target(id))

    def _target(self, id: str) -> dict[str, Any]:
        *_, name, version = id.split(":")
        return {"LayerName": name, "VersionNumber": int(version)}


class Permission(Resource):
    token = "aws:lambda/permission:Permission"
    service = "lambda"
    name = Name("statementId", 100, NAME_PATTERN, NAME_WHAT)
    fields = capitalised("action principal sourceAccount sourceArn statementId") | {"function": "FunctionName"}
    replaces = frozenset(fields)
    rules = {
        "action": text(r"(lambda:[*]|lambda:[a-zA-Z]+|[*])", what="must be an action of Lambda, e.g. lambda:InvokeFunction"),
        "principal": text(r"[^\s]+", what="must be a service, an account or an ARN"),
        "sourceAccount": text(r"\d{12}", what="must be an account of 12 digits"),
        "sourceArn": arn(),
    }

    def create(self, inputs: Properties) -> str:
        self.api.add_permission(**self.arguments(inputs))
        return inputs["statementId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        function, _, statement_id = id.rpartition("/")
        function = known.get("function") or function
        policy = json.loads(self.api.get_policy(FunctionName=function)["Policy"])
        found = next((statement for statement in policy["Statement"] if statement["Sid"] == statement_id), None)
        return None if found is None else self._described(found) | {"function": function}

    def _described(self, statement: dict[str, Any]) -> Properties:
        principal, condition = statement["Principal"], statement.get("Condition", {})
        return {
            "action": statement["Action"],
            "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
            "sourceAccount": condition.get("StringEquals", {}).get("AWS:SourceAccount"),
            "sourceArn": (condition.get("ArnLike") or condition.get("ArnEquals") or {}).get("AWS:SourceArn"),
            "statementId": statement["Sid"],
        }

    def delete(self, id: str, known: Properties) -> None:
        self.api.remove_permission(FunctionName=known["function"], StatementId=id)


class EventSourceMapping(Resource):
    """Of queues only, not of streams."""

    token = "aws:lambda/eventSourceMapping:EventSourceMapping"
    service = "lambda"
    fields = capitalised(
        "batchSize enabled eventSourceArn filterCriteria functionName functionResponseTypes maximumBatchingWindowInSeconds scalingConfig"
    )
    empty = {"filterCriteria": {}, "functionResponseTypes": [], "maximumBatchingWindowInSeconds": 0, "scalingConfig": {}}
    defaults = {"enabled": True}
    required = frozenset({"eventSourceArn"})
    replaces = frozenset({"eventSourceArn"})
    kept = frozenset({"batchSize"})
    volatile = frozenset({"lastModified", "state", "stateTransitionReason"})
    unordered = frozenset({"functionResponseTypes"})
    rules = {
        "batchSize": between(1, 10000),
        "eventSourceArn": arn("sqs"),
        "functionResponseTypes[*]": one_of("ReportBatchItemFailures"),
        "maximumBatchingWindowInSeconds": between(0, 300),
        "scalingConfig.maximumConcurrency": between(2, 1000),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        batch = inputs.get("batchSize")
        if isinstance(batch, int) and batch > 10 and inputs.get("maximumBatchingWindowInSeconds", 0) == 0:
            yield "batchSize", f"above 10, not {batch}, needs a maximumBatchingWindowInSeconds of at least 1"

    def create(self, inputs: Properties) -> str:
        return self.api.create_event_source_mapping(**self.arguments(inputs), Tags=inputs.get("tags", {}))["UUID"]

    def settle(self, id: str, inputs: Properties) -> None:
        self._wait(id)

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_event_source_mapping(UUID=id)
        known_function = known.get("functionName", "")
        # A function may be given by its name or its ARN, with or without a qualifier; the API always answers with an ARN.
        same_function = known_function and found["FunctionArn"].endswith(known_function.rpartition(":function:")[2])
        return self.properties(found) | {
            "arn": found.get("EventSourceMappingArn") or self.aws.arn("lambda", f"event-source-mapping:{id}"),
            "enabled": found["State"] not in ("Disabled", "Disabling"),
            "functionArn": found["FunctionArn"],
            "functionName": known_function if same_function else found["FunctionArn"],
            "lastModified": str(found.get("LastModified") or ""),
            "lastProcessingResult": found.get("LastProcessingResult", ""),
            "state": found["State"],
            "stateTransitionReason": found.get("StateTransitionReason", ""),
            "uuid": found["UUID"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._wait(id)
        self.api.update_event_source_mapping(UUID=id, **self.arguments(dict(self.empty) | new, changed))
        self._wait(id)

    def delete(self, id: str, known: Properties) -> None:
        self._wait(id)
        self.api.delete_event_source_mapping(UUID=id)
        wait_until(lambda: not self._exists(id), f"event source mapping {id} to be gone")

    def _wait(self, id: str) -> None:
        def settled() -> bool:
            return self.api.get_event_source_mapping(UUID=id)["State"] in ("Enabled", "Disabled")

        wait_until(settled, f"event source mapping {id} to settle")

    def _exists(self, id: str) -> bool:
        try:
            self.api.get_event_source_mapping(UUID=id)
        except self.api.exceptions.ResourceNotFoundException:
            return False
        return True
