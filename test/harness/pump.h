/* SPDX-License-Identifier: MIT
 * pump.h - passes bytes on between two connections. Include harness.h first. */
#ifndef CVY_TEST_PUMP_H
#define CVY_TEST_PUMP_H

#include "task.h"

#include <covey/net.h>

/* As covey_read(). */
typedef ssize_t pump_read(covey_ctx *ctx, covey_conn *from, void *buf, size_t size);

struct pump {
    covey_conn *from, *to;
    pump_read *read;
};

static inline int pump_one_way(covey_ctx *ctx, void *arg)
{
    const struct pump *p = arg;
    char buf[16384]; /* the largest record of TLS */
    ssize_t n;

    while ((n = p->read(ctx, p->from, buf, sizeof(buf))) > 0 &&
           covey_write(ctx, p->to, buf, (size_t)n) > 0) {
    }
    covey_conn_abort(p->from);
    covey_conn_abort(p->to);
    return 0;
}

/* Both ways, until either ends. */
static inline void pump(covey_ctx *ctx, covey_conn *a, covey_conn *b, pump_read *read)
{
    struct pump there = {a, b, read}, back = {b, a, read};
    covey_group *both = covey_group_new(ctx);

    GO(both, pump_one_way, &there);
    GO(both, pump_one_way, &back);
    JOIN(both);
}

#endif
