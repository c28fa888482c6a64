// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// Row 20: an HTTP server that says hello, until SIGTERM. See bench/http_server.c.
func serveHTTP(args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil)
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	body := []byte("Hello, world\n")
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})
	_ = http.Serve(l, mux)
}
