// Owns the server in Go, with the net and net/http packages: a goroutine for each connection. Knows nothing of who
// measures it. Go sets TCP_NODELAY on every connection by default.
//
// usage: go-server ROLE [READ_SIZE [TARGET_PORT]]      listens on a free port; the line on stdout names it
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
)

const (
	pushSize   = 1 << 20
	outputsMax = 64
)

func fail(err error) {
	fmt.Fprintln(os.Stderr, "go-server:", err)
	os.Exit(1)
}

func number(at int, otherwise int) int {
	if len(os.Args) <= at {
		return otherwise
	}
	value, err := strconv.Atoi(os.Args[at])
	if err != nil {
		fail(err)
	}
	return value
}

func echo(connection net.Conn, readSize int) {
	buffer := make([]byte, readSize)
	for {
		length, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:length]); err != nil {
			return
		}
	}
}

func push(connection net.Conn, pushed []byte) {
	line := make([]byte, 64)
	for {
		if _, err := connection.Read(line); err != nil {
			return
		}
		if _, err := connection.Write(pushed); err != nil {
			return
		}
	}
}

// io.Copy between two TCP connections is splice(2) on Linux.
func proxy(near net.Conn, target int) {
	far, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", target))
	if err != nil {
		return
	}
	go func() {
		io.Copy(near, far)
		near.Close()
	}()
	io.Copy(far, near)
	far.Close()
}

// room has all connections of the fan-out; a goroutine writes for each, so that none holds up the others.
type room struct {
	mutex   sync.Mutex
	outputs map[net.Conn]chan []byte
}

func (all *room) enter(connection net.Conn) {
	output := make(chan []byte, outputsMax)
	all.mutex.Lock()
	all.outputs[connection] = output
	all.mutex.Unlock()
	go func() {
		for data := range output {
			connection.Write(data)
		}
	}()
}

func (all *room) serve(connection net.Conn, readSize int) {
	buffer := make([]byte, readSize)
	for {
		length, err := connection.Read(buffer)
		if err != nil {
			break
		}
		data := append([]byte(nil), buffer[:length]...)
		all.mutex.Lock()
		for other, output := range all.outputs {
			if other != connection {
				output <- data
			}
		}
		all.mutex.Unlock()
	}
	all.mutex.Lock()
	close(all.outputs[connection])
	delete(all.outputs, connection)
	all.mutex.Unlock()
}

func hello(response http.ResponseWriter, _ *http.Request) {
	response.Header().Set("Content-Type", "text/plain")
	io.WriteString(response, "Hello from wasyncore.\n")
}

func main() {
	role, readSize, target := os.Args[1], number(2, 8192), number(3, 0)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	if role == "http" {
		fail(http.Serve(listener, http.HandlerFunc(hello)))
	}
	pushed := make([]byte, pushSize)
	for i := range pushed {
		pushed[i] = byte(i)
	}
	all := &room{outputs: map[net.Conn]chan []byte{}}
	for {
		connection, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		if role == "fanout" {
			all.enter(connection)
		}
		go func() {
			defer connection.Close()
			switch role {
			case "echo":
				echo(connection, readSize)
			case "push":
				push(connection, pushed)
			case "proxy":
				proxy(connection, target)
			case "fanout":
				all.serve(connection, readSize)
			default:
				fail(fmt.Errorf("no role %q", role))
			}
		}()
	}
}
