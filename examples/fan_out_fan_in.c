/* SPDX-License-Identifier: MIT
 * fan_out_fan_in.c - one input, several workers, one output.
 *
 * Workers read the same input channel and write the same output channel. The output is closed by
 * the task that waited for the workers' group, so exactly once, and after the last of them ended:
 * the reader's loop ends by itself. When one worker fails, the group cancels everybody else. */
#include "example.h"

struct stage {
    covey_chan *in, *out; /* of int64_t */
    int64_t bad;          /* a number that no worker can take; 0: none */
    int workers;
    atomic_int alive, *shares; /* workers now; how many numbers each took */
};

struct worker {
    struct stage *stage;
    int number;
};

static int work(covey_ctx *ctx, void *arg)
{
    struct worker *w = arg;
    int64_t n;
    int err;

    atomic_fetch_add(&w->stage->alive, 1);
    while ((err = covey_chan_recv(ctx, w->stage->in, &n)) == 0) {
        int64_t square = n * n;
        if (n == w->stage->bad) {
            err = covey_errorf(-EDOM, "worker %d: cannot square %lld", w->number, (long long)n);
            break;
        }
        err = covey_chan_send(ctx, w->stage->out, &square);
        if (err < 0) {
            break;
        }
        atomic_fetch_add(&w->stage->shares[w->number], 1);
    }
    atomic_fetch_sub(&w->stage->alive, 1);
    return err == COVEY_ECLOSED ? 0 : err; /* the end of the input is the end of the work */
}

/* Runs the workers, and closes the output when the last one has ended. */
static int run_stage(covey_ctx *ctx, void *arg)
{
    struct stage *s = arg;
    covey_group *workers = covey_group_new(ctx);
    int err = 0;

    if (!workers) {
        return -ENOMEM;
    }
    for (int i = 0; i < s->workers && err == 0; i++) {
        struct worker w = {s, i};
        err = covey_group_go_copy(workers, work, &w, sizeof(w));
    }
    int failed = covey_group_wait(workers);
    (void)covey_chan_close(s->out);
    return failed < 0 ? failed : err;
}

struct numbers {
    covey_chan *out;
    int64_t last;
};

/* Sends 1 to last. */
static int count(covey_ctx *ctx, void *arg)
{
    struct numbers *numbers = arg;
    int err = 0;

    for (int64_t n = 1; n <= numbers->last && err == 0; n++) {
        err = covey_chan_send(ctx, numbers->out, &n);
    }
    (void)covey_chan_close(numbers->out);
    return err;
}

/* The whole: numbers -> workers -> the sum of what comes out. */
static int sum_of_squares(covey_ctx *ctx, struct stage *s, int64_t last, int64_t *sum)
{
    covey_group *g = covey_group_new(ctx);

    if (!g) {
        return -ENOMEM;
    }
    s->in = covey_chan_new(sizeof(int64_t), 16);
    s->out = covey_chan_new(sizeof(int64_t), 16);
    struct numbers numbers = {s->in, last};
    int err = s->in && s->out ? covey_group_go(g, count, &numbers) : -ENOMEM;

    if (err == 0) {
        err = covey_group_go(g, run_stage, s);
    }
    if (err < 0) {
        covey_group_cancel(g, err);
    }
    for (int64_t square; err == 0 && covey_chan_recv(ctx, s->out, &square) == 0;) {
        *sum += square;
    }
    expect(atomic_load(&s->alive) == 0, "the output closed, and no worker is alive");
    int failed = covey_group_wait(g);
    covey_chan_unref(s->in);
    covey_chan_unref(s->out);
    return failed < 0 ? failed : err;
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct stage *s = arg;
    const int64_t last = 10000;
    int64_t sum = 0;

    printf("the sum of the squares of 1 to %lld, by %d workers:\n", (long long)last, s->workers);
    int err = sum_of_squares(ctx, s, last, &sum);
    expect(err == 0 && sum == last * (last + 1) * (2 * last + 1) / 6, "it is %lld", (long long)sum);
    for (int i = 0; i < s->workers; i++) {
        printf("           worker %d took %d numbers\n", i, atomic_load(&s->shares[i]));
    }

    printf("the same, with a number that nobody can take:\n");
    s->bad = last / 2;
    err = sum_of_squares(ctx, s, last, &sum);
    expect(err == -EDOM, "wait() returned \"%s\"", covey_errmsg());
    return 0;
}

int main(int argc, char **argv)
{
    int64_t workers = 4;
    const struct example_option options[] = {
        {"--workers", &workers, "workers of the stage, to 64"}};

    example_options(argc, argv, "Spreads numbers over workers and collects what they make.",
                    options, 1);
    atomic_int shares[64] = {0};
    struct stage s = {.workers = workers < 64 ? (int)workers : 64, .shares = shares};
    return example_result(covey_run(tour, &s));
}
