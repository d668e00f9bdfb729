"""AWS Lambda: functions, layers, permissions, event source mappings."""

import json
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.archives import zip_bytes
from local.provider.aws import Aws, wait_until, wait_until_gone
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, at_most, between, one_of, text
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
    kind, key = "function", "FunctionName"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    fields = {
        **capitalised("architectures environment handler layers loggingConfig memorySize role runtime timeout tracingConfig vpcConfig"),
        "kmsKeyArn": "KMSKeyArn",
        "name": "FunctionName",
    }
    outputs = capitalised("codeSha256 lastModified") | {
        "arn": "FunctionArn",
        "sourceCodeHash": "CodeSha256",
        "sourceCodeSize": "CodeSize",
        "version": "Version",
    }
    others = frozenset({"code"})
    maps = frozenset({"variables", "Variables"})
    empty = {"environment": {"variables": {}}, "kmsKeyArn": "", "layers": []}
    defaults = {"memorySize": 128, "reservedConcurrentExecutions": -1, "timeout": 3}
    required = frozenset({"code", "handler", "runtime"})
    replaces = frozenset({"name"})
    kept = frozenset({"architectures", "loggingConfig", "tracingConfig"})
    rules = {
        "architectures[*]": ARCHITECTURE,
        "handler": text(r"\S+", 1, 128),
        "kmsKeyArn": arn("kms"),
        "layers": at_most(5, "layers"),
        "layers[*]": text(r"arn:aws[a-z-]*:lambda:[^:]+:\d{12}:layer:[\w-]+:\d+", what="must be a layer version's ARN"),
        "loggingConfig.applicationLogLevel": one_of(*LOG_LEVELS),
        "loggingConfig.logFormat": one_of("JSON", "Text"),
        "loggingConfig.systemLogLevel": one_of("DEBUG", "INFO", "WARN"),
        "memorySize": between(128, 10240),
        "reservedConcurrentExecutions": between(-1, float("inf")),
        "role": arn("iam"),
        "timeout": between(1, 900),
        "tracingConfig.mode": one_of("Active", "PassThrough"),
    }

    _CODE = frozenset({"architectures", "code"})

    def check(self, inputs: Properties) -> Iterator[Failure]:
        environment = inputs.get("environment", {})
        variables = environment.get("variables", {}) if environment != UNKNOWN else {}
        for key in variables if variables != UNKNOWN else {}:
            path = f"environment.variables.{key}"
            if key in RESERVED_VARIABLES:
                yield path, "is a name that Lambda reserves for itself"
            elif reason := text(r"[a-zA-Z]\w+", what="is a name Lambda refuses: two or more letters, digits and _")(key):
                yield path, reason

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        return super().arguments(inputs, names) | ({"Code": {"ZipFile": zip_bytes(inputs["code"])}} if names is None else {})

    def settle(self, id: str, inputs: Properties) -> None:
        self._wait(id)
        if inputs["reservedConcurrentExecutions"] >= 0:
            self.update(id, {}, inputs, {"reservedConcurrentExecutions"})

    def read(self, id: str, known: Properties) -> Properties | None:
        answer = self.call("read", FunctionName=id)
        found = answer["Configuration"]
        arn = found["FunctionArn"]
        layers = [layer["Arn"] for layer in found.get("Layers", [])]
        network = found.get("VpcConfig", {}) if found.get("VpcConfig", {}).get("SubnetIds") else {}
        told = {"Layers": layers, "VpcConfig": {key: network[key] for key in ("SubnetIds", "SecurityGroupIds") if network}}
        return self.properties(found | told) | {
            "invokeArn": invoke_arn(self.aws, arn),
            "qualifiedArn": f"{arn}:$LATEST",
            "qualifiedInvokeArn": invoke_arn(self.aws, f"{arn}:$LATEST"),
            "reservedConcurrentExecutions": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1),
            "responseStreamingInvokeArn": invoke_arn(self.aws, arn)
            .replace("2015-03-31", "2021-11-15")
            .replace("/invocations", "/response-streaming-invocations"),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if settings := self.arguments({**self.empty, **new}, changed - {"architectures"}):
            self.api.update_function_configuration(FunctionName=id, **settings)
            self._wait(id)
        if changed & self._CODE:
            architectures = self.arguments(new, ["architectures"])
            self.api.update_function_code(FunctionName=id, ZipFile=zip_bytes(new["code"]), **architectures)
            self._wait(id)
        if "reservedConcurrentExecutions" in changed:
            if (reserved := new["reservedConcurrentExecutions"]) >= 0:
                self.api.put_function_concurrency(FunctionName=id, ReservedConcurrentExecutions=reserved)
            else:
                self.api.delete_function_concurrency(FunctionName=id)

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        outputs = {"lastModified"} if changed - {"tags", "reservedConcurrentExecutions"} else set()
        return outputs | ({"codeSha256", "sourceCodeHash", "sourceCodeSize"} if changed & self._CODE else set())

    def _wait(self, id: str) -> None:
        def ready() -> bool:
            found = self.api.get_function_configuration(FunctionName=id)
            return found.get("State", "Active") == "Active" and found.get("LastUpdateStatus") in (None, "Successful")

        wait_until(ready, f"function {id} to become active")


