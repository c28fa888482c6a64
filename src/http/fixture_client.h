/* SPDX-License-Identifier: MIT
 * fixture_client.h - readers of streams and crowds of callers, for the tests of the client. */
#ifndef CVY_HTTP_FIXTURE_CLIENT_H
#define CVY_HTTP_FIXTURE_CLIENT_H

#include "http/fixture.h"

/* A stream's: checks the pattern. */
struct reader {
    size_t len, largest;
    int64_t pause_ns;
    size_t fail_at;
    bool saw_head, saw_body_first;
    int fail_head;
    int status;
};

static inline int read_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    struct reader *r = arg;
    const char *bytes = data;

    r->saw_body_first = r->saw_body_first || !r->saw_head;
    for (size_t i = 0; i < len; i++) {
        CHECK_EQ(bytes[i], pattern[(r->len + i) % sizeof(pattern)]);
    }
    r->len += len;
    r->largest = len > r->largest ? len : r->largest;
    if (r->fail_at && r->len >= r->fail_at) {
        return covey_errorf(-ENOSPC, "no more");
    }
    return r->pause_ns ? covey_sleep(ctx, r->pause_ns) : 0;
}

static inline int read_head(covey_ctx *ctx, const covey_http_response *resp, void *arg)
{
    struct reader *r = arg;
    (void)ctx;

    r->saw_head = true;
    r->status = resp->status;
    if (resp->status == 200) {
        CHECK(resp->effective_url && resp->http_version == 11);
    }
    return r->fail_head;
}

/* Many who ask for the same at once. */
struct crowd {
    struct server *server;
    const char *path;
    int64_t timeout_ns;
    atomic_int ended, codes[8];
    const char *url;
};

static inline int get_one(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    covey_http_response r;
    char url[256];

    snprintf(url, sizeof(url), "%s%s", c->url ? c->url : c->server->base, c->path);
    int code = covey_http_get(ctx, c->server->client, url, &r);
    covey_http_response_free(&r);
    atomic_fetch_add(&c->ended, 1);
    atomic_fetch_add(&c->codes[code == 0                 ? 0
                               : code == COVEY_ECANCELED ? 1
                               : code == COVEY_EDEADLINE ? 2
                               : code == COVEY_EDNS      ? 3
                                                         : 4],
                     1);
    return code;
}

static inline void start_crowd(covey_group *g, struct crowd *c, int n)
{
    for (int i = 0; i < n; i++) {
        CHECK_EQ(covey_group_go(g, get_one, c), 0);
    }
}

#endif
