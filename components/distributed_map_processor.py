"""DistributedMapProcessor: a list in DynamoDB, or a data set in S3, drives a Map; each item goes to the user's `process`.

Builds: a Workflow, a HandlerFunction around `process`, and, as the source and the mode need them,

    source dynamodb     a table of its own for the list, unless `table` names an existing one
    source s3           a bucket of its own for the data set, unless `bucket` names an existing one
    mode DISTRIBUTED    the same bucket for the results, a HandlerFunction that tallies the run, and the machine's right to start
                        executions of itself
    idempotent          a table that remembers which items of which run are done

An inline Map costs 1 state transition per item, 2 with a wait; in a Distributed Map each item, or batch, is an execution of its own.
"""

import json
import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import code, definition, policy
from components.handler_function import HandlerFunction
from components.workflow import Workflow
from handlers import exact_json, processing

INLINE_ITEMS = 2_000
"""An iteration takes about 9 events, and an execution may have 25,000 (Step Functions' limit): room for retries is left."""

INLINE_CONCURRENCY = 40
BATCH_BYTES = 200_000
"""Of the 262,144 that an execution's input may have; the outcomes of a batch have the same limit."""

LISTED_FAILURES = 10
RESULTS_PREFIX = "results"
BACKSTOP_SECONDS = 2
LEDGER_SECONDS = 90 * 86_400
"""As long as a Standard execution can be redriven, with room: 14 days; and as long as its name stays taken: 90."""

THROTTLED = {
    "ErrorEquals": ["Lambda.TooManyRequestsException"],
    "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 10, "MaxDelaySeconds": 60, "JitterStrategy": "FULL",
}
"""More items at once than the account has functions is no fault of an item: it waits for its turn."""

TALLY_SECONDS = 890
PARTS = {"json": "JSON", "jsonl": "JSONL", "csv": "CSV"}


class DistributedMapProcessorArgs(TypedDict):
    source: str
    """dynamodb or s3."""
    table: Optional[str]
    """An existing table with keyName as its only key; None makes one."""
    keyName: str
    keyValue: str
    keyType: str
    """S (a string) or N (a number)."""
    attribute: str
    """Holds the list."""
    bucket: Optional[str]
    """An existing bucket, for the data set and the results; None makes one where one is needed."""
    key: Optional[str]
    """The object with the data set; None: data/items.FORMAT."""
    format: str
    """json (an array), jsonl or csv (with a header)."""
    kmsKeyArn: Optional[str]
    """The key of an existing table or bucket, where it has one of its own."""
    mode: str
    """INLINE, DISTRIBUTED or AUTO."""
    sizeHint: Optional[int]
    """About how many items there will be."""
    maxConcurrency: int
    """0 to 40 inline, to 10,000 distributed; 0 leaves the cap to Step Functions."""
    childType: str
    batchSize: int
    toleratedFailureCount: Optional[int]
    toleratedFailurePercentage: Optional[float]
    waitSeconds: int
    timeoutSeconds: int
    """The whole run ends by then."""
    retries: int
    module: str
    """A Python module of the project with a function `process`."""
    idempotent: bool
    functionTimeoutSeconds: int
    memoryMb: int
    resultRetentionDays: int
    logRetentionDays: int
    retainData: bool


class Choice(NamedTuple):
    mode: str
    why: str


def choose_mode(args: DistributedMapProcessorArgs) -> Choice:
    """The mode that the arguments ask for, or that AUTO takes for their source and size."""
    if args["mode"] != "AUTO":
        return Choice(args["mode"], "the configuration says so")
    hint = args["sizeHint"]
    if args["source"] == "s3":
        return Choice("DISTRIBUTED", "only a Distributed Map reads from S3")
    if args["maxConcurrency"] > INLINE_CONCURRENCY:
        return Choice("DISTRIBUTED", f"maxConcurrency {args['maxConcurrency']} is above the {INLINE_CONCURRENCY} of an inline Map")
    if args["batchSize"] > 1 or args["childType"] == "EXPRESS" or args["bucket"]:
        return Choice("DISTRIBUTED", "batchSize, childType and bucket belong to a Distributed Map")
    if hint is not None and hint > INLINE_ITEMS:
        return Choice("DISTRIBUTED", f"sizeHint {hint} is above the {INLINE_ITEMS} items whose events fit one execution")
    return Choice("INLINE", f"a list of up to {INLINE_ITEMS} items fits one execution" + (f", and sizeHint is {hint}" if hint else ""))


