"""AWS Identity and Access Management: roles and policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from local.properties import UNKNOWN, Properties
from local.provider.aws import once_role_is_seen
from local.provider.naming import Name
from local.provider.resource import Resource
from local.provider.rules import arn, between, policy_document, text
from local.provider.schema import Failure
from local.provider.shapes import renamed, tag_changes, tag_list, tag_map

NAME_PATTERN = r"[\w+=,.@-]+"
NAME_WHAT = "must consist of letters, digits and +=,.@-_"
PATH = text(r"/|/[!-~]+/", 1, 512, "must begin and end with /")

# AWS counts the characters of a policy without its white space.
MANAGED_POLICY_LIMIT, ROLE_POLICY_LIMIT = 6144, 10240


class Role(Resource):
    token = "aws:iam/role:Role"
    service = "iam"
    name = Name("name", 64, NAME_PATTERN, NAME_WHAT)
    defaults = {"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"}
    replaces = frozenset({"name", "namePrefix", "path"})
    kept = frozenset({"inlinePolicies", "managedPolicyArns"})
    policies = frozenset({"assumeRolePolicy"})
    unordered = frozenset({"inlinePolicies", "managedPolicyArns"})
    rules = {
        "assumeRolePolicy": policy_document(),
        "description": text(longest=1000),
        "inlinePolicies[*].policy": policy_document(ROLE_POLICY_LIMIT),
        "managedPolicyArns[*]": arn("iam"),
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
        names = {
            "assumeRolePolicy": "AssumeRolePolicyDocument",
            "description": "Description",
            "maxSessionDuration": "MaxSessionDuration",
            "name": "RoleName",
            "path": "Path",
            "permissionsBoundary": "PermissionsBoundary",
        }
        once_role_is_seen(
            lambda: self.api.create_role(**renamed(inputs, names), Tags=tag_list(inputs.get("tags")))
        )
        return inputs["name"]

    def settle(self, id: str, inputs: Properties) -> None:
        self._put_inline(id, inputs.get("inlinePolicies", []))
        for policy in inputs.get("managedPolicyArns", []):
            self.api.attach_role_policy(RoleName=id, PolicyArn=policy)

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_role(RoleName=id)["Role"]
        return {
            "arn": found["Arn"],
            "assumeRolePolicy": json.dumps(found["AssumeRolePolicyDocument"]),
            "createDate": _timestamp(found["CreateDate"]),
            "description": found.get("Description") or None,
            "inlinePolicies": self._inline(id) if known.get("inlinePolicies") else None,
            "managedPolicyArns": self._attached(id) if known.get("managedPolicyArns") else None,
            "maxSessionDuration": found.get("MaxSessionDuration", 3600),
            "name": found["RoleName"],
            "path": found["Path"],
            "permissionsBoundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": tag_map(found.get("Tags")),
            "uniqueId": found["RoleId"],
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "assumeRolePolicy" in changed:
            once_role_is_seen(
                lambda: self.api.update_assume_role_policy(RoleName=id, PolicyDocument=new["assumeRolePolicy"])
            )
        if changed & {"description", "maxSessionDuration"}:
            self.api.update_role(
                RoleName=id,
                Description=new.get("description", ""),
                MaxSessionDuration=new["maxSessionDuration"],
            )
        if "permissionsBoundary" in changed:
            if boundary := new.get("permissionsBoundary"):
                self.api.put_role_permissions_boundary(RoleName=id, PermissionsBoundary=boundary)
            else:
                self.api.delete_role_permissions_boundary(RoleName=id)
        if "inlinePolicies" in changed:
            self._put_inline(id, new.get("inlinePolicies", []))
            for name in _policy_names(old) - _policy_names(new):
                self.api.delete_role_policy(RoleName=id, PolicyName=name)
        if "managedPolicyArns" in changed:
            wanted, attached = set(new.get("managedPolicyArns", [])), set(self._attached(id))
            for policy in wanted - attached:
                self.api.attach_role_policy(RoleName=id, PolicyArn=policy)
            for policy in attached - wanted:
                self.api.detach_role_policy(RoleName=id, PolicyArn=policy)
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_role(RoleName=id, Tags=tag_list(added))
            if removed:
                self.api.untag_role(RoleName=id, TagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        if known.get("forceDetachPolicies") or known.get("managedPolicyArns"):
            for policy in self._attached(id):
                self.api.detach_role_policy(RoleName=id, PolicyArn=policy)
        if known.get("forceDetachPolicies") or known.get("inlinePolicies"):
            for policy in self._inline(id):
                self.api.delete_role_policy(RoleName=id, PolicyName=policy["name"])
        self.api.delete_role(RoleName=id)

    def _put_inline(self, id: str, policies: list[dict[str, str]]) -> None:
        for policy in policies:
            if policy:
                self.api.put_role_policy(RoleName=id, PolicyName=policy["name"], PolicyDocument=policy["policy"])

    def _inline(self, id: str) -> list[dict[str, str]]:
        names = self.api.list_role_policies(RoleName=id)["PolicyNames"]
        documents = (self.api.get_role_policy(RoleName=id, PolicyName=name)["PolicyDocument"] for name in names)
        return [
            {"name": name, "policy": json.dumps(document)} for name, document in zip(names, documents, strict=True)
        ]

    def _attached(self, id: str) -> list[str]:
        return [p["PolicyArn"] for p in self.api.list_attached_role_policies(RoleName=id)["AttachedPolicies"]]


class RolePolicy(Resource):
    token = "aws:iam/rolePolicy:RolePolicy"
    service = "iam"
    name = Name("name", 128, NAME_PATTERN, NAME_WHAT)
    replaces = frozenset({"name", "namePrefix", "role"})
    policies = frozenset({"policy"})
    rules = {"policy": policy_document(ROLE_POLICY_LIMIT), "role": text(NAME_PATTERN, 1, 64, NAME_WHAT)}

    def create(self, inputs: Properties) -> str:
        self._put(inputs)
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        role, _, name = id.partition(":")
        found = self.api.get_role_policy(RoleName=role, PolicyName=name)
        return {"name": name, "policy": json.dumps(found["PolicyDocument"]), "role": role}

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        self._put(new)

    def delete(self, id: str, known: Properties) -> None:
        role, _, name = id.partition(":")
        self.api.delete_role_policy(RoleName=role, PolicyName=name)

    def _put(self, inputs: Properties) -> None:
        self.api.put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )


class Policy(Resource):
    token = "aws:iam/policy:Policy"
    service = "iam"
    name = Name("name", 128, NAME_PATTERN, NAME_WHAT)
    defaults = {"path": "/"}
    replaces = frozenset({"description", "name", "namePrefix", "path"})
    policies = frozenset({"policy"})
    rules = {"description": text(longest=1000), "path": PATH, "policy": policy_document(MANAGED_POLICY_LIMIT)}

    def create(self, inputs: Properties) -> str:
        names = {"description": "Description", "name": "PolicyName", "path": "Path", "policy": "PolicyDocument"}
        answer = self.api.create_policy(**renamed(inputs, names), Tags=tag_list(inputs.get("tags")))
        return answer["Policy"]["Arn"]

    def read(self, id: str, known: Properties) -> Properties | None:
        found = self.api.get_policy(PolicyArn=id)["Policy"]
        version = self.api.get_policy_version(PolicyArn=id, VersionId=found["DefaultVersionId"])["PolicyVersion"]
        return {
            "arn": found["Arn"],
            "attachmentCount": found.get("AttachmentCount", 0),
            "description": found.get("Description") or None,
            "name": found["PolicyName"],
            "path": found["Path"],
            "policy": _as_text(version["Document"]),
            "policyId": found["PolicyId"],
            "tags": tag_map(found.get("Tags")),
        }

    def update(self, id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        if "policy" in changed:
            self._make_room(id)
            self.api.create_policy_version(PolicyArn=id, PolicyDocument=new["policy"], SetAsDefault=True)
        if "tags" in changed:
            added, removed = tag_changes(old.get("tags"), new.get("tags"))
            if added:
                self.api.tag_policy(PolicyArn=id, Tags=tag_list(added))
            if removed:
                self.api.untag_policy(PolicyArn=id, TagKeys=removed)

    def delete(self, id: str, known: Properties) -> None:
        for version in self._spare_versions(id):
            self.api.delete_policy_version(PolicyArn=id, VersionId=version)
        self.api.delete_policy(PolicyArn=id)

    def _make_room(self, id: str) -> None:
        """IAM keeps five versions of a policy at most."""
        spare = self._spare_versions(id)
        if len(spare) >= 4:
            self.api.delete_policy_version(PolicyArn=id, VersionId=min(spare, key=lambda version: int(version[1:])))

    def _spare_versions(self, id: str) -> list[str]:
        versions = self.api.list_policy_versions(PolicyArn=id)["Versions"]
        return [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]


class RolePolicyAttachment(Resource):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    service = "iam"
    replaces = frozenset({"policyArn", "role"})
    rules = {"policyArn": arn("iam"), "role": text(NAME_PATTERN, 1, 64, NAME_WHAT)}

    def create(self, inputs: Properties) -> str:
        self.api.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, id: str, known: Properties) -> Properties | None:
        role, _, policy = id.partition("/")
        attached = self.api.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {"policyArn": policy, "role": role} if any(p["PolicyArn"] == policy for p in attached) else None

    def delete(self, id: str, known: Properties) -> None:
        role, _, policy = id.partition("/")
        self.api.detach_role_policy(RoleName=role, PolicyArn=policy)


def _policy_names(properties: Properties) -> set[str]:
    return {policy["name"] for policy in properties.get("inlinePolicies") or [] if policy}


def _as_text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _timestamp(moment: Any) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
