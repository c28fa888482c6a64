// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// Row 19: fetch the URLs of a file under an errgroup with a limit, and drop the bodies. The caller
// measures the whole process. fetch FILE LIMIT BYTES
func measureFetch(args []string) {
	file, err := os.Open(word(args, 0, "urls"))
	check(err == nil)
	limit, size := number(args, 1, 64), number(args, 2, 1024)
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: limit,
		MaxConnsPerHost:     limit,
		DisableCompression:  true,
	}}
	var fetched, bytes atomic.Int64
	g, ctx := newErrgroup(context.Background())
	g.setLimit(limit)
	lines := bufio.NewScanner(file)
	urls := 0
	for lines.Scan() {
		url := lines.Text()
		urls++
		g.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", url, resp.Status)
			}
			bytes.Add(n)
			fetched.Add(1)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	check(fetched.Load() == int64(urls) && bytes.Load() == int64(urls*size))
	report("fetched", float64(urls), "urls")
}
