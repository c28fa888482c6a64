// SPDX-License-Identifier: MIT

package main

import "sync"

const feeds = 4

// Row 10: one task selects over four unbuffered channels. See bench/select.c.
func measureSelect(args []string) {
	items := number(args, 0, 2000000)
	runSelect(items / 10)

	s := startSpan()
	runSelect(items)
	s.end()
	reportSpan("select", &s, items)
}

func runSelect(items int) {
	var ch [feeds]chan int
	var received, sum [feeds]int
	var wg sync.WaitGroup
	each := items / feeds
	wg.Add(feeds)
	for i := range ch {
		ch[i] = make(chan int)
		go func(ch chan int) {
			for n := 1; n <= each; n++ {
				ch <- n
			}
			wg.Done()
		}(ch[i])
	}
	for n := 0; n < feeds*each; n++ {
		var i, v int
		select {
		case v = <-ch[0]:
			i = 0
		case v = <-ch[1]:
			i = 1
		case v = <-ch[2]:
			i = 2
		case v = <-ch[3]:
			i = 3
		}
		received[i]++
		sum[i] += v
	}
	wg.Wait()
	for i := range ch {
		check(received[i] == each && sum[i] == each*(each+1)/2)
	}
}
