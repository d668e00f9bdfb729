import json

import pulumi

from scatter_gather import MapScatterGather, RequestStore, ResponderFleet

store = RequestStore("quotes")
fleet = ResponderFleet("responders", {"store": store, "responders": [{"name": "acme", "module": "acme"}]})
carrier = MapScatterGather("map", {"store": store, "fleet": fleet})

pulumi.export("carriers", {"map": carrier.entrance})
pulumi.export("quoteTableName", store.tableName)
pulumi.export("sampleInput", json.dumps({"data": {"days_rental": 7}}))
