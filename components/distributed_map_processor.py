"""DistributedMapProcessor: a list in DynamoDB, or a data set in S3, drives a Map; each item goes to the user's `process`.

Builds: a Workflow, three HandlerFunctions (one reads the source, one has `process` inside, one tallies the run), and, as the source
and the mode need them,

    source dynamodb     a table of its own for the list, unless `table` names an existing one
    source s3           a bucket of its own for the data set, unless `bucket` names an existing one
    mode DISTRIBUTED    the same bucket for the results, and the machine's right to start executions of itself
    idempotent          a table that remembers which items of which run are done

An item costs 1 state transition, 2 with a wait; in a Distributed Map each item, or batch, is an execution of its own.
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
from handlers.processing import MAX_OUTCOMES_BYTES, STATE_BYTES

HISTORY_EVENTS = 25_000
"""An execution ends, and nothing can catch it, when its history has as many (Step Functions' limit)."""

RUN_EVENTS = 100
"""For all but the items: the states before and after the Map, with their retries."""

INLINE_CONCURRENCY = 40
BATCH_BYTES = MAX_OUTCOMES_BYTES
"""Of the 262,144 that an execution's input may have; the outcomes of a batch have the same limit."""

LABEL = "items"
"""Of the Map Run, in the files of `statemachines/`: part of its executions' ARNs."""

RESULTS_PREFIX = "results"
BACKSTOP_SECONDS = 2
CLAIMS_SECONDS = 90 * 86_400
"""As long as a Standard execution can be redriven, with room: 14 days; and as long as its name stays taken: 90."""

THROTTLE_RETRIES = {"INLINE": 5, "DISTRIBUTED": 10}
"""Of an item that waits for its turn; inline, each takes room in one history."""

READER_SECONDS = 60
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


class TooManyItems(pulumi.RunError):
    """More items are expected than an inline Map can take."""


class Places(NamedTuple):
    """Where the items and the results are; empty where there is no such place."""

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]
    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]


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
    most = inline_items(args)
    if hint is not None and hint > most:
        return Choice("DISTRIBUTED", f"sizeHint {hint} is above the {most} items whose events fit one execution")
    return Choice("INLINE", f"a list of up to {most} items fits one execution" + (f", and sizeHint is {hint}" if hint else ""))


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
        _check_size(args, self.mode)
        _warn(self, name, args)

        self.table = _table(self, name, args) if args["source"] == "dynamodb" and not args["table"] else None
        uses_bucket = self.mode == "DISTRIBUTED"
        self.bucket = _bucket(self, name, args) if uses_bucket and not args["bucket"] else None
        table_name = self.table.name if self.table else _known(args["table"])
        bucket_name = self.bucket.id if self.bucket else _known(args["bucket"])
        object_key = args["key"] or f"data/items.{args['format']}"

        places = Places(
            table_name, self.table.arn if self.table else _table_arn(args["table"]),
            bucket_name, self.bucket.arn if self.bucket else _bucket_arn(args["bucket"]))

        self.claims = _claims(self, name, args) if args["idempotent"] else None
        self.reader = _reader(self, name, args, self.mode, object_key, places)
        self.processor = _processor(self, name, args, self.claims)
        self.tally = _tally(self, name, args, places if uses_bucket else None)

        functions = [function.functionArn for function in (self.reader, self.processor, self.tally)]
        statements = [policy.allow(["lambda:InvokeFunction"], functions)]
        if args["source"] == "s3":
            statements.append(policy.allow(["s3:GetObject"], pulumi.Output.concat(places.bucket_arn, "/", object_key)))
        if uses_bucket:
            statements.append(policy.allow(
                ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
                pulumi.Output.concat(places.bucket_arn, f"/{RESULTS_PREFIX}/*")))
            if args["kmsKeyArn"] and args["bucket"]:
                statements.append(policy.allow(["kms:Decrypt", "kms:GenerateDataKey"], args["kmsKeyArn"]))

        self.workflow = Workflow(name, {
            "definition": pulumi.Output.all(
                partition=aws.get_partition_output().partition, bucket=bucket_name, reader=self.reader.functionArn,
                processor=self.processor.functionArn, tally=self.tally.functionArn,
            ).apply(lambda known: render(args, self.mode, **known)),
            # An Express workflow has no Distributed Map and ends after 5 minutes; only the children may be of that type.
            "workflowType": "STANDARD",
            "statements": statements,
            "logRetentionDays": args["logRetentionDays"],
        }, pulumi.ResourceOptions(parent=self))
        self.stateMachineArn = self.workflow.stateMachineArn
        self.stateMachineName = self.workflow.stateMachineName
        if uses_bucket:
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
    args: DistributedMapProcessorArgs, mode: str, *, partition: str, bucket: str, reader: str, processor: str, tally: str,
) -> str:
    """The machine's definition. bucket: for the results of a distributed Map; reader, processor, tally: ARNs."""
    retries, seconds = int(args["retries"]), args["functionTimeoutSeconds"] + BACKSTOP_SECONDS + 1
    # A call that broke keeps its items claimed until its time is over. Asking again must outlast that, or a crash would lose them.
    broken = {"ClaimSeconds": seconds, "BrokenRetries": max(2, retries), "UnclearSeconds": seconds, "UnclearRetries": max(2, retries)}
    unclaimed = {"ClaimSeconds": 1, "BrokenRetries": 0, "UnclearSeconds": 1, "UnclearRetries": retries}
    tokens: dict[str, Any] = {
        "Partition": partition,
        "TimeoutSeconds": int(args["timeoutSeconds"]),
        "ReaderArn": reader,
        "ReaderTimeoutSeconds": READER_SECONDS + 1,
        "MaxConcurrency": int(args["maxConcurrency"]),
        "ProcessorArn": processor,
        "ProcessTimeoutSeconds": seconds,
        "ThrottleRetries": THROTTLE_RETRIES[mode],
        "Retries": retries,
        "TallyArn": tally,
        "TallyTimeoutSeconds": TALLY_SECONDS + 1,
        "Tolerance": tolerance_of(args),
        **(broken if args["idempotent"] else unclaimed),
        **({"WaitSeconds": int(args["waitSeconds"])} if args["waitSeconds"] else {}),
    }
    if mode == "DISTRIBUTED":
        batches = args["batchSize"] > 1
        tokens |= {
            "ReaderConfig": _reader_config(args),
            "BatchSize": int(args["batchSize"]),
            "BatchBytes": BATCH_BYTES if batches else STATE_BYTES,
            "ChildType": args["childType"],
            "Bucket": bucket,
            "ResultsPrefix": RESULTS_PREFIX,
        }
    return definition.render(_file(mode, waits=args["waitSeconds"] > 0), tokens)


