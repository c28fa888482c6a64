/* SPDX-License-Identifier: MIT
 * orders.c - an order is priced, then stored. Its context is the request's: if the client hangs up
 * or the time is over before it is stored, there is no order. */
#include "service.h"

int order_place(covey_ctx *ctx, struct service *s, struct order *o)
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
