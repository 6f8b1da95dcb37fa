# /// script
# requires-python = ">=3.11"
# ///
"""LangChain for JavaScript on Bedrock, by AWS's SDK and so by HTTP/2."""

from node_calls import try_node
from trial import NO_MODEL, Trial

PACKAGES = {
    "@langchain/aws": "1.4.5",
    "@langchain/core": "1.4.0",
    "zod": "4.6.7",
}
trial = Trial("@langchain/aws", "nothing, if the stand-in has the extra `http2`", PACKAGES["@langchain/aws"])
try_node(trial, "langchain.mjs", PACKAGES, NO_MODEL)
