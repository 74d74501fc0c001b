/** Owns the guest that the tests of `wasyncore run` start: what it does is its first argument. Knows nothing of the command. */

/** In AssemblyScript. It prints its arguments, copies its input, serves, waits, traps or exits. */
export const GUEST = `
@external("wasi_snapshot_preview1", "args_sizes_get") declare function args_sizes_get(count: usize, bytes: usize): i32;
@external("wasi_snapshot_preview1", "args_get") declare function args_get(addresses: usize, strings: usize): i32;
@external("wasi_snapshot_preview1", "environ_sizes_get") declare function environ_sizes_get(count: usize, bytes: usize): i32;
@external("wasi_snapshot_preview1", "environ_get") declare function environ_get(addresses: usize, strings: usize): i32;
@external("wasi_snapshot_preview1", "fd_read") declare function fd_read(fd: i32, iovecs: usize, count: i32, length: usize): i32;
@external("wasi_snapshot_preview1", "fd_write") declare function fd_write(fd: i32, iovecs: usize, count: i32, length: usize): i32;
@external("wasi_snapshot_preview1", "fd_close") declare function fd_close(fd: i32): i32;
@external("wasi_snapshot_preview1", "fd_fdstat_get") declare function fd_fdstat_get(fd: i32, at: usize): i32;
@external("wasi_snapshot_preview1", "fd_fdstat_set_flags") declare function fd_fdstat_set_flags(fd: i32, flags: i32): i32;
@external("wasi_snapshot_preview1", "sock_accept") declare function sock_accept(fd: i32, flags: i32, at: usize): i32;
@external("wasi_snapshot_preview1", "poll_oneoff") declare function poll_oneoff(subscriptions: usize, events: usize, count: i32, at: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit") declare function proc_exit(code: i32): void;

const BUFFER = memory.data(65536);
const IOVEC = memory.data(8, 4);
const RESULT = memory.data(64, 8);

function read(fd: i32): i32 {
  store<usize>(IOVEC, BUFFER);
  store<usize>(IOVEC + 4, 65536);
  const errno = fd_read(fd, IOVEC, 1, RESULT);
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

function write(fd: i32, at: usize, length: usize): void {
  while (length > 0) {
    store<usize>(IOVEC, at);
    store<usize>(IOVEC + 4, length);
    if (fd_write(fd, IOVEC, 1, RESULT) != 0) proc_exit(90);
    at += load<u32>(RESULT);
    length -= load<u32>(RESULT);
  }
}

function print(text: string): void {
  const bytes = String.UTF8.encode(text + "\\n");
  write(1, changetype<usize>(bytes), bytes.byteLength);
}

function copy(from: i32, to: i32): void {
  let length: i32;
  while ((length = read(from)) > 0) write(to, BUFFER, length);
  if (length < 0) print("errno " + (-length).toString());
}

function strings(at: usize, count: i32): string[] {
  const result: string[] = [];
  for (let i = 0; i < count; i++) {
    const each = load<usize>(at + 4 * i);
    let end = each;
    while (load<u8>(end) != 0) end++;
    result.push(String.UTF8.decodeUnsafe(each, end - each));
  }
  return result;
}

function args(): string[] {
  args_sizes_get(RESULT, RESULT + 4);
  const count = load<i32>(RESULT);
  const at = heap.alloc(4 * count + load<i32>(RESULT + 4));
  args_get(at, at + 4 * count);
  return strings(at, count);
}

function environ(): string[] {
  environ_sizes_get(RESULT, RESULT + 4);
  const count = load<i32>(RESULT);
  const at = heap.alloc(4 * count + load<i32>(RESULT + 4));
  environ_get(at, at + 4 * count);
  return strings(at, count);
}

function breakDown(): void {
  unreachable();
}

const what = args();
const command = what.length > 1 ? what[1] : "";
if (command == "tell") {
  print(what.join("|"));
  print(environ().join("|"));
} else if (command == "kinds") {
  for (let fd = 0; fd < 3; fd++) {
    fd_fdstat_get(fd, RESULT);
    print(load<u8>(RESULT).toString());
  }
} else if (command == "cat") {
  copy(0, 1);
} else if (command == "exit") {
  proc_exit(i32(parseInt(what[2])));
} else if (command == "trap") {
  breakDown();
} else if (command == "echo") {
  for (let fd = 3; fd_fdstat_set_flags(fd, 0) == 0; fd++) {
    if (sock_accept(fd, 0, RESULT) != 0) proc_exit(91);
    const accepted = load<i32>(RESULT);
    print("accepted on " + fd.toString());
    copy(accepted, accepted);
    fd_close(accepted);
  }
} else if (command == "wait") {
  print("waiting");
  memory.fill(BUFFER, 0, 48);
  store<u8>(BUFFER + 8, 1);
  store<i32>(BUFFER + 16, i32(parseInt(what[2])));
  proc_exit(poll_oneoff(BUFFER, BUFFER + 64, 1, RESULT));
} else if (command == "spin") {
  print("spinning");
  while (true) {}
}
`;
