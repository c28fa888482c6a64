/* SPDX-License-Identifier: MIT
 * api_invoices.c - invoices over HTTP; api.c has the list of what there is. */
#include "api.h"

#include <stdio.h>

/* May be sent again: it goes on with the orders that have no invoice yet. */
int api_make_invoices(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                      void *arg)
{
    struct service *s = arg;
    struct batch made = {0};
    char user[NAME_BYTES] = "", body[96];

    (void)covey_http_query_param(req, "user", user, sizeof(user));
    if (user[0] && !is_name(user)) {
        return refuse(s, w, 400, "user is a name");
    }
    int code = invoices_make(ctx, s, user, &made);
    if (code < 0) {
        return refuse_code(ctx, s, w, code);
    }
    int n = snprintf(body, sizeof(body), "{\"invoices\":%lld,\"cents\":%lld}\n",
                     (long long)made.invoices, (long long)made.cents);
    return respond(ctx, s, w, 200, body, n);
}

int api_get_invoice(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct service *s = arg;
    struct invoice i;
    int64_t id;
    char body[128];

    if (!read_number(covey_http_path_param(req, "id"), INT64_MAX, &id)) {
        return refuse(s, w, 400, "an order's id is a number");
    }
    int code = store_get_invoice(ctx, s, id, &i);
    if (code < 0) {
        return refuse_code(ctx, s, w, code);
    }
    int n = snprintf(body, sizeof(body), "{\"order\":%lld,\"cents\":%lld,\"tax\":%lld}\n",
                     (long long)i.order, (long long)i.cents, (long long)i.tax);
    return respond(ctx, s, w, 200, body, n);
}
