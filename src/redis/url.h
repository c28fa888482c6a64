/* SPDX-License-Identifier: MIT
 * url.h - where a server is and who asks: what a URL of covey/redis.h says. */
#ifndef CVY_REDIS_URL_H
#define CVY_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

#define CVY_REDIS_PLACES_MAX 16

struct cvy_redis_place {
    char *addr; /* as in covey/net.h: "tcp://[::1]:6379" */
    char *host; /* the name for TLS; "" for a Unix socket */
};

struct cvy_redis_url {
    struct cvy_redis_place places[CVY_REDIS_PLACES_MAX]; /* the server, or the sentinels */
    size_t count;                                        /* of them */
    char *master;                            /* what the sentinels call it; NULL: there are none */
    char *user, *password;                   /* decoded, any bytes but NUL; NULL: none */
    char *sentinel_user, *sentinel_password; /* as these; NULL: none */
    int db;
    bool is_tls;
};

/* Fills in u, which cvy_redis_url_fini() ends in any case. 0, -EINVAL or -ENOMEM; its words never
 * repeat the URL, which may hold a password. */
int cvy_redis_url_parse(struct cvy_redis_url *u, const char *text);
void cvy_redis_url_fini(struct cvy_redis_url *u);
/* How long the first of a list of URLs is: to the end, or to a comma that another scheme follows.
 */
size_t cvy_redis_url_span(const char *list);
void cvy_redis_place_fini(struct cvy_redis_place *p);

#endif
