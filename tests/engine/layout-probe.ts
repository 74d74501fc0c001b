/**
 * Owns one thing: showing a test the layouts that the compiler gives to whatever crosses a seam. AssemblyScript, compiled
 * by `npm run build:probe` alone; nothing of it is in engine.wasm. Each export is a global named after the layout and the
 * field, or after the namespace and the constant.
 */

import { Ready } from "../../assembly/engine/channels";
import { Change, Interest, Kind, State, Statistics, Verdict } from "../../assembly/shared/abi";
import { ERRNO_BADF, ERRNO_INTR, ERRNO_SUCCESS } from "../../assembly/shared/errno";
import {
  ClockId,
  EVENT_HANGUP,
  Event,
  EventType,
  Dirent,
  Fdstat,
  Filestat,
  Iovec,
  Prestat,
  Subscription,
} from "../../assembly/shared/preview1";
import {
  AREA_SIZE,
  ConnectLayout,
  ErrorLayout,
  EventLayout,
  InstantLayout,
  LookupLayout,
  ReceivedLayout,
  ResultLayout,
  SendLayout,
  StreamLayout,
} from "../../assembly/wasi/async/layouts";

export const subscription_size: i32 = offsetof<Subscription>();
export const subscription_userdata: i32 = offsetof<Subscription>("userdata");
export const subscription_tag: i32 = offsetof<Subscription>("tag");
export const subscription_id: i32 = offsetof<Subscription>("id");
export const subscription_timeout: i32 = offsetof<Subscription>("timeout");
export const subscription_precision: i32 = offsetof<Subscription>("precision");
export const subscription_flags: i32 = offsetof<Subscription>("flags");

export const event_size: i32 = offsetof<Event>();
export const event_userdata: i32 = offsetof<Event>("userdata");
export const event_error: i32 = offsetof<Event>("error");
export const event_type: i32 = offsetof<Event>("type");
export const event_nbytes: i32 = offsetof<Event>("nbytes");
export const event_flags: i32 = offsetof<Event>("flags");

export const change_size: i32 = offsetof<Change>();
export const change_fd: i32 = offsetof<Change>("fd");
export const change_interest: i32 = offsetof<Change>("interest");
export const change_slot: i32 = offsetof<Change>("slot");
export const change_generation: i32 = offsetof<Change>("generation");

export const iovec_size: i32 = offsetof<Iovec>();
export const iovec_buffer: i32 = offsetof<Iovec>("buffer");
export const iovec_length: i32 = offsetof<Iovec>("length");

export const fdstat_size: i32 = offsetof<Fdstat>();
export const fdstat_filetype: i32 = offsetof<Fdstat>("filetype");
export const fdstat_flags: i32 = offsetof<Fdstat>("flags");
export const fdstat_rights: i32 = offsetof<Fdstat>("rights");
export const fdstat_rights_inheriting: i32 = offsetof<Fdstat>("rightsInheriting");

export const filestat_size: i32 = offsetof<Filestat>();
export const filestat_device: i32 = offsetof<Filestat>("device");
export const filestat_inode: i32 = offsetof<Filestat>("inode");
export const filestat_filetype: i32 = offsetof<Filestat>("filetype");
export const filestat_nlink: i32 = offsetof<Filestat>("nlink");
export const filestat_length: i32 = offsetof<Filestat>("length");
export const filestat_atim: i32 = offsetof<Filestat>("atim");
export const filestat_mtim: i32 = offsetof<Filestat>("mtim");
export const filestat_ctim: i32 = offsetof<Filestat>("ctim");

export const dirent_size: i32 = offsetof<Dirent>();
export const dirent_next: i32 = offsetof<Dirent>("next");
export const dirent_inode: i32 = offsetof<Dirent>("inode");
export const dirent_name_length: i32 = offsetof<Dirent>("nameLength");
export const dirent_filetype: i32 = offsetof<Dirent>("filetype");

export const prestat_size: i32 = offsetof<Prestat>();
export const prestat_tag: i32 = offsetof<Prestat>("tag");
export const prestat_name_length: i32 = offsetof<Prestat>("nameLength");

export const statistics_size: i32 = offsetof<Statistics>();
export const statistics_turns: i32 = offsetof<Statistics>("turns");
export const statistics_events: i32 = offsetof<Statistics>("events");
export const statistics_dropped: i32 = offsetof<Statistics>("dropped");
export const statistics_sampled: i32 = offsetof<Statistics>("sampled");
export const statistics_accepts: i32 = offsetof<Statistics>("accepts");
export const statistics_connects: i32 = offsetof<Statistics>("connects");
export const statistics_reads: i32 = offsetof<Statistics>("reads");
export const statistics_writes: i32 = offsetof<Statistics>("writes");
export const statistics_exceptionals: i32 = offsetof<Statistics>("exceptionals");
export const statistics_closes: i32 = offsetof<Statistics>("closes");
export const statistics_errors: i32 = offsetof<Statistics>("errors");
export const statistics_timers: i32 = offsetof<Statistics>("timers");
export const statistics_channels: i32 = offsetof<Statistics>("channels");
export const statistics_changes: i32 = offsetof<Statistics>("changes");
export const statistics_pauses: i32 = offsetof<Statistics>("pauses");

