# /// script
# requires-python = ">=3.11"
# dependencies = ["anthropic[bedrock]==0.125.0"]
# ///
"""Anthropic's own client, version 0.125.0."""

from anthropic_calls import try_anthropic

try_anthropic()
