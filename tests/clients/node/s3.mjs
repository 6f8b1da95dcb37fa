// What AWS's SDK for JavaScript does on S3.
import * as s3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { given, report } from "./report.mjs";

const { bucket, once } = given;
const client = new s3.S3Client({ forcePathStyle: true });
const place = (key) => ({ Bucket: bucket, Key: `node/${once}/${key}` });
const large = randomBytes(12_000_000);
const pieces = (bytes) => Readable.from((function* () {
  for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
})());

async function read(key, more = {}) {
  const answer = await client.send(new s3.GetObjectCommand({ ...place(key), ...more }));
  return Buffer.from(await answer.Body.transformToByteArray());
}

const works = {
  async "objects"() {
    await client.send(new s3.PutObjectCommand({ ...place("a//b ä+"), Body: "text", Metadata: { k: "v" } }));
    assert.equal(String(await read("a//b ä+")), "text");
    const head = await client.send(new s3.HeadObjectCommand(place("a//b ä+")));
    assert.deepEqual([head.ContentLength, head.Metadata], [4, { k: "v" }]);
    await client.send(new s3.CopyObjectCommand({ ...place("copy"), CopySource: encodeURI(`${bucket}/node/${once}/a//b ä+`) }));
  },
  async "streams"() {
    await client.send(new s3.PutObjectCommand({ ...place("stream"), Body: pieces(large), ContentLength: large.length }));
    assert.ok((await read("stream")).equals(large));
    assert.ok((await read("stream", { Range: "bytes=7-9" })).equals(large.subarray(7, 10)));
  },
  async "checksums"() {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
      const sent = await client.send(new s3.PutObjectCommand({ ...place("sum"), Body: large, ChecksumAlgorithm }));
      const got = await client.send(new s3.GetObjectCommand({ ...place("sum"), ChecksumMode: "ENABLED" }));
      assert.equal(got[`Checksum${ChecksumAlgorithm}`], sent[`Checksum${ChecksumAlgorithm}`]);
      await got.Body.transformToByteArray();
    }
  },
  async "multipart (lib-storage)"() {
    await new Upload({ client, params: { ...place("parts"), Body: pieces(large) }, tags: [{ Key: "a", Value: "b c" }] }).done();
    assert.ok((await read("parts")).equals(large));
    const { TagSet } = await client.send(new s3.GetObjectTaggingCommand(place("parts")));
    assert.deepEqual(TagSet, [{ Key: "a", Value: "b c" }]);
  },
  async "presigned URLs"() {
    const put = await getSignedUrl(client, new s3.PutObjectCommand(place("by url")), { expiresIn: 60 });
    assert.equal((await fetch(put, { method: "PUT", body: "by url" })).status, 200);
    const get = await getSignedUrl(client, new s3.GetObjectCommand(place("by url")), { expiresIn: 60 });
    assert.equal(await (await fetch(get)).text(), "by url");
  },
  async "presigned forms"() {
    const Conditions = [["content-length-range", 1, 100]];
    const { url, fields } = await createPresignedPost(client, { ...place("by form"), Conditions });
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", new Blob(["by form"]), "x.txt");
    assert.equal((await fetch(url, { method: "POST", body: form })).status, 204);
    assert.equal(String(await read("by form")), "by form");
  },
  async "list, delete"() {
    const Objects = [];
    const pages = s3.paginateListObjectsV2({ client, pageSize: 2 }, { Bucket: bucket, Prefix: `node/${once}/` });
    for await (const page of pages) Objects.push(...page.Contents.map(({ Key }) => ({ Key })));
    assert.deepEqual(Objects.map(({ Key }) => Key.slice(14)), ["a//b ä+", "by form", "by url", "copy", "parts", "stream", "sum"]);
    const gone = await client.send(new s3.DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
    assert.equal(gone.Deleted.length, 7);
  },
};

await report(works, () => client.send(new s3.PutObjectCommand({ Bucket: "no-such-bucket-here", Key: "x", Body: "x" })));
