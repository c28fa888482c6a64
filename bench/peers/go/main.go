// SPDX-License-Identifier: MIT

// Command bench is the Go side of covey's benchmarks: `bench WORKLOAD ARGUMENTS...` does the same
// work as the C program of that name in bench/, with the same warm-up, and prints the same lines,
// "name workers value unit". Standard library only. GOMAXPROCS sets the workers.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var workloads = map[string]func(args []string){
	"switch":   measureSwitch,
	"spawn":    measureSpawn,
	"park":     measurePark,
	"pingpong": measurePingpong,
	"queue":    measureQueue,
	"select":   measureSelect,
	"ring":     measureRing,
	"skynet":   measureSkynet,
	"mutex":    measureMutex,
	"sleep":    measureSleep,
	"group":    measureGroup,
	"cancel":   measureCancel,
	"sieve":    measureSieve,
	"map":      measureMap,
	"echo":     serveEcho,
	"http":     serveHTTP,
	"fetch":    measureFetch,
}

func main() {
	if len(os.Args) < 2 || workloads[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench WORKLOAD ARGUMENTS...")
		os.Exit(2)
	}
	workloads[os.Args[1]](os.Args[2:])
}

func word(args []string, index int, otherwise string) string {
	if index < len(args) {
		return args[index]
	}
	return otherwise
}

func number(args []string, index int, otherwise int) int {
	if index >= len(args) {
		return otherwise
	}
	value, err := strconv.Atoi(args[index])
	if err != nil || value < 1 {
		fmt.Fprintln(os.Stderr, "not a count:", args[index])
		os.Exit(2)
	}
	return value
}

func check(condition bool) {
	if !condition {
		_, file, line, _ := runtime.Caller(1)
		fmt.Fprintf(os.Stderr, "%s:%d: check failed\n", file, line)
		os.Exit(1)
	}
}

// procBytes reads "label: N kB" of a file in /proc, in bytes; 0 if it is not there.
func procBytes(file, label string) int {
	text, _ := os.ReadFile(file)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, label) {
			kib, _ := strconv.Atoi(strings.Fields(line)[1])
			return kib * 1024
		}
	}
	return 0
}

// memory gives resident bytes plus the bytes of page tables.
func memory() int {
	return procBytes("/proc/self/smaps_rollup", "Rss:") + procBytes("/proc/self/status", "VmPTE:")
}

// span is a stretch of time: started, then ended, then it holds the differences.
type span struct {
	started time.Time
	wall    time.Duration
	cpu     time.Duration
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func startSpan() span {
	s := span{cpu: cpuTime()}
	s.started = time.Now()
	return s
}

func (s *span) end() {
	s.wall = time.Since(s.started)
	s.cpu = cpuTime() - s.cpu
}

func report(name string, value float64, unit string) {
	fmt.Printf("%s %d %.3f %s\n", name, runtime.GOMAXPROCS(0), value, unit)
}

// reportSpan prints nanoseconds an operation, elapsed and of processor time.
func reportSpan(name string, s *span, ops int) {
	report(name, float64(s.wall.Nanoseconds())/float64(ops), "ns")
	report(name+"_cpu", float64(s.cpu.Nanoseconds())/float64(ops), "ns")
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / 1e6
}