export const interest_none: i32 = Interest.NONE;
export const interest_read: i32 = Ready.READ;
export const interest_write: i32 = Ready.WRITE;

export const state_idle: i32 = State.IDLE;
export const state_connecting: i32 = State.CONNECTING;
export const state_open: i32 = State.OPEN;
export const state_accepting: i32 = State.ACCEPTING;

export const kind_accept: i32 = Kind.ACCEPT;
export const kind_connect: i32 = Kind.CONNECT;
export const kind_read: i32 = Kind.READ;
export const kind_write: i32 = Kind.WRITE;
export const kind_exceptional: i32 = Kind.EXCEPTIONAL;
export const kind_close: i32 = Kind.CLOSE;
export const kind_error: i32 = Kind.ERROR;
export const kind_timer: i32 = Kind.TIMER;

export const verdict_go_on: i32 = Verdict.GO_ON;
export const verdict_stop: i32 = Verdict.STOP;
export const verdict_again: i32 = Verdict.AGAIN;
export const verdict_failed: i32 = Verdict.FAILED;

export const eventtype_clock: i32 = EventType.CLOCK;
export const eventtype_fd_read: i32 = EventType.FD_READ;
export const eventtype_fd_write: i32 = EventType.FD_WRITE;
export const eventtype_fd_priority: i32 = EventType.FD_PRIORITY;

export const event_hangup: i32 = EVENT_HANGUP;
export const clockid_realtime: i32 = ClockId.REALTIME;
export const clockid_monotonic: i32 = ClockId.MONOTONIC;
export const clockid_process_cputime: i32 = ClockId.PROCESS_CPUTIME;
export const clockid_thread_cputime: i32 = ClockId.THREAD_CPUTIME;

export const errno_success: i32 = ERRNO_SUCCESS;
export const errno_badf: i32 = ERRNO_BADF;
export const errno_intr: i32 = ERRNO_INTR;

export const wasi03_event_handle: i32 = EventLayout.HANDLE;
export const wasi03_event_code: i32 = EventLayout.CODE;
export const wasi03_event_size: i32 = EventLayout.SIZE;
export const wasi03_result_is_error: i32 = ResultLayout.IS_ERROR;
export const wasi03_result_value: i32 = ResultLayout.VALUE;
export const wasi03_result_size: i32 = ResultLayout.SIZE;
export const wasi03_error_code: i32 = ErrorLayout.CODE;
export const wasi03_error_has_text: i32 = ErrorLayout.HAS_TEXT;
export const wasi03_error_text: i32 = ErrorLayout.TEXT;
export const wasi03_error_text_length: i32 = ErrorLayout.TEXT_LENGTH;
export const wasi03_stream_stream: i32 = StreamLayout.STREAM;
export const wasi03_stream_future: i32 = StreamLayout.FUTURE;
export const wasi03_connect_socket: i32 = ConnectLayout.SOCKET;
export const wasi03_connect_address: i32 = ConnectLayout.ADDRESS;
export const wasi03_connect_size: i32 = ConnectLayout.SIZE;
export const wasi03_send_socket: i32 = SendLayout.SOCKET;
export const wasi03_send_data: i32 = SendLayout.DATA;
export const wasi03_send_length: i32 = SendLayout.LENGTH;
export const wasi03_send_has_address: i32 = SendLayout.HAS_ADDRESS;
export const wasi03_send_address: i32 = SendLayout.ADDRESS;
export const wasi03_send_size: i32 = SendLayout.SIZE;
export const wasi03_received_data: i32 = ReceivedLayout.DATA;
export const wasi03_received_length: i32 = ReceivedLayout.LENGTH;
export const wasi03_received_address: i32 = ReceivedLayout.ADDRESS;
export const wasi03_received_size: i32 = ReceivedLayout.SIZE;
export const wasi03_lookup_list: i32 = LookupLayout.LIST;
export const wasi03_lookup_count: i32 = LookupLayout.COUNT;
export const wasi03_lookup_family: i32 = LookupLayout.FAMILY;
export const wasi03_lookup_bytes: i32 = LookupLayout.BYTES;
export const wasi03_lookup_address_size: i32 = LookupLayout.ADDRESS_SIZE;
export const wasi03_instant_seconds: i32 = InstantLayout.SECONDS;
export const wasi03_instant_nanoseconds: i32 = InstantLayout.NANOSECONDS;
export const wasi03_instant_size: i32 = InstantLayout.SIZE;
export const wasi03_area_size: i32 = AREA_SIZE;
