"""What protects a bucket stays as long as the bucket does."""

from types import SimpleNamespace
from typing import Any

import pytest

from components import distributed_map_processor

KINDS = ("Bucket", "BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration", "BucketLifecycleConfiguration", "BucketPolicy")


@pytest.mark.parametrize("retained", [True, False])
def test_what_protects_a_bucket_is_retained_with_it(monkeypatch, retained):
    kept = {}

    def made(kind: str) -> Any:
        def make(name: str, *, opts: Any, **_: Any) -> Any:
            kept[kind] = opts.retain_on_delete
            return SimpleNamespace(id="bucket", arn="arn:aws:s3:::bucket")
        return make

    for kind in KINDS:
        monkeypatch.setattr(distributed_map_processor.aws.s3, kind, made(kind))
    own: Any = SimpleNamespace(retainData=retained, resultRetentionDays=30, kmsKeyArn=None)
    nobody: Any = None

    distributed_map_processor._bucket(nobody, "data", own)

    assert kept == dict.fromkeys(KINDS, retained)
