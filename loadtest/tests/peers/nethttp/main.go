// Command nethttp is Go's own HTTP server, plain and with TLS. It logs each request: method, path, protocol, status and the
// number of its connection. It ends when its standard input does.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

type connection struct{}

func main() {
	var connections atomic.Int64
	server := &http.Server{
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connection{}, connections.Add(1))
		},
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
			if err != nil {
				status = http.StatusOK
			}
			io.Copy(io.Discard, r.Body)
			number := r.Context().Value(connection{})
			fmt.Printf("%s %s %s %d %d\n", r.Method, r.URL.Path, r.Proto, status, number)
			w.WriteHeader(status)
			io.WriteString(w, "hello\n")
		}),
	}
	plain, secure := listen(), listen()
	fmt.Println(plain.Addr(), secure.Addr())
	go server.Serve(plain)
	go server.ServeTLS(secure, os.Args[1], os.Args[2])
	io.Copy(io.Discard, os.Stdin)
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}
