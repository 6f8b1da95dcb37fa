# /// script
# requires-python = ">=3.11"
# ///
"""AWS's SDK for JavaScript, version 3, whose client of models on demand speaks HTTP/2."""

from node_calls import PACKAGES, try_node
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, Trial

trial = Trial(
    "AWS SDK for JavaScript",
    "`requestHandler: new NodeHttpHandler()`, unless the stand-in has the extra `http2`",
    release=PACKAGES["@aws-sdk/client-bedrock-runtime"],
)
given = {"model": NOVA, "claude": CLAUDE.removeprefix("us."), "question": QUESTION}
try_node(trial, "bedrock.mjs", NO_MODEL, **given)
