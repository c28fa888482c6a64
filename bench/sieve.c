/* SPDX-License-Identifier: MIT
 * sieve.c - row 17: the prime sieve of Go's tutorial: numbers run through a chain of filters, one a
 * prime, over unbuffered channels. The figure is the time to the last prime asked for. The group is
 * then cancelled and the chain ends; Go's tutorial leaves it behind. */
#include "bench.h"

struct stage {
    covey_chan *in, *out;
    int64_t prime;
};

static int generate(covey_ctx *ctx, void *arg)
{
    int64_t n = 2;
    while (covey_chan_send(ctx, arg, &n) == 0) {
        n++;
    }
    return 0;
}

static int filter(covey_ctx *ctx, void *arg)
{
    struct stage *s = arg;
    int64_t n;
    while (covey_chan_recv(ctx, s->in, &n) == 0) {
        if (n % s->prime != 0 && covey_chan_send(ctx, s->out, &n) != 0) {
            break;
        }
    }
    return 0;
}

static int64_t run_sieve(covey_ctx *ctx, int64_t primes, struct bench_span *s)
{
    struct stage *stages = calloc((size_t)primes, sizeof *stages);
    BENCH_CHECK(stages != NULL);
    *s = bench_span_start();
    covey_group *g = covey_group_new(ctx);
    covey_chan *in = covey_chan_new(sizeof(int64_t), 0);
    BENCH_CHECK(in != NULL);
    bench_go(g, generate, in);
    int64_t prime = 0;
    for (int64_t i = 0; i < primes; i++) {
        BENCH_CHECK(covey_chan_recv(ctx, in, &prime) == 0);
        stages[i] = (struct stage){in, covey_chan_new(sizeof(int64_t), 0), prime};
        BENCH_CHECK(stages[i].out != NULL);
        bench_go(g, filter, &stages[i]);
        in = stages[i].out;
    }
    bench_span_end(s);

    covey_group_cancel(g, 0);
    BENCH_CHECK(covey_group_wait(g) == 0);
    for (int64_t i = 0; i < primes; i++) {
        covey_chan_unref(stages[i].in);
    }
    covey_chan_unref(in);
    free(stages);
    return prime;
}

static int measure_sieve(covey_ctx *ctx, void *arg)
{
    int64_t primes = bench_number(arg, 0, 2000);
    struct bench_span s;
    run_sieve(ctx, primes / 10, &s);

    int64_t last = run_sieve(ctx, primes, &s);
    BENCH_CHECK(primes != 2000 || last == 17389);
    BENCH_CHECK(primes != 500 || last == 3571);
    bench_print("sieve", (double)s.wall_ns / COVEY_MS, "ms");
    bench_print("sieve_cpu", (double)s.cpu_ns / COVEY_MS, "ms");
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_sieve);
}
