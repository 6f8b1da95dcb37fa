// What the Python beside says.
export const given = JSON.parse(process.argv[2]);

// Everything that a stream gives.
export async function gather(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

// Runs what shall work, then what is refused; prints {"works": {what: "" or its error}, "refusal": what it was told}.
export async function report(works, refused) {
  const found = { works: {}, refusal: "" };
  for (const [what, run] of Object.entries(works)) {
    found.works[what] = await run().then(
      () => "",
      (error) => String(error.stack),
    );
  }
  await refused().catch((error) => (found.refusal = error.message));
  console.log(JSON.stringify(found));
  process.exit();
}
