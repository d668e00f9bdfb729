"""AWS Lambda: functions, layers, permissions, event source mappings, aliases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.archives import zip_bytes
from local.provider.aws import Aws, once_role_is_seen, wait_until
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, text
from local.provider.schema import Failure
from local.provider.shapes import from_aws, renamed, tag_changes, tag_map, to_aws

NAME_PATTERN = r"[a-zA-Z0-9_-]+"
NAME_WHAT = "must consist of letters, digits, - and _"
ARCHITECTURE = one_of("x86_64", "arm64")
VARIABLES = ("variables", "Variables")

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")

# Lambda sets these itself, and refuses a function that does.
RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


def invoke_arn(aws: Aws, function_arn: str) -> str:
    """What an API's integration calls the function by."""
    return (
        f"arn:{aws.partition}:apigateway:{aws.region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"
    )


class Function(Resource):
    token = "aws:lambda/function:Function"
    service = "lambda"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT, prefix_property=None)
    defaults = {
        "memorySize": 128,
        "packageType": "Zip",
        "publish": False,
        "reservedConcurrentExecutions": -1,
        "skipDestroy": False,
        "timeout": 3,
    }
    replaces = frozenset({"durableConfig", "name", "packageType", "tenancyConfig"})
    kept = frozenset({"architectures", "codeSha256", "ephemeralStorage", "loggingConfig", "sourceCodeHash", "tracingConfig"})
    missing = frozenset({"capacityProviderConfig", "fileSystemConfig", "imageConfig", "tenancyConfig", "vpcConfig"})
    rules = {
        "architectures[*]": ARCHITECTURE,
        "deadLetterConfig.targetArn": arn("(sqs|sns)"),
        "description": text(longest=256),
        "ephemeralStorage.size": between(512, 10240),
        "handler": text(r"\S+", 1, 128),
        "kmsKeyArn": arn("kms"),
        "layers[*]": text(r"arn:aws[a-z-]*:lambda:[^:]+:\d{12}:layer:[\w-]+:\d+", what="must be a layer version's ARN"),
        "loggingConfig.applicationLogLevel": one_of(*LOG_LEVELS),
        "loggingConfig.logFormat": one_of("JSON", "Text"),
        "loggingConfig.systemLogLevel": one_of("DEBUG", "INFO", "WARN"),
        "memorySize": between(128, 10240),
        "packageType": one_of("Zip", "Image"),
        "reservedConcurrentExecutions": between(-1, float("inf")),
        "role": arn("iam"),
        "snapStart.applyOn": one_of("PublishedVersions", "None"),
        "timeout": between(1, 900),
        "tracingConfig.mode": one_of("Active", "PassThrough"),
    }

    # {property: the name in the API}, for those that go as they are and those whose keys only need capitals.
    _SETTINGS = {
        "description": "Description",
        "handler": "Handler",
        "kmsKeyArn": "KMSKeyArn",
        "layers": "Layers",
        "memorySize": "MemorySize",
        "role": "Role",
        "runtime": "Runtime",
        "timeout": "Timeout",
    }
    _OBJECTS = {
        "deadLetterConfig": "DeadLetterConfig",
        "durableConfig": "DurableConfig",
        "environment": "Environment",
        "ephemeralStorage": "EphemeralStorage",
        "loggingConfig": "LoggingConfig",
        "snapStart": "SnapStart",
        "tracingConfig": "TracingConfig",
    }
    # What the API takes to mean "none any more".
    _EMPTY = {"deadLetterConfig": {"TargetArn": ""}, "environment": {"Variables": {}}, "snapStart": {"ApplyOn": "None"}}
    _CODE = frozenset({"architectures", "code", "imageUri", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash"})

    def check(self, inputs: Properties) -> Iterator[Failure]:
        sources = [name for name in ("code", "imageUri", "s3Bucket") if name in inputs]
        if len(sources) != 1:
            yield "code", f"give exactly one of code, imageUri and s3Bucket, not {' and '.join(sources) or 'none'}"
        if inputs["packageType"] == "Zip":
            for property in ("handler", "runtime"):
                if property not in inputs:
                    yield property, "is required for a function in a zip file"
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
        concurrency_apart = renamed(inputs, self._SETTINGS) | self._objects(inputs)
        self._when_role_is_seen(
            "create_function",
            FunctionName=inputs["name"],
            Code=self._code(inputs),
            PackageType=inputs["packageType"],
            Publish=inputs["publish"],
            Tags=inputs.get("tags", {}),
            **renamed(inputs, {"architectures": "Architectures", "codeSigningConfigArn": "CodeSigningConfigArn"}),
            **concurrency_apart,
        )
        return inputs["name"]

    def settle(self, id: str, inputs: Properties) -> None:
        self._wait(id)
        if inputs["reservedConcurrentExecutions"] >= 0:
            self._set_concurrency(id, inputs["reservedConcurrentExecutions"])

    def read(self, id: str, known: Properties) -> Properties | None:
        answer = self.api.get_function(FunctionName=id)
        found = answer["Configuration"]
        version = self._latest_version(id) if known.get("publish") else "$LATEST"
        arn = found["FunctionArn"]
        return {
            **{name: found.get(theirs) or None for name, theirs in self._SETTINGS.items()},
            **{name: from_aws(found.get(theirs), VARIABLES) or None for name, theirs in self._OBJECTS.items()},
            "architectures": found.get("Architectures"),
            "arn": arn,
            "codeSha256": found["CodeSha256"],
            "deadLetterConfig": _with("targetArn", found.get("DeadLetterConfig", {}).get("TargetArn")),
            "environment": _with("variables", found.get("Environment", {}).get("Variables")),
            "invokeArn": invoke_arn(self.aws, arn),
            "lastModified": found["LastModified"],
            "layers": [layer["Arn"] for layer in found.get("Layers", [])] or None,
            "name": found["FunctionName"],
            "packageType": found.get("PackageType", "Zip"),
            "qualifiedArn": f"{arn}:{version}",
            "qualifiedInvokeArn": invoke_arn(self.aws, f"{arn}:{version}"),
            "reservedConcurrentExecutions": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1),
            "responseStreamingInvokeArn": invoke_arn(self.aws, arn)
            .replace("2015-03-31", "2021-11-15")
            .replace("/invocations", "/response-streaming-invocations"),
            "signingJobArn": found.get("SigningJobArn", ""),
            "signingProfileVersionArn": found.get("SigningProfileVersionArn", ""),
            "snapStart": _snap_start(found.get("SnapStart")),
            "sourceCodeHash": known.get("sourceCodeHash") or found["CodeSha256"],
            "sourceCodeSize": found["CodeSize"],
            "tags": tag_map(answer.get("Tags")),
            "version": version,
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        settings = changed & (self._SETTINGS.keys() | self._OBJECTS.keys())
        if settings:
            self._update_settings(id, new, settings)
        if changed & self._CODE:
            self.api.update_function_code(
                FunctionName=id, **self._code(new), **renamed(new, {"architectures": "Architectures"})
            )
            self._wait(id)
        if "reservedConcurrentExecutions" in changed:
            self._set_concurrency(id, new["reservedConcurrentExecutions"])
        if new["publish"] and (settings or changed & self._CODE or "publish" in changed):
            self.api.publish_version(FunctionName=id)
        if "tags" in changed:
            _retag(self.api, old["arn"], old, new)

    def delete(self, id: str, known: Properties) -> None:
        if not known.get("skipDestroy"):
            self.api.delete_function(FunctionName=id)

    def unsure(self, new: Properties, changed: set[str]) -> set[str]:
        outputs = {"lastModified"} if changed - {"tags", "reservedConcurrentExecutions"} else set()
        if changed & self._CODE:
            outputs |= {"codeSha256", "sourceCodeSize"} | ({"sourceCodeHash"} - new.keys())
        if outputs and new.get("publish"):
            outputs |= {"qualifiedArn", "qualifiedInvokeArn", "version"}
        return outputs

    def _update_settings(self, id: str, new: Properties, changed: set[str]) -> None:
        removed = {name: {"layers": [], "description": ""}.get(name, "") for name in self._SETTINGS if name not in new}
        settings = renamed(removed | new, {name: self._SETTINGS[name] for name in changed & self._SETTINGS.keys()})
        objects = self._objects(new) | {
            self._OBJECTS[name]: empty for name, empty in self._EMPTY.items() if name not in new
        }
        changed_objects = {self._OBJECTS[name] for name in changed & self._OBJECTS.keys()}
        self._when_role_is_seen(
            "update_function_configuration",
            FunctionName=id,
            **settings,
            **{theirs: value for theirs, value in objects.items() if theirs in changed_objects},
        )
        self._wait(id)

    def _objects(self, inputs: Properties) -> dict[str, Any]:
        return {
            theirs: to_aws(inputs[name], VARIABLES) for name, theirs in self._OBJECTS.items() if inputs.get(name)
        }

    def _code(self, inputs: Properties) -> dict[str, Any]:
        if "code" in inputs:
            return {"ZipFile": zip_bytes(inputs["code"])}
        names = {"imageUri": "ImageUri", "s3Bucket": "S3Bucket", "s3Key": "S3Key", "s3ObjectVersion": "S3ObjectVersion"}
        return renamed(inputs, names)

    def _when_role_is_seen(self, operation: str, **arguments: Any) -> None:
        once_role_is_seen(lambda: getattr(self.api, operation)(**arguments))

    def _set_concurrency(self, id: str, reserved: int) -> None:
        if reserved >= 0:
            self.api.put_function_concurrency(FunctionName=id, ReservedConcurrentExecutions=reserved)
        else:
            self.api.delete_function_concurrency(FunctionName=id)

    def _latest_version(self, id: str) -> str:
        pages = self.api.get_paginator("list_versions_by_function").paginate(FunctionName=id)
        versions = [version["Version"] for page in pages for version in page["Versions"]]
        return max((version for version in versions if version.isdigit()), key=int, default="$LATEST")

    def _wait(self, id: str) -> None:
        def ready() -> bool:
            found = self.api.get_function_configuration(FunctionName=id)
            return found.get("State", "Active") == "Active" and found.get("LastUpdateStatus") in (None, "Successful")

        wait_until(ready, f"function {id} to become active")


class LayerVersion(Resource):
    token = "aws:lambda/layerVersion:LayerVersion"
    service = "lambda"
    defaults = {"skipDestroy": False}
    unordered = frozenset({"compatibleArchitectures", "compatibleRuntimes"})
    kept = frozenset({"sourceCodeHash"})
    replaces = frozenset(
        {
            "code",
            "compatibleArchitectures",
            "compatibleRuntimes",
            "description",
            "layerName",
            "licenseInfo",
            "s3Bucket",
            "s3Key",
            "s3ObjectVersion",
            "sourceCodeHash",
        }
    )
    rules = {
        "compatibleArchitectures[*]": ARCHITECTURE,
        "description": text(longest=256),
        "layerName": text(NAME_PATTERN, 1, 64, NAME_WHAT),
        "licenseInfo": text(longest=512),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if ("code" in inputs) == ("s3Bucket" in inputs):
            yield "code", "give exactly one of code and s3Bucket"
        if len(inputs.get("compatibleRuntimes", ())) > 15 and inputs["compatibleRuntimes"] != UNKNOWN:
            yield "compatibleRuntimes", "may hold 15 runtimes at most"

    def create(self, inputs: Properties) -> str:
        names = {"s3Bucket": "S3Bucket", "s3Key": "S3Key", "s3ObjectVersion": "S3ObjectVersion"}
        content = {"ZipFile": zip_bytes(inputs["code"])} if "code" in inputs else renamed(inputs, names)
        described = {
            "compatibleArchitectures": "CompatibleArchitectures",
            "compatibleRuntimes": "CompatibleRuntimes",
            "description": "Description",
            "licenseInfo": "LicenseInfo",
        }
        answer = self.api.publish_layer_version(
            LayerName=inputs["layerName"], Content=content, **renamed(inputs, described)
        )
        return answer["LayerVersionArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_layer_version(**self._target(id))
        return {
            "arn": found["LayerVersionArn"],
            "codeSha256": found["Content"]["CodeSha256"],
            "compatibleArchitectures": found.get("CompatibleArchitectures") or None,
            "compatibleRuntimes": found.get("CompatibleRuntimes") or None,
            "createdDate": found["CreatedDate"],
            "description": found.get("Description") or None,
            "layerArn": found["LayerArn"],
            "layerName": known.get("layerName") or self._target(id)["LayerName"],
            "licenseInfo": found.get("LicenseInfo") or None,
            "signingJobArn": found["Content"].get("SigningJobArn", ""),
            "signingProfileVersionArn": found["Content"].get("SigningProfileVersionArn", ""),
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
    name = Name("statementId", 100, NAME_PATTERN, NAME_WHAT, prefix_property="statementIdPrefix")
    replaces = frozenset(
        {
            "action",
            "eventSourceToken",
            "function",
            "functionUrlAuthType",
            "invokedViaFunctionUrl",
            "principal",
            "principalOrgId",
            "qualifier",
            "sourceAccount",
            "sourceArn",
            "statementId",
            "statementIdPrefix",
        }
    )
    rules = {
        "action": text(r"(lambda:[*]|lambda:[a-zA-Z]+|[*])", what="must be an action of Lambda, e.g. lambda:InvokeFunction"),
        "functionUrlAuthType": one_of("AWS_IAM", "NONE"),
        "principal": text(r"[^\s]+", what="must be a service, an account or an ARN"),
        "sourceAccount": text(r"\d{12}", what="must be an account of 12 digits"),
        "sourceArn": arn(),
    }

    def create(self, inputs: Properties) -> str:
        names = {
            "action": "Action",
            "eventSourceToken": "EventSourceToken",
            "functionUrlAuthType": "FunctionUrlAuthType",
            "invokedViaFunctionUrl": "InvokedViaFunctionUrl",
            "principal": "Principal",
            "principalOrgId": "PrincipalOrgID",
            "qualifier": "Qualifier",
            "sourceAccount": "SourceAccount",
            "sourceArn": "SourceArn",
            "statementId": "StatementId",
        }
        self.api.add_permission(FunctionName=inputs["function"], **renamed(inputs, names))
        return inputs["statementId"]

    def read(self, id: str, known: Properties) -> Properties | None:
        function, _, statement_id = id.rpartition("/")
        function = known.get("function") or function
        qualifier = {"Qualifier": known["qualifier"]} if known.get("qualifier") else {}
        policy = json.loads(self.api.get_policy(FunctionName=function, **qualifier)["Policy"])
        for statement in policy["Statement"]:
            if statement["Sid"] == statement_id:
                return self._properties(statement) | {"function": function}
        return None

    def _properties(self, statement: dict[str, Any]) -> Properties:
        principal = statement["Principal"]
        condition = statement.get("Condition", {})
        equals = condition.get("StringEquals", {})
        source_arn = (condition.get("ArnLike") or condition.get("ArnEquals") or {}).get("AWS:SourceArn")
        return {
            "action": statement["Action"],
            "eventSourceToken": equals.get("lambda:EventSourceToken"),
            "functionUrlAuthType": equals.get("lambda:FunctionUrlAuthType"),
            "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
            "principalOrgId": equals.get("aws:PrincipalOrgID"),
            "sourceAccount": equals.get("AWS:SourceAccount"),
            "sourceArn": source_arn,
            "statementId": statement["Sid"],
        }

    def delete(self, id: str, known: Properties) -> None:
        qualifier = {"Qualifier": known["qualifier"]} if known.get("qualifier") else {}
        self.api.remove_permission(FunctionName=known["function"], StatementId=id, **qualifier)


class EventSourceMapping(Resource):
    token = "aws:lambda/eventSourceMapping:EventSourceMapping"
    service = "lambda"
    defaults = {"enabled": True}
    replaces = frozenset({"eventSourceArn", "queues", "startingPosition", "startingPositionTimestamp"})
    kept = frozenset(
        {
            "batchSize",
            "destinationConfig",
            "maximumRecordAgeInSeconds",
            "maximumRetryAttempts",
            "metricsConfig",
            "parallelizationFactor",
        }
    )
    volatile = frozenset({"lastModified", "state", "stateTransitionReason"})
    unordered = frozenset({"functionResponseTypes"})
    missing = frozenset(
        {
            "amazonManagedKafkaEventSourceConfig",
            "documentDbEventSourceConfig",
            "provisionedPollerConfig",
            "queues",
            "selfManagedEventSource",
            "selfManagedKafkaEventSourceConfig",
            "sourceAccessConfigurations",
            "startingPositionTimestamp",
            "topics",
        }
    )
    rules = {
        "batchSize": between(1, 10000),
        "eventSourceArn": arn("(sqs|dynamodb|kinesis)"),
        "functionResponseTypes[*]": one_of("ReportBatchItemFailures"),
        "maximumBatchingWindowInSeconds": between(0, 300),
        "maximumRecordAgeInSeconds": between(60, 604800, -1),
        "maximumRetryAttempts": between(-1, 10000),
        "metricsConfig.metrics[*]": one_of("EventCount", "ErrorCount", "KafkaMetrics"),
        "parallelizationFactor": between(1, 10),
        "scalingConfig.maximumConcurrency": between(2, 1000),
        "startingPosition": one_of("AT_TIMESTAMP", "LATEST", "TRIM_HORIZON"),
        "tumblingWindowInSeconds": between(0, 900),
    }

    _PLAIN = {
        "batchSize": "BatchSize",
        "bisectBatchOnFunctionError": "BisectBatchOnFunctionError",
        "enabled": "Enabled",
        "functionName": "FunctionName",
        "functionResponseTypes": "FunctionResponseTypes",
        "kmsKeyArn": "KMSKeyArn",
        "maximumBatchingWindowInSeconds": "MaximumBatchingWindowInSeconds",
        "maximumRecordAgeInSeconds": "MaximumRecordAgeInSeconds",
        "maximumRetryAttempts": "MaximumRetryAttempts",
        "parallelizationFactor": "ParallelizationFactor",
        "tumblingWindowInSeconds": "TumblingWindowInSeconds",
    }
    _OBJECTS = {"filterCriteria": "FilterCriteria", "metricsConfig": "MetricsConfig", "scalingConfig": "ScalingConfig"}
    # What the API takes to mean "none any more".
    _EMPTY = {
        "filterCriteria": {},
        "functionResponseTypes": [],
        "maximumBatchingWindowInSeconds": 0,
        "scalingConfig": {},
        "tumblingWindowInSeconds": 0,
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        source, batch = inputs.get("eventSourceArn", ""), inputs.get("batchSize")
        window = inputs.get("maximumBatchingWindowInSeconds", 0)
        if ":sqs:" in source:
            if isinstance(batch, int) and batch > 10 and window == 0:
                yield "batchSize", f"above 10, not {batch}, needs a maximumBatchingWindowInSeconds of at least 1"
            if source.endswith(".fifo") and ((isinstance(batch, int) and batch > 10) or window not in (0, UNKNOWN)):
                yield "batchSize", "may be 10 at most, and without a batching window, for a FIFO queue"
            if "startingPosition" in inputs:
                yield "startingPosition", "is for streams only; this source is a queue"
        elif source and source != UNKNOWN and "startingPosition" not in inputs:
            yield "startingPosition", "is required for a stream"

    def create(self, inputs: Properties) -> str:
        source = renamed(inputs, {"eventSourceArn": "EventSourceArn", "startingPosition": "StartingPosition"})
        answer = once_role_is_seen(
            lambda: self.api.create_event_source_mapping(
                **source, **self._arguments(inputs, inputs.keys()), Tags=inputs.get("tags", {})
            )
        )
        return answer["UUID"]

    def settle(self, id: str, inputs: Properties) -> None:
        self._wait(id)

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_event_source_mapping(UUID=id)
        known_function = known.get("functionName", "")
        # A function may be given by its name or its ARN, with or without a qualifier; the API always answers with an ARN.
        same_function = known_function and found["FunctionArn"].endswith(known_function.rpartition(":function:")[2])
        arn = found.get("EventSourceMappingArn") or self.aws.arn("lambda", f"event-source-mapping:{id}")
        return {
            **{name: found.get(theirs) for name, theirs in self._PLAIN.items()},
            **{name: from_aws(found.get(theirs)) or None for name, theirs in self._OBJECTS.items()},
            "arn": arn,
            "destinationConfig": _failure_destination(found.get("DestinationConfig")),
            "enabled": found["State"] not in ("Disabled", "Disabling"),
            "eventSourceArn": found.get("EventSourceArn"),
            "functionArn": found["FunctionArn"],
            "functionName": known_function if same_function else found["FunctionArn"],
            "functionResponseTypes": found.get("FunctionResponseTypes") or None,
            "lastModified": _timestamp(found.get("LastModified")),
            "lastProcessingResult": found.get("LastProcessingResult", ""),
            "startingPosition": found.get("StartingPosition"),
            "state": found["State"],
            "stateTransitionReason": found.get("StateTransitionReason", ""),
            "tags": tag_map(self.api.list_tags(Resource=arn)["Tags"]),
            "uuid": found["UUID"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        arguments = self._arguments(dict(self._EMPTY) | new, changed)
        if arguments:
            self._wait(id)
            self.api.update_event_source_mapping(UUID=id, **arguments)
            self._wait(id)
        if "tags" in changed:
            _retag(self.api, old["arn"], old, new)

    def delete(self, id: str, known: Properties) -> None:
        self._wait(id)
        self.api.delete_event_source_mapping(UUID=id)
        wait_until(lambda: not self._exists(id), f"event source mapping {id} to be gone")

    def _arguments(self, inputs: Properties, names: Any) -> dict[str, Any]:
        chosen = {name: inputs[name] for name in names if name in inputs}
        arguments = renamed(chosen, self._PLAIN)
        arguments |= {self._OBJECTS[name]: to_aws(chosen[name]) for name in self._OBJECTS if name in chosen}
        if "destinationConfig" in chosen:
            destination = chosen["destinationConfig"].get("onFailure", {}).get("destinationArn")
            arguments["DestinationConfig"] = {"OnFailure": _with("Destination", destination) or {}}
        return arguments

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


class FunctionEventInvokeConfig(Resource):
    token = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
    service = "lambda"
    defaults = {"maximumRetryAttempts": 2}
    replaces = frozenset({"functionName", "qualifier"})
    rules = {
        "destinationConfig.onFailure.destination": arn("(sqs|sns|lambda|events|s3)"),
        "destinationConfig.onSuccess.destination": arn("(sqs|sns|lambda|events)"),
        "maximumEventAgeInSeconds": between(60, 21600),
        "maximumRetryAttempts": between(0, 2),
    }

    def create(self, inputs: Properties) -> str:
        self._put(inputs)
        return ":".join(filter(None, (inputs["functionName"], inputs.get("qualifier"))))

    def read(self, id: str, known: Properties) -> Properties | None:
        target = self._target(known or {"functionName": id})
        found = self.api.get_function_event_invoke_config(**target)
        destinations = {
            outcome: _with("destination", found.get("DestinationConfig", {}).get(theirs, {}).get("Destination"))
            for outcome, theirs in (("onFailure", "OnFailure"), ("onSuccess", "OnSuccess"))
        }
        return {
            "destinationConfig": {key: value for key, value in destinations.items() if value} or None,
            "functionName": target["FunctionName"],
            "maximumEventAgeInSeconds": found.get("MaximumEventAgeInSeconds"),
            "maximumRetryAttempts": found.get("MaximumRetryAttempts", 2),
            "qualifier": target.get("Qualifier"),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._put(new)

    def delete(self, id: str, known: Properties) -> None:
        self.api.delete_function_event_invoke_config(**self._target(known))

    def _put(self, inputs: Properties) -> None:
        names = {
            "maximumEventAgeInSeconds": "MaximumEventAgeInSeconds",
            "maximumRetryAttempts": "MaximumRetryAttempts",
        }
        destinations = to_aws(inputs.get("destinationConfig", {}))
        self.api.put_function_event_invoke_config(
            **self._target(inputs), **renamed(inputs, names), DestinationConfig=destinations
        )

    def _target(self, known: Properties) -> dict[str, str]:
        return renamed(known, {"functionName": "FunctionName", "qualifier": "Qualifier"})


class Alias(Resource):
    token = "aws:lambda/alias:Alias"
    service = "lambda"
    name = Name("name", 128, r"(?!\d+$)[a-zA-Z0-9_-]+", f"{NAME_WHAT}, and not of digits alone", prefix_property=None)
    replaces = frozenset({"functionName", "name"})
    rules = {
        "description": text(longest=256),
        "functionVersion": text(r"(\$LATEST|\d+)", what="must be $LATEST or the number of a version"),
    }

    _NAMES = {"description": "Description", "functionName": "FunctionName", "functionVersion": "FunctionVersion", "name": "Name"}

    def create(self, inputs: Properties) -> str:
        return self.api.create_alias(**renamed(inputs, self._NAMES), **self._routing(inputs))["AliasArn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        function, _, name = id.rpartition(":")
        found = self.api.get_alias(FunctionName=function, Name=name)
        weights = found.get("RoutingConfig", {}).get("AdditionalVersionWeights")
        return {
            "arn": found["AliasArn"],
            "description": found.get("Description") or None,
            "functionName": known.get("functionName") or function,
            "functionVersion": found["FunctionVersion"],
            "invokeArn": invoke_arn(self.aws, found["AliasArn"]),
            "name": found["Name"],
            "routingConfig": _with("additionalVersionWeights", weights),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.update_alias(**renamed({"description": ""} | new, self._NAMES), **self._routing(new))

    def delete(self, id: str, known: Properties) -> None:
        function, _, name = id.rpartition(":")
        self.api.delete_alias(FunctionName=function, Name=name)

    def _routing(self, inputs: Properties) -> dict[str, Any]:
        weights = inputs.get("routingConfig", {}).get("additionalVersionWeights", {})
        return {"RoutingConfig": {"AdditionalVersionWeights": weights}}


def _retag(api: Any, arn: str, old: Properties, new: Properties) -> None:
    added, removed = tag_changes(old.get("tags"), new.get("tags"))
    if added:
        api.tag_resource(Resource=arn, Tags=added)
    if removed:
        api.untag_resource(Resource=arn, TagKeys=removed)


def _with(name: str, value: Any) -> dict[str, Any] | None:
    """{name: value}, or None when there is no value."""
    return {name: value} if value else None


def _snap_start(found: dict[str, str] | None) -> Properties | None:
    if not found or found.get("ApplyOn", "None") == "None":
        return None
    return {"applyOn": found["ApplyOn"], "optimizationStatus": found.get("OptimizationStatus", "Off")}


def _failure_destination(found: Any) -> Properties | None:
    destination = (found or {}).get("OnFailure", {}).get("Destination")
    return {"onFailure": {"destinationArn": destination}} if destination else None


def _timestamp(moment: Any) -> str | None:
    return moment.isoformat() if hasattr(moment, "isoformat") else moment
