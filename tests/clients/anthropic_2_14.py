# /// script
# requires-python = ">=3.11"
# dependencies = ["anthropic[bedrock]==2.14.0"]
# ///
"""Anthropic's own client, version 2.14.0."""

from anthropic_calls import try_anthropic

# Who refuses it: https://github.com/anthropics/anthropic-sdk-python/issues/2031.
try_anthropic(
    "nothing; on AWS some models refuse the `anthropic_version` 2026-10-21 that it sends, of which the"
    " stand-in warns: `extra_body={'anthropic_version': 'bedrock-2023-05-31'}`"
)