def _file(mode: str, *, waits: bool) -> str:
    """A Wait is a transition for each item, so a run without one has a machine without one."""
    return f"list_{mode.lower()}{'_with_wait' if waits else ''}.asl.json"


def _reader_config(args: DistributedMapProcessorArgs) -> dict[str, str]:
    if args["source"] == "dynamodb":
        return {"InputType": "JSONL"}
    return {"InputType": PARTS[args["format"]], **({"CSVHeaderLocation": "FIRST_ROW"} if args["format"] == "csv" else {})}


def inline_items(args: DistributedMapProcessorArgs) -> int:
    """How many items an inline Map may have: when every call of every item is made again as often as it may be, the history still has
    room for all."""
    machine = json.loads(render(args, "INLINE", partition="aws", bucket="", reader="", processor="", tally=""))
    return (HISTORY_EVENTS - RUN_EVENTS) // _events_per_item(machine["States"]["Process each item"]["ItemProcessor"]["States"])


def _events_per_item(states: Mapping[str, Any]) -> int:
    """The iteration begins and ends; so does each state, and a call in it is scheduled, begins, and succeeds or fails."""
    calls = sum(1 + sum(retrier["MaxAttempts"] for retrier in state["Retry"]) for state in states.values() if state["Type"] == "Task")
    return 2 + 2 * len(states) + 3 * calls


def tolerance_of(args: DistributedMapProcessorArgs) -> dict[str, float]:
    """{"count"?, "percentage"?}: the one that is exceeded first decides. Without either, no item may fail."""
    count, percentage = args["toleratedFailureCount"], args["toleratedFailurePercentage"]
    return {
        **({"count": int(count)} if count is not None else {}),
        **({"percentage": _plain(percentage)} if percentage is not None else {}),
    }


def _reader(
    parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs, mode: str, object_key: str, places: "Places",
) -> HandlerFunction:
    own_bucket_key = args["kmsKeyArn"] if args["bucket"] else None
    if args["source"] == "s3":
        environment: dict[str, pulumi.Input[str]] = {"SOURCE_BUCKET": places.bucket_name, "SOURCE_OBJECT": object_key}
        statements = [policy.allow(["s3:GetObject"], pulumi.Output.concat(places.bucket_arn, "/", object_key))]
        decrypts = ["kms:Decrypt"] if own_bucket_key else []
    else:
        environment = {
            "SOURCE_TABLE": places.table_name,
            "SOURCE_KEY": json.dumps({args["keyName"]: {args["keyType"]: args["keyValue"]}}),
            "SOURCE_ATTRIBUTE": args["attribute"],
        }
        statements = [policy.allow(["dynamodb:GetItem"], places.table_arn)]
        decrypts = ["kms:Decrypt"] if args["kmsKeyArn"] else []
        if mode == "INLINE":
            environment |= {"MAX_ITEMS": str(inline_items(args))}
        else:
            environment |= {"RESULTS_BUCKET": places.bucket_name, "RESULTS_PREFIX": RESULTS_PREFIX}
            statements.append(policy.allow(["s3:PutObject"], pulumi.Output.concat(places.bucket_arn, f"/{RESULTS_PREFIX}/*")))
            decrypts += ["kms:GenerateDataKey"] if own_bucket_key else []
    if args["kmsKeyArn"] and decrypts:
        statements.append(policy.allow(decrypts, args["kmsKeyArn"]))
    return HandlerFunction(f"{name}-reader", {
        "module": "handlers.reader",
        "withModules": [],
        "environment": environment,
        "timeoutSeconds": READER_SECONDS,
        "memoryMb": 256,
        "logRetentionDays": args["logRetentionDays"],
        "statements": statements,
    }, pulumi.ResourceOptions(parent=parent))


