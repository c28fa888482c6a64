// SPDX-License-Identifier: MIT

package main

import (
	"io"
	"log"
	"net/http"
)

// Row 20: an HTTP server that says hello, until SIGTERM; over TLS with the files of a certificate
// and its key. See bench/http_server.c and bench/https_server.c.
func serveHTTP(args []string) {
	l := listen()
	body := []byte("Hello, world\n")
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})
	if len(args) == 2 {
		server := http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
		_ = server.ServeTLS(l, args[0], args[1])
		return
	}
	_ = http.Serve(l, mux)
}
