// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
)

// errgroup is golang.org/x/sync/errgroup's Group, which is not in the standard library.
type errgroup struct {
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	sem     chan struct{}
	errOnce sync.Once
	err     error
}

func newErrgroup(parent context.Context) (*errgroup, context.Context) {
	ctx, cancel := context.WithCancel(parent)
	return &errgroup{cancel: cancel}, ctx
}

func (g *errgroup) setLimit(n int) {
	g.sem = make(chan struct{}, n)
}

func (g *errgroup) Go(f func() error) {
	if g.sem != nil {
		g.sem <- struct{}{}
	}
	g.wg.Add(1)
	go func() {
		defer g.done()
		if err := f(); err != nil {
			g.errOnce.Do(func() {
				g.err = err
				g.cancel()
			})
		}
	}()
}

func (g *errgroup) done() {
	if g.sem != nil {
		<-g.sem
	}
	g.wg.Done()
}

func (g *errgroup) Wait() error {
	g.wg.Wait()
	g.cancel()
	return g.err
}
