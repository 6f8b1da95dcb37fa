# /// script
# requires-python = ">=3.11"
# dependencies = ["langchain-aws==1.9.1"]
# ///
"""LangChain's chat models and embeddings on Bedrock: invoke, stream, structured output."""

from forms import Call
from langchain_aws import BedrockEmbeddings, ChatBedrock, ChatBedrockConverse
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, TITAN, Trial

trial = Trial("langchain-aws")


for model in (ChatBedrockConverse(model=NOVA), ChatBedrock(model=CLAUDE)):
    with trial.works(f"{type(model).__name__} (invoke, stream, structured output)"):
        answer = model.invoke(QUESTION)
        assert answer.text and answer.usage_metadata["output_tokens"]
        chunks = list(model.stream(QUESTION))
        assert len(chunks) > 2 and "".join(chunk.text for chunk in chunks) == answer.text
        assert sum((chunk.usage_metadata or {}).get("output_tokens", 0) for chunk in chunks)
        assert model.with_structured_output(Call).invoke(QUESTION).queue == "router"
with trial.works("embeddings"):
    assert len(BedrockEmbeddings(model_id=TITAN).embed_query(QUESTION)) == 1024
with trial.refused(NO_MODEL):
    ChatBedrockConverse(model="amazon.nova-none-v1:0").invoke(QUESTION)
trial.report()
