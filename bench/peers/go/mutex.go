// SPDX-License-Identifier: MIT

package main

import "sync"

// Row 13: tasks lock, increment one counter, unlock. See bench/mutex.c.
func measureMutex(args []string) {
	tasks, rounds := number(args, 0, 8), number(args, 1, 1000000)
	runLocked(tasks, rounds/10)

	s := startSpan()
	runLocked(tasks, rounds)
	s.end()
	reportSpan("mutex", &s, tasks*rounds)
}

func runLocked(tasks, rounds int) {
	var m sync.Mutex
	var wg sync.WaitGroup
	counter := 0
	wg.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func() {
			for n := 0; n < rounds; n++ {
				m.Lock()
				counter++
				m.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	check(counter == tasks*rounds)
}
