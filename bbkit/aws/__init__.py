"""The only room that talks to AWS: clients and endpoints, objects in S3, model-invocation jobs.

Endpoint, region, profile and retries are boto3's own configuration
(https://docs.aws.amazon.com/boto3/latest/guide/configuration.html). AWS's camelCase stays at this border, and
every error of botocore leaves it as one of ours (`translated`). boto3 is loaded by the first call, not by an
import: charts and local files do without it.
"""

from bbkit.aws._calls import converse as converse
from bbkit.aws._calls import converse_input_shape as converse_input_shape
from bbkit.aws._calls import create_job as create_job
from bbkit.aws._calls import get_job as get_job
from bbkit.aws._calls import get_products as get_products
from bbkit.aws._calls import invoke_model as invoke_model
from bbkit.aws._calls import iter_quotas as iter_quotas
from bbkit.aws._calls import list_jobs as list_jobs
from bbkit.aws._calls import stop_job as stop_job
from bbkit.aws._calls import validate_shape as validate_shape
from bbkit.aws._clients import Endpoint as Endpoint
from bbkit.aws._clients import client as client
from bbkit.aws._clients import find_endpoint as find_endpoint
from bbkit.aws._clients import find_region as find_region
from bbkit.aws._clients import find_signer as find_signer
from bbkit.aws._clients import read_refusal as read_refusal
from bbkit.aws._clients import retry_options as retry_options
from bbkit.aws._clients import translated as translated
from bbkit.aws._objects import S3Object as S3Object
from bbkit.aws._objects import delete_objects as delete_objects
from bbkit.aws._objects import download_file as download_file
from bbkit.aws._objects import list_objects as list_objects
from bbkit.aws._objects import open_object as open_object
from bbkit.aws._objects import read_object as read_object
from bbkit.aws._objects import split_s3_uri as split_s3_uri
from bbkit.aws._objects import upload_file as upload_file
