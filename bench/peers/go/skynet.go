// SPDX-License-Identifier: MIT

package main

const width = 10

// Row 12: a tree of tasks, ten wide. See bench/skynet.c.
func measureSkynet(args []string) {
	leaves := number(args, 0, 1000000)
	runTree(leaves / width)

	s := startSpan()
	runTree(leaves)
	s.end()
	report("skynet", milliseconds(s.wall), "ms")
	report("skynet_cpu", milliseconds(s.cpu), "ms")
}

func runTree(leaves int) {
	result := make(chan int)
	go runNode(result, 0, leaves)
	check(<-result == leaves*(leaves-1)/2)
}

func runNode(up chan int, first, leaves int) {
	sum := first
	if leaves > 1 {
		down := make(chan int)
		each := leaves / width
		for i := 0; i < width; i++ {
			go runNode(down, first+i*each, each)
		}
		sum = 0
		for i := 0; i < width; i++ {
			sum += <-down
		}
	}
	up <- sum
}
