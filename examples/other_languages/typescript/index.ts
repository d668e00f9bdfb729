import * as pulumi from "@pulumi/pulumi";
import { ScatterGather } from "@pulumi/scatter-gather";

const partner = new pulumi.Config().require("partner");

const quotes = new ScatterGather("quotes", {
    variants: ["map", "sns"],
    completion: { deadlineSeconds: 10, quorum: 1 },
    responders: [{ name: "partner", functionArn: partner, retries: 1 }],
});

export const requester = quotes.snsRequesterFunctionArn;
