// SPDX-License-Identifier: MIT

package main

import "sync"

// Row 11: one token goes round a ring of tasks. See bench/ring.c.
func measureRing(args []string) {
	tasks, hops := number(args, 0, 10000), number(args, 1, 1000000)
	left := make([]chan int, tasks)
	for i := range left {
		left[i] = make(chan int)
	}
	arrived := make(chan int)
	var wg sync.WaitGroup
	wg.Add(tasks)
	for i := range left {
		go func(left, right chan int, isLast bool) {
			for token := range left {
				token--
				if token == 0 {
					arrived <- token
				} else {
					right <- token
				}
			}
			if !isLast {
				close(right)
			}
			wg.Done()
		}(left[i], left[(i+1)%tasks], i == tasks-1)
	}
	sendRound := func(hops int) {
		left[0] <- hops
		check(<-arrived == 0)
	}
	sendRound(hops / 10)

	s := startSpan()
	sendRound(hops)
	s.end()
	reportSpan("ring", &s, hops)

	close(left[0])
	wg.Wait()
}
