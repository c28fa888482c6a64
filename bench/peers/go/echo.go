// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// A server's beginning: tells its port, and ends with SIGTERM. See bench/server.h.
func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil)
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	return l
}

// Row 18: a TCP echo server, a task a connection, until SIGTERM. See bench/echo.c.
func serveEcho(args []string) {
	l := listen()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			var buf [512]byte
			for {
				n, err := c.Read(buf[:])
				if err != nil {
					return
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}
