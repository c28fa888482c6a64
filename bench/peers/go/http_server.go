// SPDX-License-Identifier: MIT

package main

import (
	"net/http"
)

// Row 20: an HTTP server that says hello, until SIGTERM. See bench/http_server.c.
func serveHTTP(args []string) {
	l := listen()
	body := []byte("Hello, world\n")
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})
	_ = http.Serve(l, mux)
}
