// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
)

// Row 7: a number goes to and fro over two unbuffered channels. "null": plain operations; "group":
// each one in a select with the context's end. See bench/pingpong.c.
func measurePingpong(args []string) {
	trips := number(args, 0, 2000000)
	match := runMatch
	if word(args, 1, "null") == "group" {
		match = runMatchCancellable
	}
	match(trips / 10)

	s := startSpan()
	match(trips)
	s.end()
	reportSpan("pingpong", &s, trips)
}

func runMatch(trips int) {
	ping, pong := make(chan int), make(chan int)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		for i := 0; i < trips; i++ {
			ping <- i
			check(<-pong == i+1)
		}
		close(ping)
		wg.Done()
	}()
	go func() {
		for ball := range ping {
			pong <- ball + 1
		}
		wg.Done()
	}()
	wg.Wait()
}

func runMatchCancellable(trips int) {
	ping, pong := make(chan int), make(chan int)
	g, ctx := newErrgroup(context.Background())
	g.Go(func() error {
		defer close(ping)
		for i := 0; i < trips; i++ {
			select {
			case ping <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case ball := <-pong:
				check(ball == i+1)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for {
			var ball int
			var ok bool
			select {
			case ball, ok = <-ping:
			case <-ctx.Done():
				return ctx.Err()
			}
			if !ok {
				return nil
			}
			select {
			case pong <- ball + 1:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	check(g.Wait() == nil)
}
