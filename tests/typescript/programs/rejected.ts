/** A program that fails in a promise which nobody handles. */

async function fail(): Promise<never> {
  await Promise.resolve();
  throw new RangeError("nobody handles this");
}

setTimeout(() => console.log("never"), 1000);
void fail();
