// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Row 1: two tasks yield to each other. See bench/switch.c.
func measureSwitch(args []string) {
	yields := number(args, 0, 5000000)
	var last, turns atomic.Int64
	runPair(func(self int64) {
		for i := 0; i < yields/10; i++ {
			if last.Swap(self) != self {
				turns.Add(1)
			}
			runtime.Gosched()
		}
	})
	share := float64(turns.Load()) / float64(2*(yields/10))
	check(runtime.GOMAXPROCS(0) > 1 || share > 0.9)

	s := startSpan()
	runPair(func(self int64) {
		for i := 0; i < yields; i++ {
			runtime.Gosched()
		}
	})
	s.end()
	reportSpan("switch", &s, 2*yields)
	report("switch_turns", share, "share")
}

func runPair(f func(self int64)) {
	var wg sync.WaitGroup
	wg.Add(2)
	for self := int64(1); self <= 2; self++ {
		go func(self int64) {
			f(self)
			wg.Done()
		}(self)
	}
	wg.Wait()
}
