/* SPDX-License-Identifier: MIT
 * stream.h - one TLS connection: OpenSSL's state between two buffers, and what moves their bytes.
 *
 * OpenSSL never touches the network: it reads from `in` and writes to `out`, under lock. Who finds
 * `in` empty fills it from below holding `feeding`; what is in `out` is sent in its order by who
 * holds `flushing`. Both are held across waits, lock never is; so a reader that waits for the
 * network keeps nobody from writing. Order: feeding or flushing (never both), then lock.
 *
 * The lock is a plain mutex and covers OpenSSL's queue of errors too, which is the thread's: what a
 * call leaves there is read before anything that may switch. */
#ifndef CVY_TLS_STREAM_H
#define CVY_TLS_STREAM_H

#include "tls/bytes.h"
#include "tls/setup.h"
#include "tls/words.h"

#include <covey.h>
#include <covey/tls.h>
#include <pthread.h>

/* As much as OpenSSL takes for one record. */
#define CVY_TLS_RECORD SSL3_RT_MAX_PLAIN_LENGTH

struct cvy_tls {
    /* Immutable. */
    covey_conn *below; /* owned */
    struct cvy_tls_setup *setup;
    char *host; /* a client's; NULL: none was given */
    char *name; /* for messages: the host, or the peer's address */
    bool is_server;

    /* Immutable once the handshake is done. */
    covey_tls_info info; /* its texts that are not static are owned */

    pthread_mutex_t lock;
    /* Guarded by lock. */
    SSL *ssl;
    struct cvy_tls_bytes in, out; /* in's free end is written by who holds feeding */
    uint64_t fed;                 /* how often something was added to in */
    bool has_ended;               /* no more will come from below */
    bool has_no_memory;           /* out could not grow */
    bool is_closing;              /* no call begins any more */
    bool is_given_up;             /* the last to leave frees it: covey_tls_shutdown(), perhaps */
    bool is_cut;                  /* a write failed half-way: no goodbye */
    unsigned inside;              /* calls under way */
    int failed;                   /* 0, or the code of what made ssl unusable */
    char why[CVY_TLS_WORDS_SIZE]; /* its words */

    covey_mutex feeding;
    /* Guarded by feeding. */
    size_t room; /* to read into at once */

    covey_mutex flushing;
    /* Guarded by flushing. */
    struct cvy_tls_bytes sending; /* comes before out */
};

/* Takes below on success; host may be NULL. NULL: out of memory, or OpenSSL's refusal, whose words
 * are set. */
struct cvy_tls *cvy_tls_new(struct cvy_tls_setup *setup, covey_conn *below, const char *host,
                            bool is_server);
/* Closes what is below. */
void cvy_tls_free(struct cvy_tls *t);

void cvy_tls_lock(struct cvy_tls *t);
void cvy_tls_unlock(struct cvy_tls *t);

/* After a call of OpenSSL's that returned r, lock held: 0 if it wants what is fed; else the code of
 * what is wrong, for good; SSL_ERROR_ZERO_RETURN (> 0): the peer has said goodbye. */
int cvy_tls_outcome(struct cvy_tls *t, int r);
/* Sets the words of t->failed; returns it. The lock is not held. */
int cvy_tls_tell(struct cvy_tls *t, const char *verb);

/* Waits for more from below, unless some has come since fed was seen. 0: try again. */
int cvy_tls_feed(covey_ctx *ctx, struct cvy_tls *t, uint64_t seen);
/* Sends what there is: all of it, or a code of what is below. */
int cvy_tls_flush(covey_ctx *ctx, struct cvy_tls *t);
/* The same without waiting: COVEY_EAGAIN if some of it stays for the next. */
int cvy_tls_try_flush(struct cvy_tls *t);
/* Whether there is something to send. */
bool cvy_tls_has_output(struct cvy_tls *t);

/* write.c */
/* Some of the pieces, at least a byte: how much, or a code. */
ssize_t cvy_tls_write(covey_ctx *ctx, struct cvy_tls *t, const struct iovec *iov, int n);
/* The peer will not have all of what was written: there is no goodbye. */
void cvy_tls_cut(struct cvy_tls *t);

/* conn.c: the functions of its connection. */
extern const covey_conn_ops cvy_tls_ops;

#endif
