/* SPDX-License-Identifier: MIT
 * recorder.c - what the flight recorder costs, within one process: it is turned on and off between
 * slices of a few milliseconds, so that each is compared with its neighbour, on the same pages, at
 * the same clock rate, in the same mood of the machine. The order of a pair turns. The first slice
 * after a switch does not count: what is on stays on.
 *
 *   recorder ping-pong|spawn [operations a slice] [pairs] [never]     the work of rows 7 and 2
 *   recorder http [milliseconds a slice] [pairs]     prints "port N", then waits for load
 *
 * never: the recorder is never on, which shows by how much pairs differ without it.
 *
 * Printed, for processor time and for elapsed time: the medians of what an operation takes off and
 * on, and the quartiles of the pairs' differences. bench/trace_overhead runs it. */
#include "hello.h"

#include <covey/http.h>
#include <covey/trace.h>

#include <stdatomic.h>

#define WARM_UP 2 /* pairs that are not counted */

/* Does one slice's work; the operations that it was. */
typedef int64_t slice_fn(void *arg);

/* A figure of all pairs: off, on, and how much more that is. */
struct figure {
    double *off, *on, *more;
};

struct contest {
    int64_t pairs;
    bool is_never_on;
    struct figure cpu, wall;
};

static struct figure figure_new(int64_t pairs)
{
    struct figure f = {calloc((size_t)pairs, sizeof(double)), calloc((size_t)pairs, sizeof(double)),
                       calloc((size_t)pairs, sizeof(double))};
    BENCH_CHECK(f.off && f.on && f.more);
    return f;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quartile(double *values, int64_t count, int which)
{
    qsort(values, (size_t)count, sizeof(*values), compare);
    return values[(count - 1) * which / 4];
}

static void print_figure(const char *name, struct figure *f, int64_t pairs)
{
    char text[64];

    for (int64_t i = 0; i < pairs; i++) {
        f->more[i] = 100 * (f->on[i] / f->off[i] - 1);
    }
    snprintf(text, sizeof(text), "%s_off", name);
    bench_print(text, quartile(f->off, pairs, 2), "ns");
    snprintf(text, sizeof(text), "%s_on", name);
    bench_print(text, quartile(f->on, pairs, 2), "ns");
    for (int which = 1; which <= 3; which++) {
        snprintf(text, sizeof(text), "%s_more_q%d", name, which);
        bench_print(text, quartile(f->more, pairs, which), "%");
    }
}

static void print_contest(struct contest *c)
{
    print_figure("cpu", &c->cpu, c->pairs);
    print_figure("wall", &c->wall, c->pairs);
}

static void set_recorder(bool is_on)
{
    BENCH_CHECK((is_on ? covey_trace_flight_start(0) : covey_trace_flight_stop()) == 0);
}

static void run_contest(struct contest *c, slice_fn *work, void *arg)
{
    for (int64_t i = 0; i < 2 * (c->pairs + WARM_UP); i++) {
        int64_t pair = i / 2 - WARM_UP;
        bool is_on = (i % 2 != 0) != (i / 2 % 2 != 0);
        bool switches = is_on && !c->is_never_on;
        if (switches) {
            set_recorder(true);
        }
        (void)work(arg);
        struct bench_span s = bench_span_start();
        int64_t n = work(arg);
        bench_span_end(&s);
        if (switches) {
            set_recorder(false);
        }
        BENCH_CHECK(n > 0);
        if (pair >= 0) {
            (is_on ? c->cpu.on : c->cpu.off)[pair] = (double)s.cpu_ns / (double)n;
            (is_on ? c->wall.on : c->wall.off)[pair] = (double)s.wall_ns / (double)n;
        }
    }
}

/* ---- row 7 ---- */

struct court {
    covey_chan *ping, *pong;
    int64_t trips;
    struct contest *contest;
};

static int64_t play(void *arg)
{
    struct court *c = arg;
    for (int64_t i = 0; i < c->trips; i++) {
        int64_t ball = -1;
        BENCH_CHECK(covey_chan_send(NULL, c->ping, &i) == 0);
        BENCH_CHECK(covey_chan_recv(NULL, c->pong, &ball) == 0 && ball == i + 1);
    }
    return c->trips;
}

static int run_server(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    struct court *c = arg;
    run_contest(c->contest, play, c);
    return covey_chan_close(c->ping);
}

static int run_returner(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    struct court *c = arg;
    int64_t ball;
    while (covey_chan_recv(NULL, c->ping, &ball) == 0) {
        ball++;
        BENCH_CHECK(covey_chan_send(NULL, c->pong, &ball) == 0);
    }
    return 0;
}

static void contest_ping_pong(covey_ctx *ctx, struct contest *contest, int64_t trips)
{
    struct court c = {covey_chan_new(sizeof(int64_t), 0), covey_chan_new(sizeof(int64_t), 0), trips,
                      contest};
    BENCH_CHECK(c.ping && c.pong);
    covey_group *g = covey_group_new(ctx);
    bench_go(g, run_server, &c);
    bench_go(g, run_returner, &c);
    BENCH_CHECK(covey_group_wait(g) == 0);
    covey_chan_unref(c.ping);
    covey_chan_unref(c.pong);
}

/* ---- row 2 ---- */

struct crowd {
    covey_ctx *ctx;
    int64_t tasks;
};

static int do_nothing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int64_t run_crowd(void *arg)
{
    struct crowd *c = arg;
    covey_group *g = covey_group_new(c->ctx);
    for (int64_t i = 0; i < c->tasks; i++) {
        bench_go(g, do_nothing, NULL);
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
    return c->tasks;
}

/* ---- row 20 ---- */

struct service {
    covey_ctx *ctx;
    int64_t slice_ns;
    _Atomic int64_t answered;
};

static void count_answer(const covey_http_access *a, void *arg)
{
    (void)a;
    struct service *s = arg;
    atomic_fetch_add_explicit(&s->answered, 1, memory_order_relaxed);
}

static int serve(covey_ctx *ctx, void *arg)
{
    return bench_serve_hello(
        ctx, (covey_http_server_options){.on_access = count_answer, .access_arg = arg});
}

static int64_t let_it_serve(void *arg)
{
    struct service *s = arg;
    int64_t before = atomic_load(&s->answered);
    BENCH_CHECK(covey_sleep(s->ctx, s->slice_ns) == 0);
    return atomic_load(&s->answered) - before;
}

/* Serves on until SIGTERM. */
static void contest_http(covey_ctx *ctx, struct contest *contest, int64_t slice_ms)
{
    struct service s = {.ctx = ctx, .slice_ns = slice_ms * COVEY_MS};
    covey_group *g = covey_group_new(ctx);
    bench_go(g, serve, &s);
    while (atomic_load(&s.answered) == 0) {
        BENCH_CHECK(covey_sleep(ctx, 10 * COVEY_MS) == 0);
    }
    run_contest(contest, let_it_serve, &s);
    print_contest(contest);
    BENCH_CHECK(covey_group_wait(g) == 0);
}

static int measure_recorder(covey_ctx *ctx, void *arg)
{
    const char *work = bench_word(arg, 0, "ping-pong");
    bool is_http = strcmp(work, "http") == 0;
    int64_t pairs = bench_number(arg, 2, 200);
    struct contest contest = {pairs, strcmp(bench_word(arg, 3, ""), "never") == 0,
                              figure_new(pairs), figure_new(pairs)};

    if (is_http) {
        contest_http(ctx, &contest, bench_number(arg, 1, 100));
        return 0;
    }
    if (strcmp(work, "spawn") == 0) {
        struct crowd c = {ctx, bench_number(arg, 1, 100000)};
        run_contest(&contest, run_crowd, &c);
    } else {
        contest_ping_pong(ctx, &contest, bench_number(arg, 1, 50000));
    }
    print_contest(&contest);
    return 0;
}

int main(int argc, char **argv)
{
    bench_raise_descriptor_limit();
    return bench_start(argc, argv, measure_recorder);
}
