# /// script
# requires-python = ">=3.11"
# dependencies = ["anthropic[bedrock]==2.14.0"]
# ///
"""Anthropic's own client, version 2.14.0."""

from anthropic_calls import try_anthropic

# What Claude Sonnet 4.5 was seen to say on AWS: https://github.com/anthropics/anthropic-sdk-python/issues/2031.
try_anthropic(
    "nothing; on AWS `extra_body=`, `anthropic_version` in it, where a model refuses the 2026-10-21 that it"
    " sends, of which the stand-in warns"
)
