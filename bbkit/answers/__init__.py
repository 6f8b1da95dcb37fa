"""Answers as data: a schema goes in, the request asks for it, and what came back is read against it.

`schemas` makes one JSON Schema document of whatever a user has. `reading` judges an answer: it finds the
JSON in it and asks the schema, once for all answers that have the same of `signatures`.
"""

from bbkit.answers.schemas import (
    list_fields as list_fields,
    load_validator as load_validator,
    read_schema as read_schema,
)
