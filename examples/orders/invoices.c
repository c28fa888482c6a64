/* SPDX-License-Identifier: MIT
 * invoices.c - a batch of invoices is a group of jobs that workers do, wherever they are. Its
 * context is the request's: if the client hangs up or the time is over, the jobs end.
 *
 * A job's key is the order's id, which is also the invoice's primary key. Whatever runs twice, a
 * job whose worker died or two batches at once, makes one invoice. */
#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int submit(covey_ctx *ctx, covey_fanout *f, const int64_t *orders, int n)
{
    char key[24];
    int code = 0;

    for (int i = 0; i < n && code >= 0; i++) {
        snprintf(key, sizeof(key), "%" PRId64, orders[i]);
        code =
            covey_fanout_submit(ctx, f, &(covey_fanout_job){.name = "invoice", .key = key}, NULL);
    }
    covey_fanout_close(f);
    return code;
}

static void receive(covey_ctx *ctx, covey_fanout *f, struct batch *made)
{
    covey_fanout_result *r;

    while (covey_chan_recv(ctx, covey_fanout_results(f), &r) == 0) {
        int64_t cents;
        if (r->end == COVEY_FANOUT_DONE && sscanf(r->data, "%" SCNd64, &cents) == 1) {
            made->invoices++;
            made->cents += cents;
        }
        covey_fanout_result_free(r);
    }
}

int invoices_make(covey_ctx *ctx, struct service *s, const char *user, struct batch *made)
{
    int64_t orders[BATCH_MAX];
    covey_fanout_stats stats = {0};
    /* A window as wide as the batch: all of it is submitted before the first result is received. */
    const covey_fanout_options options = {.queue = "invoices",
                                          .window = BATCH_MAX,
                                          .max_failures = 3,
                                          .max_crashes = 5,
                                          .with_results = true,
                                          .stats = &stats};
    covey_fanout *f;
    int n = store_due(ctx, s, user, orders, BATCH_MAX);
    int code = n < 0 ? n : covey_fanout_open(ctx, &f, s->engine, &options);

    if (code < 0) {
        return code;
    }
    code = submit(ctx, f, orders, n);
    receive(ctx, f, made);
    int waited = covey_fanout_wait(f);
    code = code < 0 ? code : waited;
    log_info("invoices orders=%d made=%llu attempts=%llu failures=%llu crashes=%llu code=%d", n,
             (unsigned long long)stats.done, (unsigned long long)stats.attempts,
             (unsigned long long)stats.failures, (unsigned long long)stats.crashes, code);
    return code;
}
