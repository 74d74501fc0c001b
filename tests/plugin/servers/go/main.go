// Owns an HTTP server on the listening socket that its runtime gives it: net/http, as a program for Linux would use it.
// Knows nothing of who runs it.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		fmt.Fprint(response, "hello\n")
	})
	http.HandleFunc("/who", func(response http.ResponseWriter, request *http.Request) {
		fmt.Fprint(response, os.Getenv("VERSION"))
	})
	http.HandleFunc("/echo", func(response http.ResponseWriter, request *http.Request) {
		io.Copy(response, request.Body)
	})
	http.HandleFunc("/bytes/", func(response http.ResponseWriter, request *http.Request) {
		count, _ := strconv.Atoi(strings.TrimPrefix(request.URL.Path, "/bytes/"))
		response.Header().Set("Content-Length", strconv.Itoa(count))
		piece := make([]byte, 16384)
		for count > 0 {
			length := min(count, len(piece))
			response.Write(piece[:length])
			count -= length
		}
	})
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(2)
}
