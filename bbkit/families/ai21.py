"""AI21 Jamba: read only, batch inference does not offer it now.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html
"""

from bbkit.families._base import Family
from bbkit.families.openai_chat import answer

SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html"

FAMILY = Family(
    name="ai21",
    title="AI21 Jamba",
    kind="text",
    body=None,
    answer=answer,
    request=None,
    max_tokens_path=("max_tokens",),
    source=SOURCE,
)
