/* SPDX-License-Identifier: MIT
 * bench.h - what the workloads share: clock, memory, arguments, checks, and the line they print.
 *
 * A workload is a task: bench_start() runs it under covey_run() with the workers of COVEY_WORKERS.
 * Its counts come as arguments, from the table in bench/run, so that covey and its peer in
 * peers/go/ always get the same ones. It warms up with a tenth of the work, measures once, checks
 * the result, and prints "name workers value unit", one line a figure; name_cpu is the processor
 * time of all threads for the same span. A failed check ends the process with status 1. */
#ifndef BENCH_H
#define BENCH_H

#include <covey.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: check failed: %s (%s)\n", __FILE__, __LINE__, #condition,      \
                    covey_errmsg());                                                               \
            fflush(NULL);                                                                          \
            _Exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* The arguments of the command line without the program's name. */
struct bench {
    int count;
    char **values;
};

static inline const char *bench_word(const struct bench *b, int index, const char *otherwise)
{
    return index < b->count ? b->values[index] : otherwise;
}

static inline int64_t bench_number(const struct bench *b, int index, int64_t otherwise)
{
    if (index >= b->count) {
        return otherwise;
    }
    char *end;
    int64_t value = strtoll(b->values[index], &end, 10);
    if (*end != '\0' || value < 1) {
        fprintf(stderr, "not a count: %s\n", b->values[index]);
        _Exit(2);
    }
    return value;
}

/* Reads "label: N kB" of /proc/self/<file>, in bytes; 0 if it is not there. */
static inline int64_t bench_proc_bytes(const char *file, const char *label)
{
    int64_t bytes = 0;
    char line[256];
    FILE *f = fopen(file, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, label, strlen(label)) == 0) {
            bytes = strtoll(line + strlen(label), NULL, 10) * 1024;
            break;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return bytes;
}

/* Resident bytes plus the bytes of page tables. smaps_rollup walks the tables: exact, where
 * VmRSS is a sum of per-thread approximations. */
static inline int64_t bench_memory(void)
{
    return bench_proc_bytes("/proc/self/smaps_rollup", "Rss:") +
           bench_proc_bytes("/proc/self/status", "VmPTE:");
}

static inline int64_t bench_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * COVEY_SEC + t.tv_nsec;
}

/* A stretch of time: started, then ended, then it holds the differences. */
struct bench_span {
    int64_t wall_ns, cpu_ns;
};

static inline struct bench_span bench_span_start(void)
{
    struct bench_span s;
    s.cpu_ns = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
    s.wall_ns = bench_clock(CLOCK_MONOTONIC);
    return s;
}

static inline void bench_span_end(struct bench_span *s)
{
    s->wall_ns = bench_clock(CLOCK_MONOTONIC) - s->wall_ns;
    s->cpu_ns = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - s->cpu_ns;
}

static inline void bench_print(const char *name, double value, const char *unit)
{
    printf("%s %d %.3f %s\n", name, covey_workers(), value, unit);
    fflush(stdout);
}

/* Nanoseconds an operation, elapsed and of processor time. */
static inline void bench_print_span(const char *name, const struct bench_span *s, int64_t ops)
{
    char cpu[64];
    snprintf(cpu, sizeof cpu, "%s_cpu", name);
    bench_print(name, (double)s->wall_ns / (double)ops, "ns");
    bench_print(cpu, (double)s->cpu_ns / (double)ops, "ns");
}

/* Starts fn in g; the workloads have no use for a failure to start. */
#define bench_go(g, fn, arg) BENCH_CHECK(covey_group_go((g), (fn), (arg)) == 0)

/* Runs main_fn with a struct bench as its argument; the status to leave main() with. */
static inline int bench_start(int argc, char **argv, covey_fn *main_fn)
{
    struct bench b = {argc - 1, argv + 1};
    int code = covey_run(main_fn, &b);
    if (code < 0) {
        fprintf(stderr, "%s: %s\n", argv[0], covey_errmsg());
        return 1;
    }
    return 0;
}

#endif
