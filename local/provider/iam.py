"""AWS Identity and Access Management: roles and policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, one_of, policy_document, text
from local.provider.schema import Failure
from local.provider.shapes import Tagging, capitalised, tag_list, tag_map

NAME_PATTERN = r"[\w+=,.@-]+"
NAME_WHAT = "must consist of letters, digits and +=,.@-_"
PATH = text(r"/|/[!-~]+/", 1, 512, "must begin and end with /")

# AWS counts the characters of a policy without its white space.
MANAGED_POLICY_LIMIT, ROLE_POLICY_LIMIT = 6144, 10240


class Role(Resource):
    token = "aws:iam/role:Role"
    service = "iam"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    fields = {
        **capitalised("description maxSessionDuration path"),
        "assumeRolePolicy": "AssumeRolePolicyDocument",
        "name": "RoleName",
        "permissionsBoundary": "PermissionsBoundary",
    }
    defaults = {"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"}
    replaces = frozenset({"name", "path"})
    policies = frozenset({"assumeRolePolicy"})
    deletion = ("delete_role", "RoleName")
    rules = {
        "assumeRolePolicy": policy_document(),
        "description": text(longest=1000),
        "forceDetachPolicies": one_of(False),
        "maxSessionDuration": between(3600, 43200),
        "path": PATH,
        "permissionsBoundary": arn("iam"),
    }

    def check(self, inputs: Properties) -> Iterator[Failure]:
        if inputs["assumeRolePolicy"] == UNKNOWN:
            return
        statements = json.loads(inputs["assumeRolePolicy"])["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            if "Principal" not in statement and "NotPrincipal" not in statement:
                yield "assumeRolePolicy", "needs a Principal in each statement"

    def create(self, inputs: Properties) -> str:
        self.api.create_role(**self.arguments(inputs), Tags=tag_list(inputs.get("tags")))
        return inputs["name"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_role(RoleName=id)["Role"]
        return self.properties(found) | {
            "arn": found["Arn"],
            "assumeRolePolicy": json.dumps(found["AssumeRolePolicyDocument"]),
            "createDate": found["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "maxSessionDuration": found.get("MaxSessionDuration", 3600),
            "permissionsBoundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": tag_map(found.get("Tags")),
            "uniqueId": found["RoleId"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "assumeRolePolicy" in changed:
            self.api.update_assume_role_policy(RoleName=id, PolicyDocument=new["assumeRolePolicy"])
        if changed & {"description", "maxSessionDuration"}:
            wanted = {"description": ""} | new
            self.api.update_role(RoleName=id, **self.arguments(wanted, ("description", "maxSessionDuration")))
        if "permissionsBoundary" in changed:
            if boundary := new.get("permissionsBoundary"):
                self.api.put_role_permissions_boundary(RoleName=id, PermissionsBoundary=boundary)
            else:
                self.api.delete_role_permissions_boundary(RoleName=id)

    def change_tags(self, id: str, old: Properties, new: Properties) -> None:
        tagging = Tagging("RoleName", add="tag_role", remove="untag_role")
        tagging.change(self.api, id, old.get("tags") or {}, new.get("tags") or {})


class RolePolicy(Resource):
    token = "aws:iam/rolePolicy:RolePolicy"
    service = "iam"
    name = Name("name", 128, NAME_PATTERN, NAME_WHAT)
    fields = {"name": "PolicyName", "policy": "PolicyDocument", "role": "RoleName"}
    replaces = frozenset({"name", "role"})
    policies = frozenset({"policy"})
    rules = {"policy": policy_document(ROLE_POLICY_LIMIT), "role": text(NAME_PATTERN, 1, 64, NAME_WHAT)}

    def create(self, inputs: Properties) -> str:
        self.api.put_role_policy(**self.arguments(inputs))
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        role, _, name = id.partition(":")
        found = self.api.get_role_policy(RoleName=role, PolicyName=name)
        return {"name": name, "policy": json.dumps(found["PolicyDocument"]), "role": role}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self.api.put_role_policy(**self.arguments(new))

    def delete(self, id: str, known: Properties) -> None:
        role, _, name = id.partition(":")
        self.api.delete_role_policy(RoleName=role, PolicyName=name)


class Policy(Resource):
    token = "aws:iam/policy:Policy"
    service = "iam"
    name = Name("name", 128, NAME_PATTERN, NAME_WHAT)
    fields = {**capitalised("description path"), "name": "PolicyName", "policy": "PolicyDocument"}
    defaults = {"path": "/"}
    replaces = frozenset({"description", "name", "path"})
    policies = frozenset({"policy"})
    rules = {"description": text(longest=1000), "path": PATH, "policy": policy_document(MANAGED_POLICY_LIMIT)}

    def create(self, inputs: Properties) -> str:
        answer = self.api.create_policy(**self.arguments(inputs), Tags=tag_list(inputs.get("tags")))
        return answer["Policy"]["Arn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_policy(PolicyArn=id)["Policy"]
        version = self.api.get_policy_version(PolicyArn=id, VersionId=found["DefaultVersionId"])["PolicyVersion"]
        document: Any = version["Document"]
        return self.properties(found) | {
            "arn": found["Arn"],
            "attachmentCount": found.get("AttachmentCount", 0),
            "policy": document if isinstance(document, str) else json.dumps(document),
            "policyId": found["PolicyId"],
            "tags": tag_map(found.get("Tags")),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._delete_versions(id, leaving=3)
        self.api.create_policy_version(PolicyArn=id, PolicyDocument=new["policy"], SetAsDefault=True)

    def delete(self, id: str, known: Properties) -> None:
        self._delete_versions(id, leaving=0)
        self.api.delete_policy(PolicyArn=id)

    def change_tags(self, id: str, old: Properties, new: Properties) -> None:
        tagging = Tagging("PolicyArn", add="tag_policy", remove="untag_policy")
        tagging.change(self.api, id, old.get("tags") or {}, new.get("tags") or {})

    def _delete_versions(self, id: str, leaving: int) -> None:
        """Deletes the oldest versions that aren't in force. IAM keeps five of a policy at most."""
        versions = self.api.list_policy_versions(PolicyArn=id)["Versions"]
        spare = sorted(int(version["VersionId"][1:]) for version in versions if not version["IsDefaultVersion"])
        for number in spare[: max(0, len(spare) - leaving)]:
            self.api.delete_policy_version(PolicyArn=id, VersionId=f"v{number}")


class RolePolicyAttachment(Resource):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    service = "iam"
    fields = {"policyArn": "PolicyArn", "role": "RoleName"}
    replaces = frozenset({"policyArn", "role"})
    rules = {"policyArn": arn("iam"), "role": text(NAME_PATTERN, 1, 64, NAME_WHAT)}

    def create(self, inputs: Properties) -> str:
        self.api.attach_role_policy(**self.arguments(inputs))
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        role, _, policy = id.partition("/")
        attached = self.api.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {"policyArn": policy, "role": role} if any(p["PolicyArn"] == policy for p in attached) else None

    def delete(self, id: str, known: Properties) -> None:
        role, _, policy = id.partition("/")
        self.api.detach_role_policy(RoleName=role, PolicyArn=policy)
