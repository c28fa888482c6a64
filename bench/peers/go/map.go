// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"hash/maphash"
	"os"
	"sync"
	"sync/atomic"
)

// Rows 21 to 23: tasks look up and count up entries of one map of 1,000 string keys, half of the
// time one of 20 hot ones. See bench/map.c.

const (
	mapKeys   = 1000
	mapHot    = 20
	mapShards = 32
)

type countingMap interface {
	look(key string) int
	count(key string)
}

// syncMap holds a pointer to an atomic for each key, as one does: its own compare-and-swap came with
// Go 1.20, and allocates for each new value. The map itself is only read.
type syncMap struct{ m sync.Map }

func (s *syncMap) look(key string) int {
	value, _ := s.m.Load(key)
	return int(value.(*atomic.Int64).Load())
}

func (s *syncMap) count(key string) {
	value, _ := s.m.Load(key)
	value.(*atomic.Int64).Add(1)
}

type lockedMap struct {
	lock sync.RWMutex
	m    map[string]int
}

func (l *lockedMap) look(key string) int {
	l.lock.RLock()
	value := l.m[key]
	l.lock.RUnlock()
	return value
}

func (l *lockedMap) count(key string) {
	l.lock.Lock()
	l.m[key]++
	l.lock.Unlock()
}

type shardedMap struct {
	seed   maphash.Seed
	shards [mapShards]struct {
		lock sync.Mutex
		m    map[string]int
		_    [48]byte
	}
}

func (s *shardedMap) look(key string) int {
	shard := &s.shards[maphash.String(s.seed, key)%mapShards]
	shard.lock.Lock()
	value := shard.m[key]
	shard.lock.Unlock()
	return value
}

func (s *shardedMap) count(key string) {
	shard := &s.shards[maphash.String(s.seed, key)%mapShards]
	shard.lock.Lock()
	shard.m[key]++
	shard.lock.Unlock()
}

func newCountingMap(kind string, keys []string) countingMap {
	switch kind {
	case "read-mostly":
		s := &syncMap{}
		for _, key := range keys {
			s.m.Store(key, new(atomic.Int64))
		}
		return s
	case "locked":
		l := &lockedMap{m: map[string]int{}}
		for _, key := range keys {
			l.m[key] = 0
		}
		return l
	case "sharded":
		s := &shardedMap{seed: maphash.MakeSeed()}
		for i := range s.shards {
			s.shards[i].m = map[string]int{}
		}
		for _, key := range keys {
			s.shards[maphash.String(s.seed, key)%mapShards].m[key] = 0
		}
		return s
	}
	fmt.Fprintln(os.Stderr, "no such map:", kind)
	os.Exit(2)
	return nil
}

func measureMap(args []string) {
	tasks, turns := number(args, 0, 8), number(args, 1, 500000)
	writes := number(args, 2, 10)
	keys := make([]string, mapKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("item-%04d", i)
	}
	m := newCountingMap(word(args, 3, "read-mostly"), keys)
	runMap(m, keys, tasks, turns/10, writes)

	s := startSpan()
	runMap(m, keys, tasks, turns, writes)
	s.end()
	reportSpan("map", &s, tasks*turns)
}

func runMap(m countingMap, keys []string, tasks, turns, writes int) {
	var wg sync.WaitGroup
	written := make([]int, tasks)
	counted := 0
	for _, key := range keys {
		counted -= m.look(key)
	}
	wg.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func(i int) {
			random, n := uint64(i+1)*0x9E3779B97F4A7C15, 0
			for turn := 0; turn < turns; turn++ {
				random ^= random << 13
				random ^= random >> 7
				random ^= random << 17
				among := uint64(mapKeys)
				if random&1 != 0 {
					among = mapHot
				}
				key := keys[(random>>8)%among]
				if int((random>>32)%100) < writes {
					m.count(key)
					n++
				} else {
					m.look(key)
				}
			}
			written[i] = n
			wg.Done()
		}(i)
	}
	wg.Wait()
	for _, key := range keys {
		counted += m.look(key)
	}
	for _, n := range written {
		counted -= n
	}
	check(counted == 0)
}
