"""What protects a bucket stays as long as the bucket does."""

import runpy

import pulumi
import pytest

from tests import program


@pytest.mark.parametrize("retained", [True, False])
def test_what_protects_a_bucket_is_retained_with_it(retained):
    kept: dict[str, bool | None] = {}

    def note(args: pulumi.ResourceTransformationArgs) -> None:
        if args.type_.startswith("aws:s3/"):
            kept[args.type_] = args.opts.retain_on_delete

    def main() -> None:
        pulumi.runtime.register_stack_transformation(note)
        runpy.run_path(str(program.FOLDER / "__main__.py"), run_name="__main__")

    program.registered(main, {"variants": ["distributed"], "distributed": {"source": "s3"}, "retainData": retained})

    assert len(kept) == 5
    assert set(kept.values()) == {retained}
