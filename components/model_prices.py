"""What a million tokens of a model cost, in USD, on demand in us-east-1 (https://aws.amazon.com/bedrock/pricing/).

Prices change and differ by region; `inference.inputPrice` and `inference.outputPrice` of a responder take their place.
"""

AS_OF = "2026-04"

USD_PER_MILLION = {
    "amazon.nova-micro-v1:0": ("0.035", "0.14"),
    "amazon.nova-lite-v1:0": ("0.06", "0.24"),
    "amazon.nova-pro-v1:0": ("0.80", "3.20"),
    "anthropic.claude-3-haiku-20240307-v1:0": ("0.25", "1.25"),
    "anthropic.claude-3-5-haiku-20241022-v1:0": ("0.80", "4.00"),
    "anthropic.claude-3-5-sonnet-20241022-v2:0": ("3.00", "15.00"),
    "meta.llama3-1-8b-instruct-v1:0": ("0.22", "0.22"),
    "meta.llama3-1-70b-instruct-v1:0": ("0.72", "0.72"),
}
"""(input, output) by the id of the model; an inference profile such as us.amazon.nova-lite-v1:0 has its model's."""
