# /// script
# requires-python = ">=3.11"
# ///
"""Anthropic's own client for Node on Bedrock."""

from node_calls import try_node
from trial import NO_MODEL, Trial

PACKAGES = {
    "@anthropic-ai/bedrock-sdk": "1.1.2",
}
trial = Trial("@anthropic-ai/bedrock-sdk", release=PACKAGES["@anthropic-ai/bedrock-sdk"])
try_node(trial, "anthropic.mjs", PACKAGES, NO_MODEL)
