/* SPDX-License-Identifier: MIT
 * session.c - see session.h. */
#include "tls/session.h"

#include <string.h>

void cvy_tls_sessions_init(struct cvy_tls_sessions *s)
{
    *s = (struct cvy_tls_sessions){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static void place_clear(struct cvy_tls_session *p)
{
    OPENSSL_free(p->host);
    SSL_SESSION_free(p->session);
    *p = (struct cvy_tls_session){0};
}

void cvy_tls_sessions_fini(struct cvy_tls_sessions *s)
{
    for (size_t i = 0; s->places && i < CVY_TLS_SESSIONS_MAX; i++) {
        place_clear(&s->places[i]);
    }
    OPENSSL_free(s->places);
    (void)pthread_mutex_destroy(&s->lock);
}

/* The place of host; *other is one to take if it has none: free, or used longest ago. */
static struct cvy_tls_session *find_locked(struct cvy_tls_sessions *s, const char *host,
                                           struct cvy_tls_session **other)
{
    *other = s->places;
    for (size_t i = 0; s->places && i < CVY_TLS_SESSIONS_MAX; i++) {
        struct cvy_tls_session *p = &s->places[i];
        if (p->host && strcmp(p->host, host) == 0) {
            return p;
        }
        if (p->used < (*other)->used) {
            *other = p;
        }
    }
    return NULL;
}

/* A place for host, with its name; NULL: out of memory. */
static struct cvy_tls_session *make_locked(struct cvy_tls_sessions *s, const char *host)
{
    struct cvy_tls_session *other;

    if (!s->places) {
        s->places = OPENSSL_zalloc(CVY_TLS_SESSIONS_MAX * sizeof(*s->places));
        if (!s->places) {
            return NULL;
        }
    }
    struct cvy_tls_session *p = find_locked(s, host, &other);
    if (!p) {
        char *name = OPENSSL_strdup(host);
        if (name) {
            p = other;
            place_clear(p);
            p->host = name;
        }
    }
    return p;
}

void cvy_tls_sessions_put(struct cvy_tls_sessions *s, const char *host, SSL_SESSION *session)
{
    (void)pthread_mutex_lock(&s->lock);
    struct cvy_tls_session *p = make_locked(s, host);
    if (p) {
        SSL_SESSION_free(p->session);
        p->session = session;
        p->used = ++s->clock;
    } else {
        SSL_SESSION_free(session);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

SSL_SESSION *cvy_tls_sessions_get(struct cvy_tls_sessions *s, const char *host)
{
    struct cvy_tls_session *other;
    SSL_SESSION *found = NULL;

    (void)pthread_mutex_lock(&s->lock);
    struct cvy_tls_session *p = find_locked(s, host, &other);
    if (p && SSL_SESSION_is_resumable(p->session) && SSL_SESSION_up_ref(p->session)) {
        p->used = ++s->clock;
        found = p->session;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return found;
}
