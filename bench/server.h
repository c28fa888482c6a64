/* SPDX-License-Identifier: MIT
 * server.h - the beginning of the benchmarks that are servers: as many descriptors as there may be,
 * a port that is told in the line "port N". */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "bench.h"

#include <sys/resource.h>

static inline void bench_raise_descriptor_limit(void)
{
    struct rlimit limit;
    BENCH_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    BENCH_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static inline covey_listener *bench_listen(void)
{
    covey_listener *l;
    BENCH_CHECK(covey_listen(&l, "tcp://127.0.0.1:0", NULL) == 0);
    printf("port %s\n", strrchr(covey_listener_addr(l), ':') + 1);
    fflush(stdout);
    return l;
}

#endif
