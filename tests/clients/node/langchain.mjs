// LangChain for JavaScript on Bedrock.
import { BedrockEmbeddings, ChatBedrockConverse } from "@langchain/aws";
import { z } from "zod";
import assert from "node:assert/strict";
import { gather, given, report } from "./report.mjs";

const model = new ChatBedrockConverse({ model: given.model });
const claude = new ChatBedrockConverse({ model: given.claude });
let answer;

const works = {
  async invoke() {
    answer = await model.invoke(given.question);
    assert.ok(answer.text && answer.usage_metadata.output_tokens);
  },
  async stream() {
    const chunks = await gather(await model.stream(given.question));
    assert.ok(chunks.length > 2);
    assert.equal(chunks.map((chunk) => chunk.text).join(""), answer.text);
  },
  async "structured output"() {
    const schema = z.object({ queue: z.enum(["router", "billing"]) });
    assert.equal((await claude.withStructuredOutput(schema).invoke(given.question)).queue, "router");
  },
  async embeddings() {
    const embeddings = new BedrockEmbeddings({ model: "amazon.titan-embed-text-v2:0" });
    assert.equal((await embeddings.embedQuery(given.question)).length, 1024);
  },
};
await report(works, () => new ChatBedrockConverse({ model: "amazon.nova-none-v1:0" }).invoke(given.question));
