"""The rules as a policy pack: pulumi preview --policy-pack policies."""

from collections.abc import Callable

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from rules import RESOURCE_RULES, STACK_RULES, Resource, ResourceRule, StackRule


def of_a_resource(rule: ResourceRule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in rule.types:
            for wrong in rule.check(args.props):
                report(f"{args.name} {wrong}")

    return ResourceValidationPolicy(rule.name, rule.description, validate, _level(rule.is_mandatory))


def of_the_stack(rule: StackRule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: Callable[[str, str], None]) -> None:
        resources = [
            Resource(
                each.urn,
                each.resource_type,
                each.props,
                {name: [used.urn for used in others] for name, others in each.property_dependencies.items()},
            )
            for each in args.resources
        ]
        for urn, wrong in rule.check(resources):
            report(f"{urn.rpartition('::')[2]} {wrong}", urn)

    return StackValidationPolicy(rule.name, rule.description, validate, _level(rule.is_mandatory))


def _level(is_mandatory: bool) -> EnforcementLevel:
    return EnforcementLevel.MANDATORY if is_mandatory else EnforcementLevel.ADVISORY


PolicyPack("scatter-gather", [*map(of_a_resource, RESOURCE_RULES), *map(of_the_stack, STACK_RULES)])
