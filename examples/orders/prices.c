/* SPDX-License-Identifier: MIT
 * prices.c - the price service, behind retry and a circuit breaker.
 *
 * It degrades so: while the price service fails or its breaker is open, an item costs what it cost
 * last time, and the order says that its price is stale. An item that was never asked for before
 * has no price, and the order is refused (503), to be sent again. */
#include "service.h"

#include <stdlib.h>

#define PRICE_MAX 100000000 /* cents */

static void tell_change(const covey_breaker_change *change, void *arg)
{
    (void)arg;
    log_warn("breaker name=%s from=%s to=%s calls=%u failures=%u", change->name,
             covey_breaker_state_name(change->from), covey_breaker_state_name(change->to),
             change->calls, change->failures);
}

int prices_open(struct service *s)
{
    const covey_backoff retry = {
        .base_ns = 20 * COVEY_MS, .cap_ns = 200 * COVEY_MS, .try_ns = 500 * COVEY_MS};
    const covey_breaker_options breaker = {
        .window_ns = 10 * COVEY_SEC, .open_ns = 2 * COVEY_SEC, .on_change = tell_change};
    const covey_http_guards guards = {.retry = &retry, .breaker = &breaker};
    const covey_http_client_options options = {
        .name = "prices", .guards = &guards, .max_body = 4096, .connect_timeout_ns = COVEY_SEC};

    s->prices = covey_http_client_new(&options);
    s->known_prices = covey_map_new(NULL);
    return s->prices && s->known_prices ? 0 : covey_errorf(-ENOMEM, "prices: out of memory");
}

void prices_close(struct service *s)
{
    covey_http_client_free(s->prices);
    covey_map_free(s->known_prices);
}

/* The price in an answer, or why there is none. */
static int read_price(const char *url, const covey_http_response *resp, int64_t *cents)
{
    char *end;

    if (resp->status == 404) {
        return covey_errorf(-ENOENT, "there is no such item");
    }
    if (resp->status != 200) {
        return covey_errorf(-EREMOTEIO, "fetch %s: status %d", url, resp->status);
    }
    *cents = strtoll(resp->body, &end, 10);
    if (end == resp->body || *cents < 0 || *cents > PRICE_MAX) {
        return covey_errorf(-EREMOTEIO, "fetch %s: not a price", url);
    }
    return 0;
}

static int ask(covey_ctx *ctx, struct service *s, const char *item, int64_t *cents)
{
    char url[512];
    covey_http_response resp;

    snprintf(url, sizeof(url), "%s/prices/%s", s->config->prices_url, item);
    int code = covey_http_get(ctx, s->prices, url, &resp);
    if (code == 0) {
        code = read_price(url, &resp, cents);
    }
    covey_http_response_free(&resp);
    return code;
}

int price_of(covey_ctx *ctx, struct service *s, const char *item, int64_t *cents, bool *is_stale)
{
    void *known;
    int code = ask(ctx, s, item, cents);

    *is_stale = false;
    if (code == 0) {
        /* Out of memory: not known next time. A price is a number, so it is its own pointer. */
        (void)covey_map_store(s->known_prices, item, strlen(item), (void *)(intptr_t)*cents);
        return 0;
    }
    if (code == -ENOENT || covey_ctx_err(ctx) < 0 ||
        !covey_map_load(s->known_prices, item, strlen(item), &known)) {
        return code;
    }
    *cents = (int64_t)(intptr_t)known;
    *is_stale = true;
    return 0;
}
