/* SPDX-License-Identifier: MIT
 * dump.c - a crowd of parked tasks is dumped, folded, while the program serves on.
 *
 * dump_folded: milliseconds for the dump; dump_bytes: how long it is; the whole crowd is one place
 * in it, or the check fails. serve_gap: the longest time meanwhile between two round trips of a
 * pair of tasks that converse all the time, and serve_trips how many they made; serve_gap_before:
 * the same without a dump. */
#include "bench.h"

#include <covey/debug.h>

struct hall {
    covey_chan *gate;
    covey_waitgroup started;
    covey_chan *ask, *answer;
};

static int wait_at_gate(covey_ctx *ctx, void *arg)
{
    struct hall *h = arg;
    covey_waitgroup_done(&h->started);
    return covey_chan_recv(ctx, h->gate, NULL) == COVEY_ECLOSED ? 0 : -EINVAL;
}

static int answer_all(covey_ctx *ctx, void *arg)
{
    struct hall *h = arg;
    int question;
    while (covey_chan_recv(ctx, h->ask, &question) == 0) {
        BENCH_CHECK(covey_chan_send(ctx, h->answer, &question) == 0);
    }
    return 0;
}

struct writing {
    char *text;
    size_t len;
    int64_t ns;
    _Atomic bool is_done;
};

static int write_dump(covey_ctx *ctx, void *arg)
{
    struct writing *w = arg;
    (void)ctx;
    FILE *out = open_memstream(&w->text, &w->len);
    BENCH_CHECK(out != NULL);
    int64_t began = bench_clock(CLOCK_MONOTONIC);
    BENCH_CHECK(covey_dump_as(out, COVEY_DUMP_FOLDED) == 0);
    w->ns = bench_clock(CLOCK_MONOTONIC) - began;
    BENCH_CHECK(fclose(out) == 0);
    return 0;
}

static int dump_aside(covey_ctx *ctx, void *arg)
{
    struct writing *w = arg;
    int code = covey_blocking(ctx, write_dump, w);
    w->is_done = true;
    return code;
}

/* Converses until until() says so; the longest time for a round trip. */
static int64_t converse(covey_ctx *ctx, struct hall *h, const _Atomic bool *is_done, int64_t least,
                        int64_t *trips)
{
    int64_t longest = 0;
    int64_t last = bench_clock(CLOCK_MONOTONIC);
    for (*trips = 0; *trips < least || !*is_done; ++*trips) {
        int question = 1;
        BENCH_CHECK(covey_chan_send(ctx, h->ask, &question) == 0);
        BENCH_CHECK(covey_chan_recv(ctx, h->answer, &question) == 0);
        int64_t now = bench_clock(CLOCK_MONOTONIC);
        longest = now - last > longest ? now - last : longest;
        last = now;
    }
    return longest;
}

static int measure_dump(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 1000000);
    struct hall h = {.gate = covey_chan_new(0, 0),
                     .ask = covey_chan_new(sizeof(int), 0),
                     .answer = covey_chan_new(sizeof(int), 0)};
    struct writing w = {0};
    _Atomic bool at_once = true;
    int64_t trips;
    covey_task_options options = {.compact = true};
    covey_group *g = covey_group_new(ctx);

    BENCH_CHECK(h.gate && h.ask && h.answer);
    covey_waitgroup_add(&h.started, (int)tasks);
    for (int64_t i = 0; i < tasks; i++) {
        BENCH_CHECK(covey_group_go_with(g, &options, wait_at_gate, &h) == 0);
    }
    BENCH_CHECK(covey_waitgroup_wait(ctx, &h.started) == 0);
    bench_go(g, answer_all, &h);
    int64_t before = converse(ctx, &h, &at_once, 1000000, &trips);
    bench_go(g, dump_aside, &w);
    int64_t gap = converse(ctx, &h, &w.is_done, 1, &trips);

    char line[32];
    snprintf(line, sizeof line, "  %" PRId64 " tasks \"", tasks);
    BENCH_CHECK(strstr(w.text, line) != NULL);
    bench_print("dump_folded", (double)w.ns / (double)COVEY_MS, "ms");
    bench_print("dump_bytes", (double)w.len, "bytes");
    bench_print("serve_gap_before", (double)before / (double)COVEY_US, "us");
    bench_print("serve_gap", (double)gap / (double)COVEY_US, "us");
    bench_print("serve_trips", (double)trips, "trips");
    BENCH_CHECK(covey_chan_close(h.gate) == 0 && covey_chan_close(h.ask) == 0);
    BENCH_CHECK(covey_group_wait(g) == 0);
    free(w.text);
    covey_chan_unref(h.gate);
    covey_chan_unref(h.ask);
    covey_chan_unref(h.answer);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_dump);
}
