// Anthropic's own client for Node on Bedrock.
import { AnthropicBedrock } from "@anthropic-ai/bedrock-sdk";
import assert from "node:assert/strict";
import { gather, given, report } from "./report.mjs";

const client = new AnthropicBedrock();
const ask = { model: given.claude, max_tokens: 90, messages: [{ role: "user", content: given.question }] };
let answer;

const works = {
  async messages() {
    answer = await client.messages.create(ask);
    assert.equal(answer.stop_reason, "end_turn");
  },
  async stream() {
    const events = await gather(await client.messages.create({ ...ask, stream: true }));
    const pieces = events.map((event) => event.delta?.text ?? "").filter(Boolean);
    assert.ok(pieces.length > 2);
    assert.equal(pieces.join(""), answer.content[0].text);
  },
};
await report(works, () => client.messages.create({ ...ask, model: "anthropic.none-v1:0" }));
