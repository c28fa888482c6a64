/* SPDX-License-Identifier: MIT
 * redis_url_fuzz.c - URLs of Redis servers. fuzz-layer: redis
 *
 * What is taken has an address, and parts within their bounds. */
#include "fuzz.h"

#include "redis/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct cvy_redis_url u;

    if (cvy_redis_url_parse(&u, text) == 0) {
        MUST(u.count >= 1 && u.count <= CVY_REDIS_PLACES_MAX && (u.count == 1 || u.master));
        for (size_t i = 0; i < u.count; i++) {
            const struct cvy_redis_place *p = &u.places[i];
            MUST(strncmp(p->addr, "tcp://", 6) == 0 || strncmp(p->addr, "unix://", 7) == 0);
            MUST(p->host && (!u.is_tls || p->host[0]));
        }
        MUST(u.db >= 0 && u.db <= 1000000);
        MUST(!u.user || u.password);
        MUST(!u.master || u.master[0]);
    }
    cvy_redis_url_fini(&u);
    free(text);
    return 0;
}
