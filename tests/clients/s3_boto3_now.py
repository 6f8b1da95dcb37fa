# /// script
# requires-python = ">=3.11"
# dependencies = ["boto3[crt]==1.44.8"]
# ///
"""boto3 of today on S3."""

from s3_boto3_calls import try_s3

try_s3()
