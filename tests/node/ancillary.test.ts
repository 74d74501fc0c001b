/** Descriptors that have been received are never lost, whatever happens before the caller has them. */

import { expect, test, vi } from "vitest";
import { Ledger } from "../../host/node/threads/ledger.js";
import { createAncillaryCalls } from "../../host/node/ancillary.js";
import { platformConstants } from "../../host/node/constants.js";
import { type Libc, loadLibc } from "../../host/node/libc.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import { requireBuild, start } from "../support/processes.js";

const missing = leaveOut("Tests of descriptors that nobody has yet", missingLinux());

test.skipIf(missing !== "")("they are closed where there is no memory for the data", () => {
  // The last four: the vector, the bytes, the control messages that are sent and received.
  const buffers: ArrayBufferView[] = [];
  const close = vi.fn(() => 0);
  const libc: Libc = {
    ...loadLibc(),
    addressOf(buffer) {
      buffers.push(buffer as ArrayBufferView);
      return BigInt(buffers.length);
    },
    recvmsg() {
      const [bytes, , control] = buffers.slice(-3) as [Uint8Array<ArrayBuffer>, Int32Array, Int32Array];
      // SOL_SOCKET, SCM_RIGHTS, two descriptors.
      control.set([24, 0, 1, 1, 1_000_001, 1_000_002]);
      // Copying what is not there fails as copying without memory does.
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      return 5;
    },
    close,
  };
  const calls = createAncillaryCalls(libc, platformConstants());
  expect(() => calls.receiveDescriptors(0, 100, 2)).toThrow(TypeError);
  expect(close.mock.calls).toEqual([[1_000_001], [1_000_002]]);
});

test.skipIf(missing !== "")("a worker that is terminated while it receives leaves none behind", async () => {
  requireBuild("dist/index.js");
  const { code, signal, stdout, stderr } = await start(process.execPath, ["tests/node/receiving-worker.mjs"]).ended;
  expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: "0\n", stderr: "" });
});

test("descriptors that a thread was given when it was ended are found by who releases what it leaves", () => {
  const ledger = new Ledger();
  ledger.addThread(7, 0);
  const message = ledger.receivedBy(7);
  if (message === undefined) throw new Error("the thread has no place for messages");
  const rights = (...descriptors: readonly number[]): number[] => [
    16 + 4 * descriptors.length,
    0,
    1,
    1,
    ...descriptors,
  ];
  // What the kernel writes; one of them was recorded already.
  message.set(rights(41, 42, 43));
  ledger.owners[41] = 7;
  expect(ledger.takeThread(7)).toEqual({ descriptors: [41, 42, 43], contexts: [] });
  // The next thread with this place.
  ledger.addThread(8, 0);
  expect(ledger.receivedBy(8)?.[0]).toBe(0);
  // A message of another kind.
  ledger.receivedBy(8)?.set([24, 0, 1, 29, 44, 45]);
  expect(ledger.takeThread(8)).toEqual({ descriptors: [], contexts: [] });
  expect(ledger.receivedBy(8)).toBeUndefined();
});
