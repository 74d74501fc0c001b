//! The calls of WASI preview 1 that wasyncore's guests make, over std::net and poll(2). The newest wasmtime has no sockets
//! for preview 1; what is here needs none. A guest has descriptor 3, a listening socket, and what it accepts.

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};
use wasmtime::{Caller, Engine, Error, Extern, Linker, Result};

const WASI: &str = "wasi_snapshot_preview1";
const NONBLOCK: u16 = 4;
const SOCKET_STREAM: u8 = 6;

/// WASI's numbers.
#[derive(Clone, Copy)]
enum Errno {
    Again = 6,
    Badf = 8,
    ConnAborted = 13,
    ConnReset = 15,
    Fault = 21,
    Inval = 28,
    Io = 29,
    NotConn = 53,
    Pipe = 64,
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Errno::Again,
            ErrorKind::ConnectionAborted => Errno::ConnAborted,
            ErrorKind::ConnectionReset => Errno::ConnReset,
            ErrorKind::NotConnected => Errno::NotConn,
            ErrorKind::BrokenPipe => Errno::Pipe,
            _ => Errno::Io,
        }
    }
}

type Answer = std::result::Result<(), Errno>;

enum Socket {
    Listener(TcpListener),
    Stream(TcpStream),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Listener(listener) => listener.as_fd(),
            Socket::Stream(stream) => stream.as_fd(),
        }
    }
}

/// What the guest has: descriptors from 3 on, and what its last poll_oneoff was for.
pub struct Host {
    sockets: Vec<Option<Socket>>,
    /// Does poll_oneoff wait? Where it does not, the host waits after the turn, for what is noted here.
    waits: bool,
    interest: Vec<(u32, PollFlags)>,
    pub timeout: Duration,
    started: Instant,
}

impl Host {
    pub fn new(listener: TcpListener, waits: bool) -> Self {
        let sockets = vec![Some(Socket::Listener(listener))];
        Host { sockets, waits, interest: Vec::new(), timeout: Duration::ZERO, started: Instant::now() }
    }

    fn socket(&self, fd: u32) -> Option<&Socket> {
        self.sockets.get(fd.wrapping_sub(3) as usize)?.as_ref()
    }

    fn stream(&self, fd: u32) -> std::result::Result<&TcpStream, Errno> {
        match self.socket(fd) {
            Some(Socket::Stream(stream)) => Ok(stream),
            Some(Socket::Listener(_)) => Err(Errno::NotConn),
            None => Err(Errno::Badf),
        }
    }

    fn sock_accept(&mut self, memory: &mut [u8], fd: u32, _flags: u32, accepted_at: u32) -> Answer {
        bytes(memory, accepted_at, 4)?;
        let stream = match self.socket(fd) {
            Some(Socket::Listener(listener)) => listener.accept()?.0,
            Some(Socket::Stream(_)) => return Err(Errno::Inval),
            None => return Err(Errno::Badf),
        };
        stream.set_nonblocking(true)?;
        let index = self.sockets.iter().position(Option::is_none).unwrap_or(self.sockets.len());
        if index == self.sockets.len() {
            self.sockets.push(None);
        }
        self.sockets[index] = Some(Socket::Stream(stream));
        put(memory, accepted_at, &(index as u32 + 3).to_le_bytes())
    }

    fn sock_recv(&mut self, memory: &mut [u8], fd: u32, iovecs: u32, _n: u32, _flags: u32, length_at: u32, flags_at: u32) -> Answer {
        let received = self.stream(fd)?.read(buffer(memory, iovecs)?)?;
        put(memory, flags_at, &[0, 0])?;
        put(memory, length_at, &(received as u32).to_le_bytes())
    }

    fn sock_send(&mut self, memory: &mut [u8], fd: u32, iovecs: u32, _n: u32, _flags: u32, length_at: u32) -> Answer {
        let sent = self.stream(fd)?.write(buffer(memory, iovecs)?)?;
        put(memory, length_at, &(sent as u32).to_le_bytes())
    }

