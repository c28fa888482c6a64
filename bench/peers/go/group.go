// SPDX-License-Identifier: MIT

package main

import "context"

const groupTasks = 10

// Row 15: open a group with a context of its own, start ten tasks, join it. See bench/group.c.
func measureGroup(args []string) {
	groups := number(args, 0, 100000)
	runGroups(groups / 10)

	s := startSpan()
	runGroups(groups)
	s.end()
	reportSpan("group", &s, groups)
}

func runGroups(groups int) {
	for n := 0; n < groups; n++ {
		var done [groupTasks]int
		g, _ := newErrgroup(context.Background())
		for i := range done {
			i := i
			g.Go(func() error {
				done[i]++
				return nil
			})
		}
		check(g.Wait() == nil)
		for i := range done {
			check(done[i] == 1)
		}
	}
}
