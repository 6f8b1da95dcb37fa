// What AWS's SDK for JavaScript does.
import * as bedrock from "@aws-sdk/client-bedrock";
import * as runtime from "@aws-sdk/client-bedrock-runtime";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { gather, given, report } from "./report.mjs";

const { model, claude, question, bucket, role, once } = given;
const control = new bedrock.BedrockClient();
const models = new runtime.BedrockRuntimeClient();
const s3 = new S3Client({ forcePathStyle: true });
const messages = [{ role: "user", content: [{ text: question }] }];
const ask = { modelId: model, messages };
const body = { modelId: model, body: JSON.stringify({ messages }) };
let answer;

const works = {
  async Converse() {
    assert.equal(models.config.requestHandler.metadata.handlerProtocol, "h2");
    answer = await models.send(new runtime.ConverseCommand(ask));
    assert.equal(answer.stopReason, "end_turn");
  },
  async ConverseStream() {
    const events = await gather((await models.send(new runtime.ConverseStreamCommand(ask))).stream);
    const told = events.map((event) => event.contentBlockDelta?.delta.text ?? "").join("");
    assert.equal(told, answer.output.message.content[0].text);
    assert.deepEqual(events.at(-1).metadata.usage, answer.usage);
  },
  async InvokeModel() {
    const invoked = await models.send(new runtime.InvokeModelCommand(body));
    assert.ok(JSON.parse(new TextDecoder().decode(invoked.body)).output.message.content[0].text);
  },
  async InvokeModelWithResponseStream() {
    const events = await gather((await models.send(new runtime.InvokeModelWithResponseStreamCommand(body))).body);
    assert.ok(events.length > 3 && JSON.parse(new TextDecoder().decode(events[0].chunk.bytes)));
  },
  async CountTokens() {
    const input = { converse: { messages } };
    const counted = await models.send(new runtime.CountTokensCommand({ modelId: claude.replace("us.", ""), input }));
    assert.ok(counted.inputTokens > 10);
  },
  async "batch job"() {
    const lines = Array.from({ length: 100 }, (_, number) =>
      JSON.stringify({ recordId: `CALL${number}`, modelInput: { messages } }),
    );
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `in/${once}.jsonl`, Body: lines.join("\n") }));
    const { jobArn } = await control.send(
      new bedrock.CreateModelInvocationJobCommand({
        jobName: once,
        modelId: model,
        roleArn: role,
        inputDataConfig: { s3InputDataConfig: { s3Uri: `s3://${bucket}/in/${once}.jsonl` } },
        outputDataConfig: { s3OutputDataConfig: { s3Uri: `s3://${bucket}/out/` } },
      }),
    );
    let job;
    do {
      await setTimeout(200);
      job = await control.send(new bedrock.GetModelInvocationJobCommand({ jobIdentifier: jobArn }));
    } while (!["Completed", "Failed"].includes(job.status));
    assert.deepEqual([job.status, job.successRecordCount], ["Completed", 100]);
  },
  async list() {
    const pages = bedrock.paginateListModelInvocationJobs({ client: control }, { nameContains: once });
    assert.equal((await gather(pages)).flatMap((page) => page.invocationJobSummaries).length, 1);
    const listed = await control.send(new bedrock.ListFoundationModelsCommand({}));
    assert.ok(listed.modelSummaries.some((each) => each.modelId === model));
  },
};

const none = { modelId: `amazon.nova-none-${once}-v1:0`, messages };
await report(works, () => models.send(new runtime.ConverseCommand(none)));