    fn sock_shutdown(&mut self, _memory: &mut [u8], fd: u32, how: u32) -> Answer {
        let how = match how {
            1 => Shutdown::Read,
            2 => Shutdown::Write,
            3 => Shutdown::Both,
            _ => return Err(Errno::Inval),
        };
        Ok(self.stream(fd)?.shutdown(how)?)
    }

    fn fd_close(&mut self, _memory: &mut [u8], fd: u32) -> Answer {
        self.socket(fd).ok_or(Errno::Badf)?;
        self.sockets[fd as usize - 3] = None;
        Ok(())
    }

    /// Standard output and error. A guest writes its messages there.
    fn fd_write(&mut self, memory: &mut [u8], fd: u32, iovecs: u32, _n: u32, length_at: u32) -> Answer {
        let text = buffer(memory, iovecs)?;
        let written = match fd {
            1 => std::io::stdout().write(text)?,
            2 => std::io::stderr().write(text)?,
            _ => return Err(Errno::Badf),
        };
        put(memory, length_at, &(written as u32).to_le_bytes())
    }

    fn fd_fdstat_get(&mut self, memory: &mut [u8], fd: u32, fdstat_at: u32) -> Answer {
        let mut fdstat = [0; 24];
        if self.socket(fd).is_some() {
            fdstat[0] = SOCKET_STREAM;
            fdstat[2..4].copy_from_slice(&NONBLOCK.to_le_bytes());
        } else if fd > 2 {
            return Err(Errno::Badf);
        }
        put(memory, fdstat_at, &fdstat)
    }

    /// Every socket is non-blocking from the beginning.
    fn fd_fdstat_set_flags(&mut self, _memory: &mut [u8], fd: u32, _flags: u32) -> Answer {
        self.socket(fd).map(|_| ()).ok_or(Errno::Badf)
    }

    fn environ_sizes_get(&mut self, memory: &mut [u8], count_at: u32, size_at: u32) -> Answer {
        put(memory, count_at, &[0; 4])?;
        put(memory, size_at, &[0; 4])
    }

    fn environ_get(&mut self, _memory: &mut [u8], _pointers_at: u32, _bytes_at: u32) -> Answer {
        Ok(())
    }

    fn clock_time_get(&mut self, memory: &mut [u8], clock: u32, _precision: u64, time_at: u32) -> Answer {
        let time = match clock {
            0 => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            1 => self.started.elapsed(),
            _ => return Err(Errno::Inval),
        };
        put(memory, time_at, &(time.as_nanos() as u64).to_le_bytes())
    }

    /// Subscriptions are 48 bytes, events 32. Clocks are relative in wasyncore's guests, and the monotonic one.
    fn poll_oneoff(&mut self, memory: &mut [u8], subscriptions_at: u32, events_at: u32, count: u32, count_at: u32) -> Answer {
        let subscriptions = bytes(memory, subscriptions_at, count.checked_mul(48).ok_or(Errno::Fault)?)?.to_vec();
        let mut events = Vec::new();
        let mut clock = None;
        let mut readers = Vec::new();
        self.interest.clear();
        self.timeout = Duration::MAX;
        for subscription in subscriptions.chunks_exact(48) {
            let fd = u32_at(subscription, 16);
            match (subscription[8], self.socket(fd)) {
                (0, _) => {
                    let nanoseconds = u64::from_le_bytes(subscription[24..32].try_into().unwrap());
                    self.timeout = self.timeout.min(Duration::from_nanos(nanoseconds));
                    clock = Some(subscription);
                }
                (tag @ 1..=2, Some(_)) => {
                    self.interest.push((fd, if tag == 1 { PollFlags::IN } else { PollFlags::OUT }));
                    readers.push(subscription);
                }
                (1..=2, None) => events.push(event(subscription, Errno::Badf as u16)),
                _ => events.push(event(subscription, Errno::Inval as u16)),
            }
        }
        let timeout = if self.waits && events.is_empty() { self.timeout } else { Duration::ZERO };
        let mut fds = self.poll_fds();
        wait(&mut fds, timeout)?;
        for (fd, subscription) in fds.iter().zip(readers) {
            if !fd.revents().is_empty() {
                events.push(event(subscription, 0));
            }
        }
        if let (true, Some(subscription)) = (events.is_empty(), clock) {
            events.push(event(subscription, 0));
        }
        put(memory, events_at, &events.concat())?;
        put(memory, count_at, &(events.len() as u32).to_le_bytes())
    }

