/* SPDX-License-Identifier: MIT
 * fanout.c - jobs of a distributed group a second, each with a payload, a handler that answers with
 * it, and a result that is received: fanout [JOBS [WORKERS [SLOTS [URL]]]]; workers are tasks of
 * this process, with so many slots each. On the engine within the process without a URL, else on
 * that Redis. bench/fanout.sh runs it on both. */
#include "bench.h"

#include <covey/redis_fanout.h>

enum { SUBMITTERS = 8 };

struct load {
    covey_fanout_engine *engine;
    covey_fanout *fanout;
    covey_fanout_worker_options worker;
    int64_t jobs; /* of each submitter */
};

static int answer(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_fanout_reply(call, call->data, call->len);
}

static int serve(covey_ctx *ctx, void *arg)
{
    static const covey_fanout_handler handler = {.name = "answer", .fn = answer};
    const struct load *l = arg;

    return covey_fanout_serve(ctx, l->engine, &handler, 1, &l->worker);
}

static int submit(covey_ctx *ctx, void *arg)
{
    const struct load *l = arg;
    const covey_fanout_job job = {.name = "answer", .data = "sixteen bytes...", .len = 16};

    for (int64_t i = 0; i < l->jobs; i++) {
        BENCH_CHECK(covey_fanout_submit(ctx, l->fanout, &job, NULL) == 0);
    }
    return 0;
}

static void run_jobs(covey_ctx *ctx, struct load *l, int64_t jobs)
{
    covey_fanout_options opts = {.with_results = true};
    covey_group *submitters = covey_group_new(ctx);
    covey_fanout_result *r;

    l->jobs = jobs / SUBMITTERS;
    BENCH_CHECK(covey_fanout_open(ctx, &l->fanout, l->engine, &opts) == 0);
    for (int i = 0; i < SUBMITTERS; i++) {
        bench_go(submitters, submit, l);
    }
    for (int64_t i = 0; i < l->jobs * SUBMITTERS; i++) {
        BENCH_CHECK(covey_chan_recv(ctx, covey_fanout_results(l->fanout), &r) == 0);
        BENCH_CHECK(r->end == COVEY_FANOUT_DONE && r->len == 16);
        covey_fanout_result_free(r);
    }
    BENCH_CHECK(covey_group_wait(submitters) == 0);
    BENCH_CHECK(covey_fanout_wait(l->fanout) == 0);
}

static int measure(covey_ctx *ctx, void *arg)
{
    const struct bench *b = arg;
    int64_t jobs = (bench_number(b, 0, 200000) + SUBMITTERS - 1) / SUBMITTERS * SUBMITTERS;
    int64_t workers = bench_number(b, 1, 4);
    struct load l = {.worker = {.jobs = (int)bench_number(b, 2, 16)}};
    covey_group *crew = covey_group_new(ctx);
    covey_redis *redis = NULL;

    if (b->count > 3) {
        BENCH_CHECK(covey_redis_open(ctx, &redis, b->values[3], NULL) == 0);
        l.engine = covey_redis_fanout(redis, NULL);
    }
    l.engine = l.engine ? l.engine : covey_fanout_local(NULL);
    BENCH_CHECK(l.engine);
    for (int64_t i = 0; i < workers; i++) {
        bench_go(crew, serve, &l);
    }
    run_jobs(ctx, &l, jobs / 10 + SUBMITTERS);
    struct bench_span span = bench_span_start();
    run_jobs(ctx, &l, jobs);
    bench_span_end(&span);
    bench_print_span("fanout", &span, jobs);
    bench_print("fanout_rate", (double)jobs * (double)COVEY_SEC / (double)span.wall_ns, "jobs/s");
    covey_group_cancel(crew, 0);
    (void)covey_group_wait(crew);
    covey_fanout_engine_free(l.engine);
    covey_redis_close(redis);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure);
}
