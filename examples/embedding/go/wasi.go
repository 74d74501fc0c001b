package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"golang.org/x/sys/unix"
)

// WASI's numbers.
const (
	success, again, badf, connAborted, connReset, fault, inval, ioError, notConn, pipe = 0, 6, 8, 13, 15, 21, 28, 29, 53, 64

	nonblock     = 4
	socketStream = 6
)

// interest is a descriptor of the guest's, and unix.POLLIN or unix.POLLOUT.
type interest struct {
	fd     uint32
	events int16
}

// sockets are what the guest has, from descriptor 3 on, and what its last poll_oneoff was for.
type sockets struct {
	open map[uint32]int
	// Does poll_oneoff wait? Where it does not, the host waits after the turn, for what is noted here.
	waits    bool
	interest []interest
	timeout  time.Duration
}

func newSockets(listener *net.TCPListener, waits bool) (*sockets, error) {
	file, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return &sockets{open: map[uint32]int{3: fd}, waits: waits}, unix.SetNonblock(fd, true)
}

// instantiate makes wazero's WASI, with these calls in place of its own.
func (s *sockets) instantiate(ctx context.Context, runtime wazero.Runtime) error {
	builder := runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	for name, function := range map[string]any{
		"sock_accept": s.accept, "sock_recv": s.recv, "sock_send": s.send, "sock_shutdown": s.shutdown, "fd_close": s.closeOne,
		"fd_fdstat_get": s.fdstat, "fd_fdstat_set_flags": s.setFlags, "poll_oneoff": s.poll,
	} {
		builder.NewFunctionBuilder().WithFunc(function).Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

func (s *sockets) accept(_ context.Context, guest api.Module, fd, _, acceptedAt uint32) uint32 {
	listener, found := s.open[fd]
	if !found {
		return badf
	}
	accepted, _, err := unix.Accept(listener)
	if err != nil {
		return errnoOf(err)
	}
	unix.CloseOnExec(accepted)
	if err := unix.SetNonblock(accepted, true); err != nil {
		unix.Close(accepted)
		return errnoOf(err)
	}
	number := uint32(3)
	for _, taken := s.open[number]; taken; _, taken = s.open[number] {
		number++
	}
	s.open[number] = accepted
	return put(guest, acceptedAt, number)
}

func (s *sockets) recv(_ context.Context, guest api.Module, fd, iovecs, _, _, lengthAt, flagsAt uint32) uint32 {
	return s.transfer(guest, fd, iovecs, lengthAt, func(socket int, buffer []byte) (int, error) {
		guest.Memory().WriteUint16Le(flagsAt, 0)
		return unix.Read(socket, buffer)
	})
}

// Go's runtime sees to SIGPIPE.
func (s *sockets) send(_ context.Context, guest api.Module, fd, iovecs, _, _, lengthAt uint32) uint32 {
	return s.transfer(guest, fd, iovecs, lengthAt, unix.Write)
}

// transfer takes the first of a vector of buffers: a call may do less than it is asked for.
func (s *sockets) transfer(guest api.Module, fd, iovecs, lengthAt uint32, call func(int, []byte) (int, error)) uint32 {
	socket, found := s.open[fd]
	if !found {
		return badf
	}
	memory := guest.Memory()
	at, _ := memory.ReadUint32Le(iovecs)
	length, ok := memory.ReadUint32Le(iovecs + 4)
	buffer, inside := memory.Read(at, length)
	if !ok || !inside {
		return fault
	}
	moved, err := call(socket, buffer)
	if err != nil {
		return errnoOf(err)
	}
	return put(guest, lengthAt, uint32(moved))
}

func (s *sockets) shutdown(_ context.Context, _ api.Module, fd, how uint32) uint32 {
	socket, found := s.open[fd]
	if !found {
		return badf
	}
	if how < 1 || how > 3 {
		return inval
	}
	return errnoOf(unix.Shutdown(socket, int(how)-1))
}

func (s *sockets) closeOne(_ context.Context, _ api.Module, fd uint32) uint32 {
	socket, found := s.open[fd]
	if !found {
		return badf
	}
	delete(s.open, fd)
	return errnoOf(unix.Close(socket))
}

func (s *sockets) fdstat(_ context.Context, guest api.Module, fd, fdstatAt uint32) uint32 {
	_, found := s.open[fd]
	if !found && fd > 2 {
		return badf
	}
	fdstat := make([]byte, 24)
	if found {
		fdstat[0], fdstat[2] = socketStream, nonblock
	}
	if !guest.Memory().Write(fdstatAt, fdstat) {
		return fault
	}
	return success
}

// Every socket is non-blocking from the beginning.
func (s *sockets) setFlags(_ context.Context, _ api.Module, fd, _ uint32) uint32 {
	if _, found := s.open[fd]; !found {
		return badf
	}
	return success
}

// poll is poll_oneoff. Subscriptions are 48 bytes, events 32. Clocks are relative in wasyncore's guests, and the
// monotonic one.
func (s *sockets) poll(_ context.Context, guest api.Module, subscriptionsAt, eventsAt, count, countAt uint32) uint32 {
	if uint64(count)*48 > math.MaxUint32 {
		return fault
	}
	subscriptions, ok := guest.Memory().Read(subscriptionsAt, count*48)
	if !ok {
		return fault
	}
	var events, clock []byte
	var waiting [][]byte
	s.interest, s.timeout = s.interest[:0], math.MaxInt64
	for ; len(subscriptions) > 0; subscriptions = subscriptions[48:] {
		tag, fd := subscriptions[8], binary.LittleEndian.Uint32(subscriptions[16:])
		switch _, found := s.open[fd]; {
		case tag == 0:
			nanoseconds := min(binary.LittleEndian.Uint64(subscriptions[24:]), math.MaxInt64)
			clock, s.timeout = subscriptions, min(s.timeout, time.Duration(nanoseconds))
		case !found:
			events = appendEvent(events, subscriptions, badf)
		case tag == 1:
			s.interest, waiting = append(s.interest, interest{fd, unix.POLLIN}), append(waiting, subscriptions)
		default:
			s.interest, waiting = append(s.interest, interest{fd, unix.POLLOUT}), append(waiting, subscriptions)
		}
	}
	timeout := time.Duration(0)
	if s.waits && len(events) == 0 {
		timeout = s.timeout
	}
	fds := s.pollFds()
	if err := wait(fds, timeout); err != nil {
		return errnoOf(err)
	}
	for index, subscription := range waiting {
		if fds[index].Revents != 0 {
			events = appendEvent(events, subscription, success)
		}
	}
	if len(events) == 0 && clock != nil {
		events = appendEvent(events, clock, success)
	}
	if !guest.Memory().Write(eventsAt, events) {
		return fault
	}
	return put(guest, countAt, uint32(len(events)/32))
}

// pollFds is what the guest's last poll was for, but for what it has closed since.
func (s *sockets) pollFds() []unix.PollFd {
	fds := make([]unix.PollFd, 0, len(s.interest))
	for _, each := range s.interest {
		if socket, found := s.open[each.fd]; found {
			fds = append(fds, unix.PollFd{Fd: int32(socket), Events: each.events})
		}
	}
	return fds
}

// wait rounds up: a timer that is not due yet would be polled for again and again.
func wait(fds []unix.PollFd, timeout time.Duration) error {
	milliseconds := timeout / time.Millisecond
	if timeout%time.Millisecond > 0 {
		milliseconds++
	}
	_, err := unix.Poll(fds, int(min(milliseconds, math.MaxInt32)))
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

func appendEvent(events, subscription []byte, errno uint16) []byte {
	event := make([]byte, 32)
	copy(event, subscription[:8])
	binary.LittleEndian.PutUint16(event[8:], errno)
	event[10] = subscription[8]
	return append(events, event...)
}

func put(guest api.Module, at, value uint32) uint32 {
	if !guest.Memory().WriteUint32Le(at, value) {
		return fault
	}
	return success
}

func errnoOf(err error) uint32 {
	switch {
	case err == nil:
		return success
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return again
	case errors.Is(err, unix.ECONNABORTED):
		return connAborted
	case errors.Is(err, unix.ECONNRESET):
		return connReset
	case errors.Is(err, unix.ENOTCONN):
		return notConn
	case errors.Is(err, unix.EPIPE):
		return pipe
	}
	return ioError
}