    /// What the guest's last poll was for, but for what it has closed since.
    pub fn poll_fds(&self) -> Vec<PollFd<'_>> {
        let open = self.interest.iter().filter_map(|&(fd, flags)| Some((self.socket(fd)?, flags)));
        open.map(|(socket, flags)| PollFd::new(socket, flags)).collect()
    }
}

/// Without end where the time is more than the call can say. A signal ends it as well.
pub fn wait(fds: &mut [PollFd], timeout: Duration) -> std::io::Result<()> {
    let timespec = Timespec::try_from(timeout).ok();
    match poll(fds, timespec.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn event(subscription: &[u8], errno: u16) -> [u8; 32] {
    let mut event = [0; 32];
    event[..8].copy_from_slice(&subscription[..8]);
    event[8..10].copy_from_slice(&errno.to_le_bytes());
    event[10] = subscription[8];
    event
}

fn bytes(memory: &mut [u8], at: u32, length: u32) -> std::result::Result<&mut [u8], Errno> {
    let end = (at as usize).checked_add(length as usize).ok_or(Errno::Fault)?;
    memory.get_mut(at as usize..end).ok_or(Errno::Fault)
}

fn put(memory: &mut [u8], at: u32, value: &[u8]) -> Answer {
    bytes(memory, at, value.len() as u32)?.copy_from_slice(value);
    Ok(())
}

fn u32_at(memory: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(memory[at..at + 4].try_into().unwrap())
}

/// The first of a vector of buffers: a call may do less than it is asked for.
fn buffer(memory: &mut [u8], iovecs: u32) -> std::result::Result<&mut [u8], Errno> {
    let iovec = bytes(memory, iovecs, 8)?;
    let (at, length) = (u32_at(iovec, 0), u32_at(iovec, 4));
    bytes(memory, at, length)
}

/// Thrown through the guest by proc_exit.
#[derive(Debug)]
pub struct Exit(pub i32);

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "exit status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Links methods of [`Host`] under their names.
macro_rules! link {
    ($linker:ident, $($name:ident($($parameter:ident: $type:ty),*);)*) => {$(
        $linker.func_wrap(WASI, stringify!($name), |mut caller: Caller<'_, Host>, $($parameter: $type),*| {
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return Err(Error::msg("the guest exports no memory")) };
            let (memory, host) = memory.data_and_store_mut(&mut caller);
            Ok(host.$name(memory, $($parameter),*).err().map_or(0, |errno| errno as i32))
        })?;
    )*};
}

pub fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    link! { linker,
        sock_accept(fd: u32, flags: u32, accepted_at: u32);
        sock_recv(fd: u32, iovecs: u32, n: u32, flags: u32, length_at: u32, flags_at: u32);
        sock_send(fd: u32, iovecs: u32, n: u32, flags: u32, length_at: u32);
        sock_shutdown(fd: u32, how: u32);
        fd_close(fd: u32);
        fd_write(fd: u32, iovecs: u32, n: u32, length_at: u32);
        fd_fdstat_get(fd: u32, fdstat_at: u32);
        fd_fdstat_set_flags(fd: u32, flags: u32);
        environ_sizes_get(count_at: u32, size_at: u32);
        environ_get(pointers_at: u32, bytes_at: u32);
        clock_time_get(clock: u32, precision: u64, time_at: u32);
        poll_oneoff(subscriptions_at: u32, events_at: u32, count: u32, count_at: u32);
    }
    linker.func_wrap(WASI, "proc_exit", |code: i32| -> Result<()> { Err(Exit(code).into()) })?;
    Ok(linker)
}
