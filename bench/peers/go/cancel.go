// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"math"
	"sync"
	"time"
)

// Row 16: cancel a context that tasks wait on, until the last is joined. See bench/cancel.c.
func measureCancel(args []string) {
	tasks, rounds := number(args, 0, 10000), number(args, 1, 10)
	receives := word(args, 2, "ctx") == "recv"
	runCancel(tasks/10, receives)

	best := span{wall: math.MaxInt64}
	for i := 0; i < rounds; i++ {
		if s := runCancel(tasks, receives); s.wall < best.wall {
			best = s
		}
	}
	report("cancel", milliseconds(best.wall), "ms")
	report("cancel_cpu", milliseconds(best.cpu), "ms")
}

type cancelCrowd struct {
	ctx            context.Context
	silent         chan struct{} // nil: wait for the context alone
	started, ended sync.WaitGroup
}

func waitForEnd(c *cancelCrowd) {
	c.started.Done()
	if c.silent != nil {
		select {
		case <-c.silent:
			check(false)
		case <-c.ctx.Done():
		}
	} else {
		<-c.ctx.Done()
	}
	c.ended.Done()
}

func runCancel(tasks int, receives bool) span {
	ctx, cancel := context.WithCancel(context.Background())
	c := cancelCrowd{ctx: ctx}
	if receives {
		c.silent = make(chan struct{})
	}
	c.started.Add(tasks)
	c.ended.Add(tasks)
	for i := 0; i < tasks; i++ {
		go waitForEnd(&c)
	}
	c.started.Wait()
	time.Sleep(2 * time.Millisecond) // the last ones park

	s := startSpan()
	cancel()
	c.ended.Wait()
	s.end()
	return s
}
