// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"sync/atomic"
	"time"
)

const msMax = 50

// Row 14: many tasks, each of which sleeps once, 1 to 50 ms. See bench/sleep.c.
func measureSleep(args []string) {
	tasks, rounds := number(args, 0, 100000), number(args, 1, 5)
	runSleepRound(tasks)

	s := startSpan()
	for i := 0; i < rounds; i++ {
		runSleepRound(tasks)
	}
	s.end()
	report("sleep_cpu", milliseconds(s.cpu)/float64(rounds), "ms")
	report("sleep", milliseconds(s.wall)/float64(rounds), "ms")
}

func runSleepRound(tasks int) {
	var awake atomic.Int64
	var wg sync.WaitGroup
	expected, started := 0, time.Now()
	wg.Add(tasks)
	for i := 0; i < tasks; i++ {
		ms := 1 + i*7919%msMax
		expected += ms
		go func() {
			time.Sleep(time.Duration(ms) * time.Millisecond)
			awake.Add(int64(ms))
			wg.Done()
		}()
	}
	wg.Wait()
	check(awake.Load() == int64(expected))
	check(time.Since(started) >= msMax*time.Millisecond)
}
