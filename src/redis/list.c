/* SPDX-License-Identifier: MIT
 * list.c - a handle for each URL of a list. */
#include "redis/url.h"

#include <covey/error.h>
#include <covey/redis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 256

/* The n-th of the list, from 1. */
static int open_one(covey_ctx *ctx, covey_redis **r, const char *url, size_t len, size_t n,
                    const covey_redis_options *opts)
{
    covey_redis_options own = opts ? *opts : (covey_redis_options){0};
    char name[NAME_MAX_BYTES];
    char *text = strndup(url, len);

    if (own.name) {
        (void)snprintf(name, sizeof(name), "%s-%zu", own.name, n);
        own.name = name;
    }
    int code = text ? covey_redis_open(ctx, r, text, &own) : covey_errorf(-ENOMEM, "out of memory");
    free(text);
    return code < 0 ? covey_wrapf(code, "server %zu", n) : 0;
}

/* Gives code, with the words that it has now: closing may fail on the way, with its own. */
static int close_all(covey_redis **r, size_t n, int code)
{
    char *words = strdup(covey_errmsg());

    for (size_t i = 0; i < n; i++) {
        covey_redis_close(r[i]);
    }
    code = covey_errorf(code, "%s", words ? words : covey_strerror(code));
    free(words);
    return code;
}

int covey_redis_open_list(covey_ctx *ctx, covey_redis **r, size_t max, const char *urls,
                          const covey_redis_options *opts)
{
    size_t n = 0, len;

    urls = urls ? urls : "";
    do {
        len = cvy_redis_url_span(urls);
        int code = n < max ? open_one(ctx, &r[n], urls, len, n + 1, opts)
                           : covey_errorf(-EINVAL, "redis: more than %zu servers", max);
        if (code < 0) {
            return close_all(r, n, code);
        }
        n++;
        urls += len + 1;
    } while (urls[-1]);
    return (int)n;
}
