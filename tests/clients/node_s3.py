# /// script
# requires-python = ">=3.11"
# ///
"""AWS's SDK for JavaScript, version 3, on S3: streams, uploads in parts, signed URLs and forms."""

from node_calls import PACKAGES, try_node
from trial import Trial

trial = Trial("AWS SDK for JavaScript, S3", "`forcePathStyle`", release=PACKAGES["@aws-sdk/client-s3"])
try_node(trial, "s3.mjs", "The specified bucket does not exist")
