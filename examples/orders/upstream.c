/* SPDX-License-Identifier: MIT
 * upstream.c - a small price service, so that the order service runs without one. */
#include "service.h"

#include <signal.h>

static const struct {
    const char *item;
    int cents;
} prices[] = {{"tea", 450}, {"coffee", 620}, {"cup", 1299}, {"pot", 3950}};

static int get_price(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                     void *arg)
{
    const char *item = covey_http_path_param(req, "item");

    (void)arg;
    for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
        if (strcmp(item, prices[i].item) == 0) {
            return covey_http_respondf(ctx, w, 200, "%d\n", prices[i].cents);
        }
    }
    return covey_http_respondf(ctx, w, 404, "no such item\n");
}

int upstream_serve(covey_ctx *ctx, covey_listener *listener)
{
    covey_http_router *router = covey_http_router_new();
    int code = covey_http_router_handle(router, "GET /prices/{item}", get_price, NULL);

    if (code == 0) {
        code = covey_http_serve(ctx, listener, covey_http_route, router, NULL);
    }
    covey_http_router_free(router);
    return code;
}

int upstream_main(covey_ctx *ctx, void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT};
    const struct config *config = arg;
    covey_listener *listener;
    int code = covey_listen(&listener, config->prices_addr, NULL);

    if (code < 0) {
        return code;
    }
    log_info("listening addr=%s", covey_listener_addr(listener));
    covey_ctx *until = covey_ctx_with_signals(ctx, signals, 2);
    code = upstream_serve(until, listener);
    covey_ctx_unref(until);
    covey_listener_close(listener);
    return code;
}
