"""Answers as data: a schema goes in, the request asks for it, and what came back is read against it.

`schemas` makes one JSON Schema document of whatever a user has, `requests` chooses how a model is asked.
`reading` judges an answer: it finds the JSON in it and asks the schema, once for all answers that have the
same of `signatures`.
"""

from bbkit.answers.requests import (
    NOTHING as NOTHING,
    Asking as Asking,
    plan_asking as plan_asking,
    request_schema as request_schema,
)
from bbkit.answers.schemas import (
    is_given as is_given,
    list_fields as list_fields,
    load_validator as load_validator,
    read_schema as read_schema,
    schema_bytes as schema_bytes,
)
