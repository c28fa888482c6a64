// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

type crowd struct {
	gate           chan struct{}
	started, ended sync.WaitGroup
}

func waitAtGate(c *crowd) {
	c.started.Done()
	<-c.gate
	c.ended.Done()
}

type crowdResult struct {
	create, release          span
	bytesBefore, bytesParked int
}

// Rows 4, 5 and 6: a crowd of tasks parked on one channel. The kind of stack, covey's second
// argument, means nothing here: Go has one. See bench/park.c.
func measurePark(args []string) {
	tasks := number(args, 0, 1000000)
	runCrowd(tasks/100 + 1)
	r := runCrowd(tasks)
	reportSpan("park_create", &r.create, tasks)
	report("park_bytes", float64(r.bytesParked-r.bytesBefore)/float64(tasks), "B")
	reportSpan("park_release", &r.release, tasks)

	after := memory()
	for i := 0; i < 50 && after > r.bytesBefore+r.bytesBefore/10; i++ {
		time.Sleep(100 * time.Millisecond)
		after = memory()
	}
	report("park_after", float64(after)/float64(r.bytesBefore), "ratio")
}

func runCrowd(tasks int) (r crowdResult) {
	c := crowd{gate: make(chan struct{})}
	r.bytesBefore = memory()

	r.create = startSpan()
	c.started.Add(tasks)
	c.ended.Add(tasks)
	for i := 0; i < tasks; i++ {
		go waitAtGate(&c)
	}
	c.started.Wait()
	r.create.end()
	r.bytesParked = memory()

	r.release = startSpan()
	close(c.gate)
	c.ended.Wait()
	r.release.end()
	return r
}
