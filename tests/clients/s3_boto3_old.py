# /// script
# requires-python = ">=3.11"
# dependencies = ["boto3==1.28.85"]
# ///
"""boto3 of November 2023 on S3, without checksums of its own."""

from s3_boto3_calls import try_s3

try_s3()
