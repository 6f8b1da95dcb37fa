// Vercel's AI SDK: text, streams, objects, embeddings.
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { embed, generateObject, generateText, streamText } from "ai";
import { z } from "zod";
import assert from "node:assert/strict";
import { gather, given, report } from "./report.mjs";

const bedrock = createAmazonBedrock({ baseURL: given.endpoint });
const ask = { model: bedrock(given.model), prompt: given.question, maxRetries: 0 };
let answer;

const works = {
  async generateText() {
    answer = await generateText(ask);
    assert.ok(answer.text && answer.usage.outputTokens);
  },
  async streamText() {
    const pieces = await gather(streamText(ask).textStream);
    assert.ok(pieces.length > 2);
    assert.equal(pieces.join(""), answer.text);
  },
  async generateObject() {
    const schema = z.object({ queue: z.enum(["router", "billing"]) });
    const { object } = await generateObject({ ...ask, model: bedrock(given.claude), schema });
    assert.equal(object.queue, "router");
  },
  async embed() {
    const model = bedrock.embedding("amazon.titan-embed-text-v2:0");
    assert.equal((await embed({ model, value: given.question })).embedding.length, 1024);
  },
};
await report(works, () => generateText({ ...ask, model: bedrock("amazon.nova-none-v1:0") }));
