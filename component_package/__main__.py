"""Serves the components to programs in any language of Pulumi: `pulumi package add PATH/component_package`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pulumi.provider.experimental import component_provider_host

from components import DistributedMapProcessor, ScatterGather

if __name__ == "__main__":
    component_provider_host(components=[ScatterGather, DistributedMapProcessor], name="scatter-gather", version="1.0.0")
