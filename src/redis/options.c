/* SPDX-License-Identifier: MIT
 * options.c - a handle's options, with their defaults in place. */
#include "redis/wire.h"

#include <string.h>

#define OWN_MAX 64
#define OWN_IDLE 4
#define LIMIT 10000 /* of connections of either kind */
#define CONNECT_TIMEOUT (5 * COVEY_SEC)
#define SILENCE (30 * COVEY_SEC)
#define REPLY_MAX ((size_t)64 * 1024 * 1024)
#define RECONNECT_BASE (50 * COVEY_MS)
#define RECONNECT_CAP (2 * COVEY_SEC)

static bool is_in_range(const covey_redis_options *o)
{
    return o->connections >= 0 && o->connections <= LIMIT && o->own_max >= 0 &&
           o->own_max <= LIMIT && o->connect_timeout_ns >= 0 && o->reconnect.base_ns >= 0 &&
           o->reconnect.cap_ns >= 0 && o->reconnect.max_tries >= 0 &&
           (o->reconnect.factor == 0 || o->reconnect.factor >= 1);
}

int cvy_redis_options_set(struct cvy_redis_config *config, const covey_redis_options *opts)
{
    covey_redis_options *o = &config->options;

    if (opts) {
        *o = *opts;
        o->name = NULL;
    }
    if (!is_in_range(o)) {
        return covey_errorf(-EINVAL, "redis: an option is out of range");
    }
    if (config->url.is_tls && !o->secure) {
        return covey_errorf(-ENOTSUP, "redis: rediss:// needs options.secure (covey/tls.h)");
    }
    o->connections = o->connections ? o->connections : 1;
    o->own_max = o->own_max ? o->own_max : OWN_MAX;
    o->own_idle = o->own_idle == 0 ? OWN_IDLE : o->own_idle < 0 ? 0 : o->own_idle;
    o->connect_timeout_ns = o->connect_timeout_ns ? o->connect_timeout_ns : CONNECT_TIMEOUT;
    o->silence_ns = o->silence_ns ? o->silence_ns : SILENCE;
    o->max_reply = o->max_reply ? o->max_reply : REPLY_MAX;
    o->reconnect = (covey_backoff){
        .base_ns = o->reconnect.base_ns ? o->reconnect.base_ns : RECONNECT_BASE,
        .cap_ns = o->reconnect.cap_ns ? o->reconnect.cap_ns : RECONNECT_CAP,
        .factor = o->reconnect.factor,
        .max_tries = o->reconnect.max_tries ? o->reconnect.max_tries : COVEY_RETRY_TRIES,
    };
    if (opts && opts->name) {
        o->name = strdup(opts->name);
        return o->name ? 0 : covey_errorf(-ENOMEM, "out of memory");
    }
    return 0;
}
