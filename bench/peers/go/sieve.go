// SPDX-License-Identifier: MIT

package main

// Row 17: the prime sieve. The chain is left behind, as in Go's tutorial. See bench/sieve.c.
func measureSieve(args []string) {
	primes := number(args, 0, 2000)
	runSieve(primes / 10)

	s := startSpan()
	last := runSieve(primes)
	s.end()
	check(primes != 2000 || last == 17389)
	check(primes != 500 || last == 3571)
	report("sieve", milliseconds(s.wall), "ms")
	report("sieve_cpu", milliseconds(s.cpu), "ms")
}

func runSieve(primes int) int {
	in := make(chan int)
	go func(out chan int) {
		for n := 2; ; n++ {
			out <- n
		}
	}(in)
	prime := 0
	for i := 0; i < primes; i++ {
		prime = <-in
		out := make(chan int)
		go func(in, out chan int, prime int) {
			for {
				if n := <-in; n%prime != 0 {
					out <- n
				}
			}
		}(in, out, prime)
		in = out
	}
	return prime
}
