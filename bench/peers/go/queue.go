// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"sync/atomic"
)

// Rows 8 and 9: producers and consumers over one buffered channel. See bench/queue.c.
func measureQueue(args []string) {
	producers, consumers := number(args, 0, 1), number(args, 1, 1)
	capacity, items := number(args, 2, 100), number(args, 3, 10000000)
	runQueue(producers, consumers, capacity, items/10)

	s := startSpan()
	runQueue(producers, consumers, capacity, items)
	s.end()
	reportSpan("queue", &s, items)
}

func runQueue(producers, consumers, capacity, items int) {
	ch := make(chan int, capacity)
	each := items / producers
	var sum atomic.Int64
	var producing, consuming sync.WaitGroup
	producing.Add(producers)
	for i := 0; i < producers; i++ {
		go func() {
			for n := 1; n <= each; n++ {
				ch <- n
			}
			producing.Done()
		}()
	}
	consuming.Add(consumers)
	for i := 0; i < consumers; i++ {
		go func() {
			part := 0
			for n := range ch {
				part += n
			}
			sum.Add(int64(part))
			consuming.Done()
		}()
	}
	producing.Wait()
	close(ch)
	consuming.Wait()
	check(sum.Load() == int64(producers*(each*(each+1)/2)))
}
