# /// script
# requires-python = ">=3.11"
# ///
"""AWS's SDK for JavaScript, version 3, whose client of models on demand speaks HTTP/2."""

from node_calls import try_node
from trial import NO_MODEL, Trial

PACKAGES = {
    "@aws-sdk/client-bedrock-runtime": "3.1164.0",
    "@aws-sdk/client-bedrock": "3.1164.0",
    "@aws-sdk/client-s3": "3.1164.0",
}
trial = Trial(
    "AWS SDK for JavaScript",
    "`requestHandler: new NodeHttpHandler()`, unless the stand-in has the extra `http2`",
    PACKAGES["@aws-sdk/client-bedrock-runtime"],
)
try_node(trial, "bedrock.mjs", PACKAGES, NO_MODEL)
