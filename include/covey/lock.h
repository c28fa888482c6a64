/* SPDX-License-Identifier: MIT
 * covey/lock.h - leases: a name that one holder at a time has, among tasks, processes or machines.
 * After Redis's Redlock and Kleppmann's "How to do distributed locking".
 *
 * A lease, not a lock: it ends by itself when its time is over, and a holder that was stopped for
 * longer than that may go on without knowing. Its context ends the moment it cannot be held any
 * more; but only a resource that checks tokens, and refuses one lower than it has seen, is safe
 * from a late holder. Without such a check a lease saves work; it does not keep data whole.
 *
 * Over N independent Redis servers (covey/redis.h) a lease is held by whoever has a majority of
 * them: its validity is the TTL less the time that asking took and the drift that clocks may have.
 * Servers may be down as long as a majority is up. With no servers the engine is in this process:
 * the same calls, first come first served, for the names of that one covey_redlock.
 *
 * What is promised: two leases of a name are not valid at once, and tokens grow strictly, as long
 * as no more than a minority of the servers lose their data while leases are held, and clocks run
 * at the same rate within one per cent. A server that may lose data in a crash must be kept down
 * for a TTL before it comes back. Tokens take the servers' time of day into account: after the loss
 * of a majority's data they still grow, if the clocks agree and do not go back. The time of day of
 * a machine never decides who holds a lease.
 *
 * Dumps say which lease a task waits for. With covey_options.diagnose they say too which task of
 * this process has it: the one that acquired it. Tasks that wait for each other, through leases and
 * mutexes as they come, are then reported as a deadlock while the rest goes on.
 *
 * Needs a runtime. Everything may be called from tasks and plain threads, and may switch. */
#ifndef COVEY_LOCK_H
#define COVEY_LOCK_H

#include <covey/defs.h>
#include <covey/retry.h>

COVEY_BEGIN

typedef struct covey_redis covey_redis; /* covey/redis.h */
typedef struct covey_redlock covey_redlock;
typedef struct covey_lease covey_lease;

#define COVEY_REDLOCK_TTL_NS (10 * COVEY_SEC)
#define COVEY_REDLOCK_NODES_MAX 15

/* What is 0 or NULL has the default named beside it. */
typedef struct covey_redlock_options {
    int64_t ttl_ns; /* COVEY_REDLOCK_TTL_NS; at least 20 ms. What a crashed holder holds on for */
    int64_t node_timeout_ns; /* for one server's answer: a fiftieth of the TTL, at least 5 ms; less
                                than the TTL */
    int64_t extend_every_ns; /* a third of the TTL; less than the TTL; < 0: it is not extended */
    int64_t max_ns;          /* no extension reaches beyond this from the acquisition; no limit */
    covey_backoff retry; /* pauses of a covey_redlock_acquire() between its attempts, and when it
                            gives up: after max_tries, 0: never by itself; base 0: node_timeout_ns;
                            cap 0: half of the TTL. Callbacks are not used */
    const char *prefix; /* of the keys in Redis, PREFIX NAME and PREFIX NAME ":token", which lasts a
                           day longer; copied; "covey:lock:" */
} covey_redlock_options;

/* Over n servers (an odd number, each on a machine of its own); they are borrowed as long as it
 * lives; lazy ones (covey_redis_options) may be down at first. NULL, 0: in this process. opts is
 * borrowed for the call, NULL: the defaults. Owned. NULL: out of memory, more than
 * COVEY_REDLOCK_NODES_MAX servers, or an option out of range. */
COVEY_API covey_redlock *covey_redlock_new(covey_redis **nodes, size_t n,
                                           const covey_redlock_options *opts);
/* All leases must have been released. NULL is allowed. */
COVEY_API void covey_redlock_free(covey_redlock *rl);

/* Waits until it holds name, which is copied. From then on the lease is extended by itself, until
 * its release or until ctx is done: what is left of it then is for cleaning up. *lease is owned:
 * covey_lease_release(). COVEY_ECANCELED, COVEY_EDEADLINE: it is not held, nor is anything left
 * behind on a server that could be reached (COVEY_EDEADLINE at once when there is no time
 * for another try). COVEY_EAGAIN: another had it at each of max_tries;
 * -ENOTCONN: there was no majority of servers, whose last words follow; -ENOMEM; COVEY_ECLOSED: no
 * runtime is up. */
COVEY_API int covey_redlock_acquire(covey_ctx *ctx, covey_redlock *rl, const char *name,
                                    covey_lease **lease);
/* One attempt. COVEY_EAGAIN: another has it. */
COVEY_API int covey_redlock_try_acquire(covey_ctx *ctx, covey_redlock *rl, const char *name,
                                        covey_lease **lease);

/* A child of the context it was acquired under: done, with the cause COVEY_ELOST, the moment the
 * lease cannot be held any more. Work under it stops then. The lease's own: valid until its
 * release.
 */
COVEY_API covey_ctx *covey_lease_ctx(covey_lease *l);
/* Strictly greater than that of any earlier lease of the name: for the resource to check. */
COVEY_API uint64_t covey_lease_token(covey_lease *l);
/* How much longer it is valid, without another extension; 0: it is lost. A look at the clock: true
 * also in a process that was stopped and whose timers have not run yet. Does not switch. */
COVEY_API int64_t covey_lease_left(covey_lease *l);
/* By hand. 0; COVEY_ELOST: it is lost; other codes: it is valid for what is left. */
COVEY_API int covey_lease_extend(covey_ctx *ctx, covey_lease *l);
/* Gives it back, also when its context is done, within node_timeout_ns, and frees it in any case.
 * COVEY_ELOST: it had been lost before, or a majority of servers did not have it any more: another
 * may have had it meanwhile. NULL: 0. */
COVEY_API int covey_lease_release(covey_lease *l);

/* ---- other engines ---- */

/* What one server, or whatever stands in its place, must do for one of the names. Each call is one
 * atomic step there, and may be repeated; it returns soon after ctx is done. */
typedef struct covey_redlock_node {
    const struct covey_redlock_ops *ops;
} covey_redlock_node;

typedef struct covey_redlock_key {
    const char *prefix, *name;
    const char *value; /* of this lease alone */
    int64_t ttl_ns;
} covey_redlock_key;

typedef struct covey_redlock_ops {
    /* Sets name to value for the TTL if it is free or has this value already; and *token to one
     * greater than any it has given or was told for the name. -EBUSY: it has another value. */
    int (*acquire)(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                   uint64_t *token);
    /* The same, and is told a token in the place of giving one. */
    int (*extend)(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                  uint64_t token);
    /* Frees name if it has this value; COVEY_ELOST: it has not. */
    int (*release)(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key);
    /* Waits its turn, and then has set the name to value. NULL: it is asked again and again. */
    int (*wait)(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key);
} covey_redlock_ops;

/* covey_redlock_new() over any nodes; a covey_redis begins with one. n > 0. */
COVEY_API covey_redlock *covey_redlock_new_on(covey_redlock_node **nodes, size_t n,
                                              const covey_redlock_options *opts);

COVEY_END
#endif
