"""A bound on the calls at once of every function of a program, which Lambda keeps for the function as well.

    pulumi.runtime.register_stack_transformation(concurrency.reserved(20))

registered before the components are made, reaches every function that reserves nothing of its own.
"""

import pulumi

FUNCTION = "aws:lambda/function:Function"
RESERVED = "reserved_concurrent_executions"


def reserved(calls: int) -> pulumi.ResourceTransformation:
    """calls: of each function at once. What is above them is throttled, and tried again by queues and state machines."""

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != FUNCTION or args.props.get(RESERVED):
            return None
        return pulumi.ResourceTransformationResult({**args.props, RESERVED: calls}, args.opts)

    return transform