def _processor(
    parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs, claims: Optional[aws.dynamodb.Table],
) -> HandlerFunction:
    code.check_defines(args["module"], "process")
    environment: dict[str, pulumi.Input[str]] = {"PROCESS_MODULE": args["module"]}
    statements = []
    if claims:
        environment |= {"CLAIMS_TABLE": claims.name, "CLAIMS_KEPT_SECONDS": str(CLAIMS_SECONDS)}
        statements = [policy.allow(["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], claims.arn)]
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
    parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs, results: Places | None,
) -> HandlerFunction:
    environment: dict[str, pulumi.Input[str]] = {}
    statements = []
    if results:
        environment = {"RESULTS_BUCKET": results.bucket_name, "RESULTS_PREFIX": RESULTS_PREFIX}
        statements = [policy.allow(
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], pulumi.Output.concat(results.bucket_arn, f"/{RESULTS_PREFIX}/*"))]
        if args["kmsKeyArn"] and args["bucket"]:
            statements.append(policy.allow(["kms:Decrypt", "kms:GenerateDataKey"], args["kmsKeyArn"]))
    return HandlerFunction(f"{name}-tally", {
        "module": "handlers.tally",
        "withModules": [],
        "environment": environment,
        "timeoutSeconds": TALLY_SECONDS,
        "memoryMb": 256,
        "logRetentionDays": args["logRetentionDays"],
        "statements": statements,
    }, pulumi.ResourceOptions(parent=parent))


def _let_it_start_itself(parent: pulumi.Resource, name: str, workflow: Workflow, tally: HandlerFunction) -> None:
    """Rights on the machine and its runs, in policies of their own: they name the machine, so they come after it."""
    machine = workflow.stateMachineArn
    executions = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':execution:')}:*")
    children = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':execution:')}/{LABEL}:*")
    runs = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':mapRun:')}/{LABEL}:*")
    aws.iam.RolePolicy(
        f"{name}-starts-itself",
        role=workflow.role.name,
        policy=policy.document([
            policy.allow(["states:StartExecution"], machine),
            policy.allow(["states:DescribeExecution", "states:StopExecution"], [executions, children]),
            policy.allow(["states:RedriveExecution"], children),
        ]),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    tally.grant("counts", [policy.allow(["states:DescribeMapRun"], runs)])


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


def _claims(parent: pulumi.Resource, name: str, args: DistributedMapProcessorArgs) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        f"{name}-claims",
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


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _check_size(args: DistributedMapProcessorArgs, mode: str) -> None:
    """Raises TooManyItems."""
    if mode == "INLINE" and args["sizeHint"] and args["sizeHint"] > inline_items(args):
        raise TooManyItems(
            f"distributed.sizeHint is {args['sizeHint']}; allowed in mode INLINE with retries {args['retries']}: a whole number up to "
            f"{inline_items(args)}, whose events fit one execution (mode DISTRIBUTED takes more)")


def _warn(resource: pulumi.Resource, name: str, args: DistributedMapProcessorArgs) -> None:
    """About what is allowed and yet unlikely to be wanted, and about what an emulator leaves out."""
    shortest = shortest_seconds(args)
    if shortest > args["timeoutSeconds"]:
        pulumi.log.warn(
            f"{name}: {args['sizeHint'] or 1} items, {args['maxConcurrency']} at once with waitSeconds {args['waitSeconds']}, take at "
            f"least {shortest} s; timeoutSeconds {args['timeoutSeconds']} ends the run before that", resource)
    if _is_emulator():
        pulumi.log.warn(
            f"{name}: the emulator ignores timeoutSeconds, batchSize and the writing of results: a run never times out, each item is "
            "an execution of its own, and S3 has the failed outcomes alone", resource)


def shortest_seconds(args: DistributedMapProcessorArgs) -> int:
    """What the waiting alone takes, for the items that sizeHint expects."""
    rounds = math.ceil((args["sizeHint"] or 1) / args["maxConcurrency"]) if args["maxConcurrency"] else 1
    return rounds * args["waitSeconds"]


def _is_emulator() -> bool:
    configured = json.loads(pulumi.Config("aws").get("endpoints") or "[]")
    return bool(os.environ.get("AWS_ENDPOINT_URL") or any(url for entry in configured for url in entry.values()))
