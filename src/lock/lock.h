/* SPDX-License-Identifier: MIT
 * lock.h - what stands behind covey/lock.h: a lock object, a lease, and rounds of questions.
 *
 * A round asks all nodes the same thing at once and counts the answers. A lease is held from the
 * start of the round in which a majority said yes, for the TTL less the drift: so its end is known
 * here no later than on any of those nodes. Tokens: the greatest that the majority gave, and told
 * to those of it that gave less before the lease counts; the next majority shares a node with it.
 */
#ifndef CVY_LOCK_LOCK_H
#define CVY_LOCK_LOCK_H

#include <covey/lock.h>
#include <covey/sync.h>

#include <stdatomic.h>

struct covey_redlock {
    /* Immutable. */
    covey_redlock_node **nodes;
    size_t n, quorum;
    covey_redlock_node *local;     /* its own, if it was given none */
    covey_redlock_options options; /* the defaults filled in; prefix is owned */
    int64_t drift_ns;
};

struct covey_lease {
    /* Immutable. */
    covey_redlock *rl;
    covey_redlock_key key; /* name and value are the lease's */
    char value[40];
    uint64_t token;
    covey_ctx *ctx;     /* the user's */
    covey_ctx *stop;    /* ends the keeper */
    int64_t last;       /* extensions reach no further; INT64_MAX: no limit */
    const void *object; /* stands for the name, for diagnosis */
    uint64_t holder;    /* the task that acquired it, if diagnosis is on */

    _Atomic int64_t valid_until; /* release, acquire: who sees it sees what it stands for */
    atomic_bool is_lost;         /* release, acquire */
    covey_waitgroup keeper;
    covey_mutex extending; /* one round at a time */
    char name[];
};

/* ---- rounds ---- */

enum cvy_lock_question { CVY_LOCK_ACQUIRE, CVY_LOCK_EXTEND, CVY_LOCK_RELEASE };

struct cvy_lock_answer {
    bool has_come;
    int code;
    uint64_t token; /* of an acquire: given; then told */
    char words[120];
};

struct cvy_lock_round {
    covey_redlock *rl;
    const covey_redlock_key *key;
    enum cvy_lock_question question;
    uint64_t token; /* told with an extend */
    struct cvy_lock_answer answers[COVEY_REDLOCK_NODES_MAX];
    size_t yes, no, busy; /* no: every other answer; busy: those of them that have another holder */
};

/* Asks until the outcome is certain, and the others as long again; all of them for a release. What
 * has not answered in time counts as no. */
void cvy_lock_ask(covey_ctx *ctx, struct cvy_lock_round *r);
/* Why there was no majority: COVEY_EAGAIN, -ENOTCONN, or the context's code, with words. */
int cvy_lock_refusal(covey_ctx *ctx, const struct cvy_lock_round *r);

/* ---- leases ---- */

/* Starts the lease's keeper. */
int cvy_lease_keep(covey_lease *l);
/* The end of what a round that began at this time has won. */
int64_t cvy_lock_valid_until(const covey_redlock *rl, int64_t begun);

/* ---- the engine in this process ---- */

covey_redlock_node *cvy_lock_local_new(void); /* NULL: out of memory */
void cvy_lock_local_free(covey_redlock_node *node);

#endif