class DistributedMapProcessor(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName; source, for the loader: {"source", "format", "table", "keyName", "keyValue",
    "keyType", "attribute"} or {"source", "format", "bucket", "key"}; sourceTableName or sourceBucketName; results, where they are found."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]
    source: pulumi.Output[Mapping[str, Any]]
    sourceTableName: Optional[pulumi.Output[str]]
    sourceBucketName: Optional[pulumi.Output[str]]
    results: pulumi.Output[str]

    def __init__(self, name: str, args: DistributedMapProcessorArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:DistributedMapProcessor", name, {}, opts)
        self.mode, why = choose_mode(args)
        pulumi.log.info(f"{name}: mode {self.mode}, because {why}", self)
        _warn(self, name, args)

        self.table = _table(self, name, args) if args["source"] == "dynamodb" and not args["table"] else None
        uses_bucket = self.mode == "DISTRIBUTED"
        self.bucket = _bucket(self, name, args) if uses_bucket and not args["bucket"] else None
        table_name = self.table.name if self.table else _known(args["table"])
        bucket_name = self.bucket.id if self.bucket else _known(args["bucket"])
        object_key = args["key"] or f"data/items.{args['format']}"

        self.ledger = _ledger(self, name, args) if args["idempotent"] else None
        self.processor = _processor(self, name, args, self.ledger)
        table_arn = self.table.arn if self.table else _table_arn(args["table"])
        bucket_arn = self.bucket.arn if self.bucket else _bucket_arn(args["bucket"])
        self.tally = _tally(self, name, args, bucket_name, bucket_arn) if uses_bucket else None

        functions = [function.functionArn for function in (self.processor, self.tally) if function]
        statements = [policy.allow(["lambda:InvokeFunction"], functions)]
        if args["source"] == "dynamodb":
            statements.append(policy.allow(["dynamodb:GetItem"], table_arn))
        else:
            statements.append(policy.allow(["s3:GetObject"], pulumi.Output.concat(bucket_arn, "/", object_key)))
        if uses_bucket:
            statements.append(policy.allow(
                ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
                pulumi.Output.concat(bucket_arn, f"/{RESULTS_PREFIX}/*")))
        if args["kmsKeyArn"]:
            statements.append(policy.allow(["kms:Decrypt", *(["kms:GenerateDataKey"] if args["bucket"] else [])], args["kmsKeyArn"]))

        self.workflow = Workflow(name, {
            "definition": pulumi.Output.all(
                table=table_name, bucket=bucket_name, processor=self.processor.functionArn,
                tally=self.tally.functionArn if self.tally else "",
            ).apply(lambda known: render(args, self.mode, object_key=object_key, **known)),
            # An Express workflow has no Distributed Map and ends after 5 minutes; only the children may be of that type.
            "workflowType": "STANDARD",
            "statements": statements,
            "logRetentionDays": args["logRetentionDays"],
        }, pulumi.ResourceOptions(parent=self))
        self.stateMachineArn = self.workflow.stateMachineArn
        self.stateMachineName = self.workflow.stateMachineName
        if self.tally:
            _let_it_start_itself(self, name, self.workflow, self.tally)

        if args["source"] == "dynamodb":
            self.source = pulumi.Output.all(
                source="dynamodb", format="json", table=table_name, keyName=args["keyName"], keyValue=args["keyValue"],
                keyType=args["keyType"], attribute=args["attribute"])
        else:
            self.source = pulumi.Output.all(source="s3", format=args["format"], bucket=bucket_name, key=object_key)
        self.sourceTableName = table_name if args["source"] == "dynamodb" else None
        self.sourceBucketName = bucket_name if args["source"] == "s3" else None
        self.results = (
            pulumi.Output.concat("s3://", bucket_name, f"/{RESULTS_PREFIX}/") if uses_bucket
            else pulumi.Output.from_input("the execution's output"))
        self.register_outputs({
            "stateMachineArn": self.stateMachineArn, "stateMachineName": self.stateMachineName, "source": self.source,
            "sourceTableName": self.sourceTableName, "sourceBucketName": self.sourceBucketName, "results": self.results})


def render(
    args: DistributedMapProcessorArgs, mode: str, *, table: str, bucket: str, object_key: str, processor: str, tally: str,
) -> str:
    """The machine's definition. processor, tally: ARNs; what a mode or source does not use is ignored."""
    without = set() if args["waitSeconds"] else {"Wait"}
    seconds = args["functionTimeoutSeconds"] + BACKSTOP_SECONDS + 1
    tokens: dict[str, Any] = {
        "TimeoutSeconds": int(args["timeoutSeconds"]),
        "MaxConcurrency": int(args["maxConcurrency"]),
        "ProcessorArn": processor,
        "ProcessTimeoutSeconds": seconds,
        "ProcessRetry": process_retry(int(args["retries"]), seconds if args["idempotent"] else None),
        **({"WaitSeconds": int(args["waitSeconds"])} if args["waitSeconds"] else {}),
    }
    if args["source"] == "dynamodb":
        tokens |= _list_tokens(args, mode, table)
    if mode == "INLINE":
        return definition.render("list_inline.asl.json", tokens | _inline_tokens(args), without=without)

    tolerance = tolerance_of(args)
    tokens |= {
        "ChildType": args["childType"],
        "Bucket": bucket,
        "ResultsPrefix": RESULTS_PREFIX,
        "Tolerance": tolerance,
        "TallyArn": tally,
        "TallyTimeoutSeconds": TALLY_SECONDS + BACKSTOP_SECONDS + 1,
        "TallyRetry": _with_attempts(definition.ASK_RETRY, 6),
    }
    if args["batchSize"] > 1:
        tokens |= {"BatchSize": int(args["batchSize"]), "BatchBytes": BATCH_BYTES}
    else:
        without |= {"ItemBatcher"}
    for token, key in (("ToleratedFailureCount", "count"), ("ToleratedFailurePercentage", "percentage")):
        if key in tolerance:
            tokens[token] = tolerance[key]
        else:
            without |= {token}
    if args["source"] == "dynamodb":
        return definition.render("list_distributed.asl.json", tokens, without=without)
    header = {"CSVHeaderLocation": "FIRST_ROW"} if args["format"] == "csv" else {}
    tokens |= {"Key": object_key, "ReaderConfig": {"InputType": PARTS[args["format"]], **header}}
    return definition.render("data_set_distributed.asl.json", tokens, without=without)


def tolerance_of(args: DistributedMapProcessorArgs) -> dict[str, float]:
    """{"count"?, "percentage"?}: the one that is exceeded first decides. Without either, no item may fail."""
    count, percentage = args["toleratedFailureCount"], args["toleratedFailurePercentage"]
    return {
        **({"count": int(count)} if count is not None else {}),
        **({"percentage": _plain(percentage)} if percentage is not None else {}),
    }


def process_retry(retries: int, claim_seconds: Optional[int]) -> list[dict[str, Any]]:
    """claim_seconds: how long a call that broke keeps its items claimed, when the processor is idempotent. Asking again must
    outlast that, or a crash would lose them."""
    again = [THROTTLED, *_with_attempts(definition.ASK_RETRY, retries)]
    if claim_seconds is None:
        return again
    claimed = {
        # After the first, Lambda's names for a call that broke; the last is the emulator's for all that a function raises.
        "ErrorEquals": [
            "ItemInProgress", "States.Timeout", "Sandbox.Timedout", "Runtime.ExitError", "Lambda.Unknown", "Runtime.HandlerError"],
        "IntervalSeconds": claim_seconds, "BackoffRate": 1, "MaxAttempts": max(2, retries),
    }
    return [claimed, *again]


def _list_tokens(args: DistributedMapProcessorArgs, mode: str, table: str) -> dict[str, Any]:
    inline = mode == "INLINE"
    return {
        "TableName": table,
        "KeyName": args["keyName"],
        "KeyText": args["keyValue"],
        "SourceKey": {args["keyName"]: {args["keyType"]: args["keyValue"]}},
        "ListAttribute": args["attribute"],
        "MaxItems": INLINE_ITEMS if inline else 400_000,
        "MaxItemsAdvice": f"an inline Map takes {INLINE_ITEMS}: use mode DISTRIBUTED" if inline else "put them into S3",
        "TooLarge": "the list takes more than the 262,144 bytes that a state may carry: put it into S3 (source s3)",
        "ExactDigits": exact_json.EXACT_DIGITS,
        "StoreRetry": definition.STORE_RETRY,
    }


def _inline_tokens(args: DistributedMapProcessorArgs) -> dict[str, Any]:
    tolerance = tolerance_of(args)
    exceeded = [
        *([f"$states.input.failed > {tolerance['count']}"] if "count" in tolerance else []),
        *([f"$states.input.failed * 100 > {tolerance['percentage']} * $states.input.items"] if "percentage" in tolerance else []),
    ]
    return {
        "Exceeded": " or ".join(exceeded) or "$states.input.failed > 0",
        "ToleranceText": tolerance_text(tolerance),
        "ListedFailures": LISTED_FAILURES,
        "ResultsTooLarge": "the results take more than the 262,144 bytes that a state may carry: return less, or use mode DISTRIBUTED",
        "MaxMessageChars": processing.MAX_MESSAGE_CHARS,
    }


def tolerance_text(tolerance: Mapping[str, float]) -> str:
    parts = [
        *([f"{tolerance['count']} failed items"] if "count" in tolerance else []),
        *([f"{tolerance['percentage']} % of the items"] if "percentage" in tolerance else []),
    ]
    return " and ".join(parts) or "no failed item"


def _processor(
    parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs, ledger: Optional[aws.dynamodb.Table],
) -> HandlerFunction:
    code.check_defines(args["module"], "process")
    environment: dict[str, pulumi.Input[str]] = {"PROCESS_MODULE": args["module"]}
    statements = []
    if ledger:
        environment |= {"LEDGER_TABLE": ledger.name, "LEDGER_SECONDS": str(LEDGER_SECONDS)}
        statements = [policy.allow(["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], ledger.arn)]
    return HandlerFunction(f"{name}-process", {
        "module": "handlers.processor",
        "withModules": [args["module"]],
        "environment": environment,
        "timeoutSeconds": args["functionTimeoutSeconds"] + BACKSTOP_SECONDS,
        "memoryMb": args["memoryMb"],
        "logRetentionDays": args["logRetentionDays"],
        "statements": statements,
    }, pulumi.ResourceOptions(parent=parent))


def _tally(
    parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs, bucket: pulumi.Output[str], bucket_arn: pulumi.Output[str],
) -> HandlerFunction:
    statements = [policy.allow(["s3:GetObject"], pulumi.Output.concat(bucket_arn, f"/{RESULTS_PREFIX}/*"))]
    if args["kmsKeyArn"] and args["bucket"]:
        statements.append(policy.allow(["kms:Decrypt"], args["kmsKeyArn"]))
    return HandlerFunction(f"{name}-tally", {
        "module": "handlers.tally",
        "withModules": [],
        "environment": {
            "RESULTS_BUCKET": bucket, "RESULTS_PREFIX": RESULTS_PREFIX, "BATCHED": "true" if args["batchSize"] > 1 else "false"},
        "timeoutSeconds": TALLY_SECONDS,
        "memoryMb": 256,
        "logRetentionDays": args["logRetentionDays"],
        "statements": statements,
    }, pulumi.ResourceOptions(parent=parent))


def _let_it_start_itself(parent: pulumi.Resource, name: str, workflow: Workflow, tally: HandlerFunction) -> None:
    """Rights on the machine and its runs, in policies of their own: they name the machine, so they come after it."""
    machine = workflow.stateMachineArn
    executions = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':execution:')}:*")
    runs = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':mapRun:')}/*:*")
    aws.iam.RolePolicy(
        f"{name}-starts-itself",
        role=workflow.role.name,
        policy=policy.document([
            policy.allow(["states:StartExecution"], machine),
            policy.allow(["states:DescribeExecution", "states:StopExecution"], executions),
        ]),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    tally.grant("counts", [
        policy.allow(["states:ListMapRuns"], executions),
        policy.allow(["states:DescribeMapRun"], runs),
    ])


def _table(parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        f"{name}-list",
        billing_mode="PAY_PER_REQUEST",
        hash_key=args["keyName"],
        attributes=[{"name": args["keyName"], "type": args["keyType"]}],
        point_in_time_recovery={"enabled": True},
        server_side_encryption={"enabled": True},
        deletion_protection_enabled=args["retainData"],
        opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=args["retainData"]),
    )


def _ledger(parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        f"{name}-ledger",
        billing_mode="PAY_PER_REQUEST",
        hash_key="id",
        attributes=[{"name": "id", "type": "S"}],
        ttl={"attribute_name": "expiresAt", "enabled": True},
        point_in_time_recovery={"enabled": True},
        server_side_encryption={"enabled": True},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _bucket(parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs) -> aws.s3.Bucket:
    """Encrypted, private, reached over TLS only; results expire, and so does what an interrupted upload leaves behind."""
    keep = args["retainData"]
    bucket = aws.s3.Bucket(
        f"{name}-data", force_destroy=not keep, opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=keep))
    within = pulumi.ResourceOptions(parent=parent)
    aws.s3.BucketPublicAccessBlock(
        f"{name}-data", bucket=bucket.id, block_public_acls=True, block_public_policy=True, ignore_public_acls=True,
        restrict_public_buckets=True, opts=within)
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-data", bucket=bucket.id, rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}], opts=within)
    aws.s3.BucketLifecycleConfiguration(f"{name}-data", bucket=bucket.id, rules=[
        {
            "id": "results", "status": "Enabled", "filter": {"prefix": f"{RESULTS_PREFIX}/"},
            "expiration": {"days": args["resultRetentionDays"]},
        },
        {
            "id": "uploads", "status": "Enabled", "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
        },
    ], opts=within)
    aws.s3.BucketPolicy(f"{name}-data", bucket=bucket.id, policy=policy.document([{
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]), opts=within)
    return bucket


def _table_arn(name: Optional[str]) -> pulumi.Output[str]:
    """Of a table that exists already, in the stack's account and region; empty where none is named."""
    if name is None:
        return pulumi.Output.from_input("")
    return pulumi.Output.concat(
        "arn:", aws.get_partition_output().partition, ":dynamodb:", aws.get_region_output().region, ":",
        aws.get_caller_identity_output().account_id, ":table/", name)


def _bucket_arn(name: Optional[str]) -> pulumi.Output[str]:
    if name is None:
        return pulumi.Output.from_input("")
    return pulumi.Output.concat("arn:", aws.get_partition_output().partition, ":s3:::", name)


def _known(name: Optional[str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(name or "")


def _with_attempts(retriers: list[dict[str, Any]], attempts: int) -> list[dict[str, Any]]:
    return [{**retrier, "MaxAttempts": attempts} for retrier in retriers]


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _warn(resource: pulumi.Resource, name: str, args: DistributedMapProcessorArgs) -> None:
    """About what is allowed and yet unlikely to be wanted, and about what an emulator leaves out."""
    shortest = shortest_seconds(args)
    if shortest > args["timeoutSeconds"]:
        pulumi.log.warn(
            f"{name}: {args['sizeHint'] or 1} items, {args['maxConcurrency']} at once with waitSeconds {args['waitSeconds']}, take at "
            f"least {shortest} s; timeoutSeconds {args['timeoutSeconds']} ends the run before that", resource)
    if _is_emulator():
        pulumi.log.warn(
            f"{name}: the emulator ignores timeoutSeconds, batchSize and the results' place in S3: a run never times out, and each "
            "item is an execution of its own whose outcome is found there", resource)


def shortest_seconds(args: DistributedMapProcessorArgs) -> int:
    """What the waiting alone takes, for the items that sizeHint expects."""
    rounds = math.ceil((args["sizeHint"] or 1) / args["maxConcurrency"]) if args["maxConcurrency"] else 1
    return rounds * args["waitSeconds"]


def _is_emulator() -> bool:
    configured = json.loads(pulumi.Config("aws").get("endpoints") or "[]")
    return bool(os.environ.get("AWS_ENDPOINT_URL") or any(url for entry in configured for url in entry.values()))
