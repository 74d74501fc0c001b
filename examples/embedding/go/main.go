// Embeds a guest in wazero: go run . GUEST.WASM HOST:PORT
//
// A command (_start) is run to its end. A guest built with --reactor takes turns in this program's own select, beside
// standard input: a line on it asks for the number of turns, its end ends the program.
//
// wazero serves the guest's clocks, environment and standard output. Its own sockets for preview 1 are not polled, and
// stay open when the guest closes them; those in wasi.go take their place.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// turnsAtOnce is how many turns there are without a look at the rest of the program.
const turnsAtOnce = 8

func run(ctx context.Context, path, address string) error {
	binary, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Println("listening on", listener.Addr())

	runtime := wazero.NewRuntime(ctx)
	defer runtime.Close(ctx)
	compiled, err := runtime.CompileModule(ctx, binary)
	if err != nil {
		return err
	}
	_, isCommand := compiled.ExportedFunctions()["_start"]
	sockets, err := newSockets(listener.(*net.TCPListener), isCommand)
	if err != nil {
		return err
	}
	if err := sockets.instantiate(ctx, runtime); err != nil {
		return err
	}
	config := wazero.NewModuleConfig().WithStdout(os.Stdout).WithStderr(os.Stderr).WithSysNanotime().WithSysWalltime()
	// Each guest exports one of the two.
	guest, err := runtime.InstantiateModule(ctx, compiled, config.WithStartFunctions("_start", "_initialize"))
	if err != nil || isCommand {
		return err
	}
	return drive(ctx, guest, sockets)
}

// drive has the guest take turns until it has nothing left to wait for, or standard input ends.
func drive(ctx context.Context, guest api.Module, sockets *sockets) error {
	turn, pending := guest.ExportedFunction("turn"), guest.ExportedFunction("pending")
	lines := inputLines()
	ended := make(chan error, 1)
	turns := 0
	for {
		// As long as a turn finds something, the next may as well.
		ready := int32(1)
		for n := 0; n < turnsAtOnce && ready > 0; n++ {
			turns++
			result, err := turn.Call(ctx, math.MaxInt64)
			if err != nil {
				return err
			}
			ready = api.DecodeI32(result[0])
		}
		if left, err := pending.Call(ctx); err != nil || left[0] == 0 {
			return err
		}
		fds, timeout := sockets.pollFds(), sockets.timeout
		if ready > 0 {
			timeout = 0
		}
		go func() { ended <- wait(fds, timeout) }()
		for waiting := true; waiting; {
			select {
			case err := <-ended:
				if err != nil {
					return err
				}
				waiting = false
			case _, open := <-lines:
				if !open {
					return nil
				}
				fmt.Println("turns:", turns)
			}
		}
	}
}

func inputLines() <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return lines
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: embed GUEST.WASM HOST:PORT")
		os.Exit(2)
	}
	err := run(context.Background(), os.Args[1], os.Args[2])
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		os.Exit(int(exit.ExitCode()))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
