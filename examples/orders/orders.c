/* SPDX-License-Identifier: MIT
 * orders.c - an order is priced, then stored, one at a time of each user: under a lease. Its
 * context is the request's: if the client hangs up, the time is over or the lease is lost before it
 * is stored, there is no order. */
#include "service.h"

static int price_and_store(covey_ctx *ctx, struct service *s, struct order *o)
{
    int64_t each;
    int code = price_of(ctx, s, o->item, &each, &o->is_stale);

    if (code < 0) {
        return covey_wrapf(code, "price of %s", o->item);
    }
    o->cents = each * o->quantity;
    code = store_add(ctx, s, o);
    return code < 0 ? covey_wrapf(code, "store") : 0;
}

int order_place(covey_ctx *ctx, struct service *s, struct order *o)
{
    covey_lease *lease;
    char name[NAME_BYTES + 8];

    snprintf(name, sizeof(name), "user:%s", o->user);
    int code = covey_redlock_acquire(ctx, s->users, name, &lease);
    if (code < 0) {
        return covey_wrapf(code, "lease of %s", name);
    }
    code = price_and_store(covey_lease_ctx(lease), s, o);
    /* A lease that was lost after the order was stored takes nothing back. */
    (void)covey_lease_release(lease);
    return code;
}
