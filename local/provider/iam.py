"""AWS Identity and Access Management: roles and policies."""

import json
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, policy_document, statements, text
from local.provider.schema import Failure
from local.provider.shapes import Tagging, tag_map

NAME_PATTERN = r"[\w+=,.@-]+"
NAME_WHAT = "must consist of letters, digits and +=,.@-_"
ROLE_NAME = text(NAME_PATTERN, 1, 64, NAME_WHAT)

# AWS counts the characters of a policy without its white space.
MANAGED_POLICY_LIMIT, ROLE_POLICY_LIMIT = 6144, 10240


class Role(Resource):
    token = "aws:iam/role:Role"
    kind, key = "role", "RoleName"
    tagging = Tagging("RoleName", "", "tag_role", "untag_role", by="name")
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    fields = {"assumeRolePolicy": "AssumeRolePolicyDocument", "name": "RoleName"}
    outputs = {"arn": "Arn", "createDate": "CreateDate", "uniqueId": "RoleId"}
    replaces = frozenset({"name"})
    policies = frozenset({"assumeRolePolicy"})
    rules = {"assumeRolePolicy": policy_document()}

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["assumeRolePolicy"] == UNKNOWN:
            return
        for statement in statements(json.loads(inputs["assumeRolePolicy"])):
            if "Principal" not in statement and "NotPrincipal" not in statement:
                yield "assumeRolePolicy", "needs a Principal in each statement"

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.call("read", RoleName=id)["Role"]
        return self.properties(found) | {"tags": tag_map(found.get("Tags"))}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.update_assume_role_policy(RoleName=id, PolicyDocument=new["assumeRolePolicy"])


class RolePolicy(Resource):
    token = "aws:iam/rolePolicy:RolePolicy"
    kind, key = "role_policy", "PolicyName"
    verbs = {"create": "put", "update": "put"}
    name = Name("name", 128, NAME_PATTERN, NAME_WHAT)
    fields = {"name": "PolicyName", "policy": "PolicyDocument", "role": "RoleName"}
    replaces = frozenset({"name", "role"})
    policies = frozenset({"policy"})
    rules = {"policy": policy_document(ROLE_POLICY_LIMIT), "role": ROLE_NAME}

    def create(self, inputs: Properties) -> str:
        return f"{inputs['role']}:{super().create(inputs)}"

    def target(self, id: str, known: Properties) -> dict[str, Any]:
        role, _, name = id.partition(":")
        return {"RoleName": role, "PolicyName": name}


class Policy(Resource):
    token = "aws:iam/policy:Policy"
    kind, key = "policy", "PolicyArn"
    tagging = Tagging("PolicyArn", "", "tag_policy", "untag_policy")
    name = Name("name", 128, NAME_PATTERN, NAME_WHAT)
    fields = {"name": "PolicyName", "policy": "PolicyDocument"}
    outputs = {"arn": "Arn", "attachmentCount": "AttachmentCount", "policyId": "PolicyId"}
    replaces = frozenset({"name"})
    policies = frozenset({"policy"})
    rules = {"policy": policy_document(MANAGED_POLICY_LIMIT)}

    def create(self, inputs: Properties) -> str:
        return self.call("create", **self.arguments(inputs), **self.tags(inputs))["Policy"]["Arn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.call("read", PolicyArn=id)["Policy"]
        version = self.api.get_policy_version(PolicyArn=id, VersionId=found["DefaultVersionId"])["PolicyVersion"]
        return self.properties(found | {"PolicyDocument": version["Document"]}) | {"tags": tag_map(found.get("Tags"))}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._delete_versions(id, leaving=3)
        self.api.create_policy_version(PolicyArn=id, PolicyDocument=new["policy"], SetAsDefault=True)

    def delete(self, id: str, known: Properties) -> None:
        self._delete_versions(id, leaving=0)
        super().delete(id, known)

    def _delete_versions(self, id: str, leaving: int) -> None:
        """Deletes the oldest versions that aren't in force. IAM keeps five of a policy at most."""
        versions = self.api.list_policy_versions(PolicyArn=id)["Versions"]
        spare = sorted(int(version["VersionId"][1:]) for version in versions if not version["IsDefaultVersion"])
        for number in spare[: max(0, len(spare) - leaving)]:
            self.api.delete_policy_version(PolicyArn=id, VersionId=f"v{number}")


class RolePolicyAttachment(Resource):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    kind = "role_policy"
    verbs = {"create": "attach", "delete": "detach"}
    fields = {"policyArn": "PolicyArn", "role": "RoleName"}
    replaces = frozenset({"policyArn", "role"})
    rules = {"policyArn": arn("iam"), "role": ROLE_NAME}

    def create(self, inputs: Properties) -> str:
        self.call("create", **self.arguments(inputs))
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        role, _, policy = id.partition("/")
        attached = self.api.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {"policyArn": policy, "role": role} if any(p["PolicyArn"] == policy for p in attached) else None

    def target(self, id: str, known: Properties) -> dict[str, Any]:
        role, _, policy = id.partition("/")
        return {"RoleName": role, "PolicyArn": policy}
