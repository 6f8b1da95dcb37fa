# /// script
# requires-python = ">=3.11"
# ///
"""Vercel's AI SDK on Bedrock."""

from node_calls import try_node
from trial import NO_MODEL, Trial

PACKAGES = {
    "@ai-sdk/amazon-bedrock": "5.0.101",
    "ai": "7.0.173",
    "zod": "4.6.7",
}
trial = Trial("@ai-sdk/amazon-bedrock", "`baseURL`, the endpoint", PACKAGES["@ai-sdk/amazon-bedrock"])
try_node(trial, "vercel_ai.mjs", PACKAGES, NO_MODEL)