class LayerVersion(Resource):
    token = "aws:lambda/layerVersion:LayerVersion"
    kind, key = "layer_version", "LayerVersionArn"
    verbs = {"create": "publish"}
    fields = capitalised("compatibleArchitectures compatibleRuntimes description layerName")
    outputs = capitalised("codeSha256 layerArn") | {
        "arn": "LayerVersionArn",
        "createdDate": "CreatedDate",
        "sourceCodeHash": "CodeSha256",
        "sourceCodeSize": "CodeSize",
    }
    required = frozenset({"code"})
    replaces = frozenset({"code", *fields})
    unordered = frozenset({"compatibleArchitectures", "compatibleRuntimes"})
    rules = {
        "compatibleArchitectures[*]": ARCHITECTURE,
        "compatibleRuntimes": at_most(15, "runtimes"),
        "description": text(longest=256),
        "layerName": text(NAME_PATTERN, 1, 64, NAME_WHAT),
    }

    def arguments(self, inputs: Properties, names: Any = None) -> dict[str, Any]:
        return super().arguments(inputs) | {"Content": {"ZipFile": zip_bytes(inputs["code"])}}

    def read(self, id: str, known: Properties) -> Properties | None:
        target = self.target(id, known)
        found = self.call("read", **target)
        return self.properties(found | found["Content"]) | {
            "layerName": known.get("layerName") or target["LayerName"],
            "version": str(found["Version"]),
        }

    def target(self, id: str, known: Properties) -> dict[str, Any]:
        *_, name, version = id.split(":")
        return {"LayerName": name, "VersionNumber": int(version)}


class Permission(Resource):
    token = "aws:lambda/permission:Permission"
    kind, key = "permission", "StatementId"
    verbs = {"create": "add", "delete": "remove"}
    name = Name("statementId", 100, NAME_PATTERN, NAME_WHAT)
    fields = capitalised("action principal sourceArn statementId") | {"function": "FunctionName"}
    replaces = frozenset(fields)
    rules = {
        "action": text(r"(lambda:[*]|lambda:[a-zA-Z]+|[*])", what="must be an action of Lambda, e.g. lambda:InvokeFunction"),
        "principal": text(r"[^\s]+", what="must be a service, an account or an ARN"),
        "sourceArn": arn(),
    }

    def create(self, inputs: Properties) -> str:
        self.call("create", **self.arguments(inputs))
        return inputs["statementId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        function, _, statement_id = id.rpartition("/")
        function = known.get("function") or function
        policy = json.loads(self.api.get_policy(FunctionName=function)["Policy"])
        for found in (statement for statement in policy["Statement"] if statement["Sid"] == statement_id):
            principal, condition = found["Principal"], found.get("Condition", {})
            return {
                "action": found["Action"],
                "function": function,
                "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
                "sourceArn": (condition.get("ArnLike") or condition.get("ArnEquals") or {}).get("AWS:SourceArn"),
                "statementId": statement_id,
            }
        return None

    def target(self, id: str, known: Properties) -> dict[str, Any]:
        return {"FunctionName": known["function"], "StatementId": id}


class EventSourceMapping(Resource):
    """Of queues only, not of streams."""

    token = "aws:lambda/eventSourceMapping:EventSourceMapping"
    kind, key = "event_source_mapping", "UUID"
    fields = capitalised("batchSize enabled eventSourceArn functionName functionResponseTypes scalingConfig")
    outputs = capitalised("functionArn lastProcessingResult state stateTransitionReason") | {"uuid": "UUID"}
    empty = {"functionResponseTypes": [], "scalingConfig": {}}
    defaults = {"enabled": True}
    required = frozenset({"eventSourceArn"})
    replaces = frozenset({"eventSourceArn"})
    kept = frozenset({"batchSize"})
    volatile = frozenset({"lastModified", "state", "stateTransitionReason"})
    unordered = frozenset({"functionResponseTypes"})
    rules = {
        # More than 10 at once need a window of time to collect them in, which isn't implemented.
        "batchSize": between(1, 10),
        "eventSourceArn": arn("sqs"),
        "functionResponseTypes[*]": one_of("ReportBatchItemFailures"),
        "scalingConfig.maximumConcurrency": between(2, 1000),
    }

    def settle(self, id: str, inputs: Properties) -> None:
        self._wait(id)

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.call("read", UUID=id)
        known_function = known.get("functionName", "")
        # A function may be given by its name or its ARN, with or without a qualifier; the API always answers with an ARN.
        same_function = known_function and found["FunctionArn"].endswith(known_function.rpartition(":function:")[2])
        return self.properties(found) | {
            "arn": found.get("EventSourceMappingArn") or self.aws.arn("lambda", f"event-source-mapping:{id}"),
            "enabled": found["State"] not in ("Disabled", "Disabling"),
            "functionName": known_function if same_function else found["FunctionArn"],
            "lastModified": str(found.get("LastModified") or ""),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._wait(id)
        super().update(id, old, new, changed)
        self._wait(id)

    def delete(self, id: str, known: Properties) -> None:
        self._wait(id)
        super().delete(id, known)
        wait_until_gone(lambda: self.call("read", UUID=id), f"event source mapping {id}")

    def _wait(self, id: str) -> None:
        wait_until(lambda: self.call("read", UUID=id)["State"] in ("Enabled", "Disabled"), f"event source mapping {id} to settle")
