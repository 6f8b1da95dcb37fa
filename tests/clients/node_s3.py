# /// script
# requires-python = ">=3.11"
# ///
"""AWS's SDK for JavaScript, version 3, on S3: streams, uploads in parts, signed URLs and forms."""

from node_calls import try_node
from trial import Trial

PACKAGES = {
    "@aws-sdk/client-s3": "3.1164.0",
    "@aws-sdk/lib-storage": "3.1164.0",
    "@aws-sdk/s3-presigned-post": "3.1164.0",
    "@aws-sdk/s3-request-presigner": "3.1164.0",
}
trial = Trial("AWS SDK for JavaScript, S3", "`forcePathStyle`", release=PACKAGES["@aws-sdk/client-s3"])
try_node(trial, "s3.mjs", PACKAGES, "The specified bucket does not exist")
