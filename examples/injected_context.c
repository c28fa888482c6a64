/* SPDX-License-Identifier: MIT
 * injected_context.c - a unit test that drives a task through cancellation, without a sleep.
 *
 * Under test is a batcher: it collects items and writes them in batches; when its context ends it
 * still writes what it has, under a context of its own for that. The tests hand it contexts that
 * they control, and channels to say where it stands: a rendezvous that has been taken is a fact, no
 * guess about time. */
#include "example.h"

/* ---- what is tested ---- */

enum { BATCH = 4 };

typedef int write_fn(covey_ctx *ctx, void *arg, const int *items, int n);

struct batcher {
    covey_chan *items; /* of int */
    write_fn *write;
    void *arg;
};

/* Runs until the channel is closed (0), or ctx is done (its code), or a write fails. */
static int run_batcher(covey_ctx *ctx, void *arg)
{
    struct batcher *b = arg;
    int batch[BATCH], n = 0, err;

    while ((err = covey_chan_recv(ctx, b->items, &batch[n])) == 0) {
        if (++n == BATCH) {
            err = b->write(ctx, b->arg, batch, n);
            n = 0;
            if (err < 0) {
                return err;
            }
        }
    }
    if (n > 0) {
        /* ctx may be done; what was accepted must not be lost with it. */
        covey_ctx *cleanup = covey_ctx_for_cleanup(ctx, COVEY_SEC);
        int failed = b->write(cleanup, b->arg, batch, n);
        covey_ctx_unref(cleanup);
        if (failed < 0) {
            return failed;
        }
    }
    return err == COVEY_ECLOSED ? 0 : err;
}

/* ---- the tests ---- */

/* What was written, and under what. */
struct log {
    int writes, items, context_errors;
    covey_chan *entered, *go_on; /* if there are any: a write says that it began, and waits */
};

static int write_log(covey_ctx *ctx, void *arg, const int *items, int n)
{
    struct log *l = arg;

    (void)items;
    if (l->entered) {
        (void)covey_chan_close(l->entered);
        int err = covey_chan_recv(ctx, l->go_on, NULL);
        if (err != COVEY_ECLOSED) {
            return err;
        }
    }
    l->writes++;
    l->items += n;
    l->context_errors += covey_ctx_err(ctx) != 0;
    return 0;
}

/* A batcher in a group of its own, whose context the test made. */
struct fixture {
    struct batcher b;
    struct log log;
    covey_ctx *ctx;
    covey_group *g;
};

static void set_up(struct fixture *f, covey_ctx *injected)
{
    f->log = (struct log){0};
    f->b = (struct batcher){covey_chan_new(sizeof(int), 0), write_log, &f->log};
    f->ctx = injected;
    f->g = covey_group_new(injected);
}

static void start(struct fixture *f)
{
    (void)covey_group_go(f->g, run_batcher, &f->b);
}

/* Returns when the batcher has taken all n: the channel has no room where one could be left. */
static void feed(struct fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        (void)covey_chan_send(NULL, f->b.items, &i);
    }
}

static int tear_down(struct fixture *f)
{
    int code = covey_group_wait(f->g);

    covey_chan_unref(f->b.items);
    covey_ctx_unref(f->ctx);
    return code;
}

static void cancelled_between_batches(struct fixture *f)
{
    set_up(f, covey_ctx_with_cancel(NULL));
    start(f);
    feed(f, BATCH + 2);
    covey_ctx_cancel(f->ctx);
    int code = tear_down(f);
    expect(code == COVEY_ECANCELED, "cancelled with two items at hand, it returns \"%s\"",
           covey_errmsg());
    expect(f->log.writes == 2 && f->log.items == BATCH + 2 && f->log.context_errors == 0,
           "it has written the two, under a context that was alive");
}

static void cancelled_in_a_write(struct fixture *f)
{
    set_up(f, covey_ctx_with_cancel(NULL));
    f->log.entered = covey_chan_new(0, 0);
    f->log.go_on = covey_chan_new(0, 0);
    start(f);
    feed(f, BATCH);
    (void)covey_chan_recv(NULL, f->log.entered, NULL); /* now it is inside */
    covey_ctx_cancel_cause(f->ctx, -ESHUTDOWN);
    int cause = covey_ctx_cause(f->ctx);
    int code = tear_down(f);
    expect(code == COVEY_ECANCELED && cause == -ESHUTDOWN,
           "cancelled in the middle of a write, the write ends at once");
    expect(f->log.writes == 0, "and nothing was written");
    covey_chan_unref(f->log.entered);
    covey_chan_unref(f->log.go_on);
}

static void deadline_passed_before_the_start(struct fixture *f)
{
    set_up(f, covey_ctx_with_timeout(NULL, 0));
    start(f);
    int code = tear_down(f);
    expect(code == COVEY_EDEADLINE, "started after its deadline, it returns \"%s\"",
           covey_errmsg());
    expect(f->log.writes == 0, "and took no item");
}

static void input_ended(struct fixture *f)
{
    set_up(f, covey_ctx_with_cancel(NULL));
    start(f);
    feed(f, 1);
    (void)covey_chan_close(f->b.items);
    int code = tear_down(f);
    expect(code == 0 && f->log.writes == 1 && f->log.items == 1,
           "at the end of its input it writes the rest and succeeds");
}

static int run_tests(covey_ctx *ctx, void *arg)
{
    struct fixture f;

    (void)ctx;
    (void)arg;
    printf("a task that is cancelled from its tests:\n");
    cancelled_between_batches(&f);
    cancelled_in_a_write(&f);
    deadline_passed_before_the_start(&f);
    input_ended(&f);
    return 0;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Drives a task through cancellation without a sleep.", NULL, 0);
    return example_result(covey_run(run_tests, NULL));
}
