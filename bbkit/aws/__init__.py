"""The only room that talks to AWS: clients and endpoints, objects in S3, model-invocation jobs.

Endpoint, region, profile and retries are boto3's own configuration
(https://docs.aws.amazon.com/boto3/latest/guide/configuration.html). AWS's camelCase stays at this border, and
every error of botocore leaves it as one of ours. boto3 is loaded by the first call, not by an import: charts
and local files do without it.
"""

from bbkit.aws._calls import (
    converse as converse,
    converse_input_shape as converse_input_shape,
    create_job as create_job,
    get_job as get_job,
    invoke_model as invoke_model,
    iter_quotas as iter_quotas,
    list_jobs as list_jobs,
)
from bbkit.aws._clients import (
    Endpoint as Endpoint,
    call as call,
    client as client,
    find_endpoint as find_endpoint,
    find_region as find_region,
    find_signer as find_signer,
    is_passing as is_passing,
    is_unanswered as is_unanswered,
    iter_pages as iter_pages,
    read_refusal as read_refusal,
    retry_options as retry_options,
)
from bbkit.aws._objects import (
    RemoteFiles as RemoteFiles,
    S3Object as S3Object,
    compare_copy as compare_copy,
    delete_objects as delete_objects,
    download_file as download_file,
    encryption as encryption,
    is_as_noted as is_as_noted,
    iter_object as iter_object,
    list_objects as list_objects,
    read_note as read_note,
    read_object as read_object,
    split_s3_uri as split_s3_uri,
    upload_file as upload_file,
    write_object as write_object,
)
