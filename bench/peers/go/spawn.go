// SPDX-License-Identifier: MIT

package main

import "sync"

// Rows 2 and 3: start N empty tasks, then join them. A wait group, the least that joins them in Go,
// where covey has a group with a context. See bench/spawn.c.
func measureSpawn(args []string) {
	tasks := number(args, 0, 100000)
	rounds := number(args, 1, 10)
	runSpawnRound(tasks)

	s := startSpan()
	for i := 0; i < rounds; i++ {
		runSpawnRound(tasks)
	}
	s.end()
	reportSpan("spawn", &s, tasks*rounds)
}

func runSpawnRound(tasks int) {
	var wg sync.WaitGroup
	wg.Add(tasks)
	for i := 0; i < tasks; i++ {
		go doNothing(&wg)
	}
	wg.Wait()
}

func doNothing(wg *sync.WaitGroup) {
	wg.Done()
}
