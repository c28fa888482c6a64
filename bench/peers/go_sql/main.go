// SPDX-License-Identifier: MIT

// The peer of bench/query: goroutines ask PostgreSQL for the total of an order by its number, over
// fewer connections, with database/sql and lib/pq. go_sql QUERIES TASKS CONNECTIONS URL; the table
// is what bench/query left. Built by bench/query_postgres.sh against Debian's packages.
package main

import (
	"database/sql"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	_ "github.com/lib/pq"
)

const orders = 1000

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		log.Fatalf("not a count: %s", text)
	}
	return n
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func ask(stmt *sql.Stmt, task uint64, took []int64) {
	draw := task
	for i := range took {
		var total int64
		draw = draw*6364136223846793005 + 1442695040888963407
		id := int64(draw>>33)%orders + 1
		begun := time.Now()
		if err := stmt.QueryRow(id).Scan(&total); err != nil {
			log.Fatal(err)
		}
		took[i] = int64(time.Since(begun))
		if total != 100*id {
			log.Fatalf("order %d: %d", id, total)
		}
	}
}

func askAll(stmt *sql.Stmt, queries, tasks int) []int64 {
	each := queries/tasks + 1
	took := make([]int64, each*tasks)
	var all sync.WaitGroup
	for i := 0; i < tasks; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			ask(stmt, uint64(i+1), took[i*each:(i+1)*each])
		}(i)
	}
	all.Wait()
	return took
}

func show(name string, value float64, unit string) {
	fmt.Printf("%s %d %.3f %s\n", name, runtime.GOMAXPROCS(0), value, unit)
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: go_sql QUERIES TASKS CONNECTIONS URL")
	}
	queries, tasks, connections := number(os.Args[1]), number(os.Args[2]), number(os.Args[3])
	db, err := sql.Open("postgres", os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	stmt, err := db.Prepare("SELECT total FROM bench_orders WHERE id=$1")
	if err != nil {
		log.Fatal(err)
	}
	askAll(stmt, queries/10, tasks)
	wall, used := time.Now(), cpu()
	took := askAll(stmt, queries, tasks)
	n := float64(len(took))
	show("query", float64(time.Since(wall))/n, "ns")
	show("query_cpu", float64(cpu()-used)/n, "ns")
	slices.Sort(took)
	show("query_p50", float64(took[len(took)/2])/1e3, "us")
	show("query_p99", float64(took[len(took)/100*99])/1e3, "us")
}
