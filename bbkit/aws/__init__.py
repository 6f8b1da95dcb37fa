"""The only room that talks to AWS: clients and endpoints, objects in S3, model-invocation jobs.

Endpoint, region, profile and retries are boto3's own configuration
(https://docs.aws.amazon.com/boto3/latest/guide/configuration.html). AWS's camelCase stays at this border.
"""

from bbkit.aws._accounts import get_products, iter_quotas
from bbkit.aws._batches import create_job, get_job, list_jobs, stop_job
from bbkit.aws._clients import (
    Endpoint,
    client,
    find_endpoint,
    find_region,
    find_signer,
    read_refusal,
    retry_options,
    translated,
)
from bbkit.aws._objects import (
    S3Object,
    delete_objects,
    download_file,
    list_objects,
    open_object,
    read_object,
    split_s3_uri,
    upload_file,
)
from bbkit.aws._runtimes import converse, converse_input_shape, invoke_model, validate_shape

__all__ = [
    "Endpoint",
    "S3Object",
    "client",
    "converse",
    "converse_input_shape",
    "create_job",
    "delete_objects",
    "download_file",
    "find_endpoint",
    "find_region",
    "find_signer",
    "get_job",
    "get_products",
    "invoke_model",
    "iter_quotas",
    "list_jobs",
    "list_objects",
    "open_object",
    "read_object",
    "read_refusal",
    "retry_options",
    "split_s3_uri",
    "stop_job",
    "translated",
    "upload_file",
    "validate_shape",
]
