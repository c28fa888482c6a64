/* SPDX-License-Identifier: MIT
 * url.h - where a server is and who asks: what a URL of covey/redis.h says. */
#ifndef CVY_REDIS_URL_H
#define CVY_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

struct cvy_redis_url {
    char *addr;            /* as in covey/net.h: "tcp://[::1]:6379" */
    char *host;            /* the name for TLS; "" for a Unix socket */
    char *user, *password; /* decoded, any bytes but NUL; NULL: none */
    int db;
    bool is_tls;
};

/* Fills in u, which cvy_redis_url_fini() ends in any case. 0, -EINVAL or -ENOMEM; its words never
 * repeat the URL, which may hold a password. */
int cvy_redis_url_parse(struct cvy_redis_url *u, const char *text);
void cvy_redis_url_fini(struct cvy_redis_url *u);

#endif
