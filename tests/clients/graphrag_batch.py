# /// script
# requires-python = ">=3.11"
# dependencies = ["graphrag-lexical-graph==3.19.1"]
# ///
"""AWS's GraphRAG toolkit: propositions of texts by a batch job, for which it waits a minute."""

import os
import tempfile

folder = tempfile.mkdtemp()
os.chdir(folder)
os.environ["EXTRACTION_MODEL"] = "amazon.nova-lite-v1:0"

from graphrag_toolkit.lexical_graph.indexing.extract import BatchConfig
from graphrag_toolkit.lexical_graph.indexing.extract.batch_llm_proposition_extractor_sync import (
    BatchLLMPropositionExtractorSync,
)
from llama_index.core.schema import TextNode
from trial import QUESTION, Trial

trial = Trial("graphrag-lexical-graph", "its own `EXTRACTION_MODEL`")


def extract(role: str) -> list[TextNode]:
    config = BatchConfig(role, "us-east-1", trial.bucket, f"graphrag/{trial.once}", max_batch_size=100)
    extractor = BatchLLMPropositionExtractorSync(config, batch_inference_dir=folder)
    return extractor([TextNode(text=f"{number}. {QUESTION}") for number in range(100)])


with trial.works("batch job"):
    found = extract(trial.role)
    assert len(found) == 100 and all(node.metadata["aws::graph::propositions"] for node in found), found[:2]
with trial.refused("Cross-account pass role is not allowed"):
    extract("arn:aws:iam::111122223333:role/other")
trial.report()
