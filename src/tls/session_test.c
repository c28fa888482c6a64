/* SPDX-License-Identifier: MIT */
#include "tls/session.h"

#include "harness.h"

#include <stdio.h>

/* One that could be resumed. */
static SSL_SESSION *make(void)
{
    static const unsigned char id[] = {1, 2, 3};
    SSL_SESSION *s = SSL_SESSION_new();

    CHECK(s);
    CHECK(SSL_SESSION_set1_id(s, id, sizeof(id)));
    CHECK(SSL_SESSION_is_resumable(s));
    return s;
}

TEST(the_last_session_of_a_host_is_kept)
{
    struct cvy_tls_sessions s;
    SSL_SESSION *first = make(), *second = make();

    cvy_tls_sessions_init(&s);
    CHECK(cvy_tls_sessions_get(&s, "a") == NULL);
    cvy_tls_sessions_put(&s, "a", first);
    cvy_tls_sessions_put(&s, "b", make());
    cvy_tls_sessions_put(&s, "a", second);
    SSL_SESSION *got = cvy_tls_sessions_get(&s, "a");
    CHECK(got == second);
    CHECK(cvy_tls_sessions_get(&s, "c") == NULL);
    cvy_tls_sessions_fini(&s);
    SSL_SESSION_free(got);
}

TEST(the_host_used_longest_ago_makes_room)
{
    struct cvy_tls_sessions s;
    char host[32];

    cvy_tls_sessions_init(&s);
    for (int i = 0; i < CVY_TLS_SESSIONS_MAX; i++) {
        (void)snprintf(host, sizeof(host), "host-%d", i);
        cvy_tls_sessions_put(&s, host, make());
    }
    SSL_SESSION_free(cvy_tls_sessions_get(&s, "host-0"));
    cvy_tls_sessions_put(&s, "one more", make());
    CHECK(cvy_tls_sessions_get(&s, "host-1") == NULL);
    for (int i = 0; i < CVY_TLS_SESSIONS_MAX; i += 2) {
        (void)snprintf(host, sizeof(host), "host-%d", i);
        SSL_SESSION *got = cvy_tls_sessions_get(&s, host);
        CHECK(got);
        SSL_SESSION_free(got);
    }
    cvy_tls_sessions_fini(&s);
}
