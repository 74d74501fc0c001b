/** Owns telling the service manager how far the process is: sd_notify(3). Does nothing where none has asked for it. */

import { OSError } from "../backend/errors.js";
import { Socket } from "../net/socket.js";

const NS_PER_US = 1000n;

/** "READY=1", "STOPPING=1"; reloading, with the time that systemd wants for it. */
export function notifyManager(state: "READY=1" | "RELOADING=1" | "STOPPING=1"): void {
  const path = process.env["NOTIFY_SOCKET"];
  if (path === undefined || !/^[/@]/.test(path)) return;
  // hrtime is CLOCK_MONOTONIC.
  const text = state === "RELOADING=1" ? `${state}\nMONOTONIC_USEC=${process.hrtime.bigint() / NS_PER_US}` : state;
  try {
    const socket = Socket.create({ family: "unix", type: "dgram" });
    try {
      socket.sendTo(Buffer.from(text), { path: path.startsWith("@") ? `\0${path.slice(1)}` : path });
    } finally {
      socket.close();
    }
  } catch (error) {
    // Nobody listens any more.
    if (!(error instanceof OSError)) throw error;
  }
}
