/* SPDX-License-Identifier: MIT
 * orders.c - an order is priced, then stored, one at a time of each user: under a lease. Its
 * context is the request's: if the client hangs up, the time is over or the lease is lost before it
 * is stored, there is no order.
 *
 * A process that was stopped does not see that it has lost its lease, and may be stopped at any
 * line. So the lease's token goes with the order, and the database refuses one that is late. */
#include "service.h"

#include <stdio.h>

static int price_and_store(covey_ctx *ctx, struct service *s, struct order *o, uint64_t token)
{
    int64_t each;
    int code = price_of(ctx, s, o->item, &each, &o->is_stale);

    if (code < 0) {
        return covey_wrapf(code, "price of %s", o->item);
    }
    o->cents = each * o->quantity;
    code = store_add(ctx, s, o, token);
    return code < 0 ? covey_wrapf(code, "store") : 0;
}

int order_place(covey_ctx *ctx, struct service *s, struct order *o)
{
    covey_lease *lease;
    char name[NAME_BYTES + 8];

    snprintf(name, sizeof(name), "user:%s", o->user);
    int code = covey_redlock_acquire(ctx, s->users, name, &lease);
    if (code < 0) {
        return code;
    }
    code = price_and_store(covey_lease_ctx(lease), s, o, covey_lease_token(lease));
    if (code < 0 && covey_ctx_cause(covey_lease_ctx(lease)) == COVEY_ELOST) {
        code = covey_errorf(COVEY_ELOST, "lease %s was lost on the way", name);
    }
    char words[256]; /* of that failure, whatever the release meets */
    snprintf(words, sizeof(words), "%s", code < 0 ? covey_errmsg() : "");
    /* A lease that was lost after the order was stored takes nothing back. */
    (void)covey_lease_release(lease);
    return code < 0 ? covey_errorf(code, "%s", words) : code;
}
