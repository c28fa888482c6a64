/* SPDX-License-Identifier: MIT
 * session.h - a client's sessions: for each host the last one, of the hosts used last. */
#ifndef CVY_TLS_SESSION_H
#define CVY_TLS_SESSION_H

#include <openssl/ssl.h>
#include <pthread.h>

#define CVY_TLS_SESSIONS_MAX 256

struct cvy_tls_session {
    char *host; /* owned; NULL: the place is free */
    SSL_SESSION *session;
    unsigned long used; /* when, by the clock below */
};

struct cvy_tls_sessions {
    pthread_mutex_t lock;           /* guards the rest; never held across a switch */
    struct cvy_tls_session *places; /* owned; made with the first session */
    unsigned long clock;
};

void cvy_tls_sessions_init(struct cvy_tls_sessions *s);
void cvy_tls_sessions_fini(struct cvy_tls_sessions *s);
/* Takes session, in the place of an earlier one of host; out of memory it is dropped. */
void cvy_tls_sessions_put(struct cvy_tls_sessions *s, const char *host, SSL_SESSION *session);
/* Owned by the caller; NULL: there is none that can be resumed. */
SSL_SESSION *cvy_tls_sessions_get(struct cvy_tls_sessions *s, const char *host);

#endif
