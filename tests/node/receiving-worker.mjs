/**
 * Run by ancillary.test.ts: terminates workers that receive descriptors without a pause, and prints how many more sockets
 * the process has afterwards.
 */

import { readdirSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Socket } from "wasyncore";

const WORKERS = 10;
/** In each message. */
const DESCRIPTORS = 100;
const MESSAGES_BEFORE = 200;

function sockets() {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;
}

function send(sender, descriptors) {
  try {
    sender.sendDescriptors(Buffer.from("x"), descriptors);
    return true;
  } catch (error) {
    // EAGAIN, EPIPE, or more descriptors under way than the kernel allows.
    if (typeof error.code !== "string") throw error;
    return false;
  }
}

async function terminateOne(descriptors) {
  const [near, far] = Socket.pair();
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: far.detach() });
  await new Promise((resolve) => worker.once("message", resolve));
  let sent = 0;
  let ending;
  let isOver = false;
  while (!isOver) {
    for (let i = 0; i < 20; i++) if (send(near, descriptors)) sent += 1;
    if (sent > MESSAGES_BEFORE) ending ??= worker.terminate().then(() => (isOver = true));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ending;
  near.close();
}

if (isMainThread) {
  const [one, other] = Socket.pair();
  const before = sockets();
  for (let i = 0; i < WORKERS; i++) await terminateOne(Array(DESCRIPTORS).fill(one.fd));
  console.log(sockets() - before);
  one.close();
  other.close();
} else {
  const receiver = Socket.fromDescriptor(workerData);
  parentPort.postMessage("ready");
  while (true) {
    try {
      for (const each of receiver.receiveDescriptors(1).descriptors) Socket.fromDescriptor(each).close();
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}
