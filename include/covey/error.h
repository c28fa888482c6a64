/* SPDX-License-Identifier: MIT
 * covey/error.h - one error type: an int, and words that travel beside it.
 *
 * 0 or positive is success; negative is -errno or a COVEY_E* code. errno is never the result of a
 * covey call. The words belong to the task (or plain thread) that failed: a call that fails sets
 * them, covey_errmsg() reads them, and a group, covey_run() and covey_blocking() carry them to
 * whoever waits. COVEY_EAGAIN from a try_ call leaves them alone.
 *
 * No function here switches tasks. All may be called from any thread. */
#ifndef COVEY_ERROR_H
#define COVEY_ERROR_H

#include <covey/defs.h>

#include <errno.h>
#include <stdarg.h>

#define COVEY_ECANCELED (-ECANCELED) /* the context was cancelled */
#define COVEY_EDEADLINE (-ETIME)     /* the context's deadline passed (a peer's own: -ETIMEDOUT) */
#define COVEY_ECLOSED (-EPIPE)       /* the channel, connection or listener is closed */
#define COVEY_EAGAIN (-EAGAIN)       /* it would block; the limit is reached */

/* Codes of covey's own, outside errno's range. */
#define COVEY_EOPEN (-10001)     /* the circuit breaker is open */
#define COVEY_ELOST (-10002)     /* the lease was lost */
#define COVEY_EDNS (-10003)      /* the name could not be resolved */
#define COVEY_ETOOLARGE (-10004) /* a limit on size was reached */
#define COVEY_EPROTO (-10005)    /* the peer broke the protocol, or refused it */
#define COVEY_ETLS (-10006)      /* TLS failed: a certificate, a handshake */
#define COVEY_ETEST (-10007)     /* a test run failed (covey/test.h) */

/* Of databases (covey/db.h). */
#define COVEY_ESQL (-10021) /* the statement was refused: syntax, an unknown table, a value */
#define COVEY_ECONSTRAINT (-10022) /* it would break a constraint: unique, foreign key, check */
#define COVEY_ESERIAL (-10023)  /* serialisation failure or deadlock: run the transaction again */
#define COVEY_EABORTED (-10024) /* the transaction failed before: it can only be rolled back */
#define COVEY_ENOROW (-10025)   /* there is no row */
#define COVEY_ETYPE (-10026)    /* a value is of another type than was asked for */

/* Of Redis (covey/redis.h). */
#define COVEY_EREDIS (-10031) /* the server refused the command */

/* "Do not try this again": what covey_retry() and covey_hedge() stop at. A function that is tried
 * returns COVEY_PERMANENT(-EINVAL), and the caller of covey_retry() gets -EINVAL; no other call
 * gives such a code a meaning, so take it off with covey_plain_code() where it may pass by. 0 and
 * positive codes stay what they are. */
#define COVEY_PERMANENT(code) covey_permanent_code(code)
#define COVEY_PERMANENT_OFFSET (1 << 20)

COVEY_BEGIN

static inline bool covey_is_permanent(int code)
{
    return code <= -COVEY_PERMANENT_OFFSET;
}

static inline int covey_permanent_code(int code)
{
    return code >= 0 || covey_is_permanent(code) ? code : code - COVEY_PERMANENT_OFFSET;
}

static inline int covey_plain_code(int code)
{
    return covey_is_permanent(code) ? code + COVEY_PERMANENT_OFFSET : code;
}

/* Static text for a code: "connection refused". Never NULL; an unknown code reads as such. */
COVEY_API const char *covey_strerror(int code);

/* Sets this task's message and returns code, so that `return covey_errorf(-EINVAL, ...)` fails.
 * Formats at once; on lack of memory the message is covey_strerror(code). */
COVEY_API int covey_errorf(int code, const char *fmt, ...) COVEY_PRINTF(2, 3);
COVEY_API int covey_verrorf(int code, const char *fmt, va_list args);

/* Puts "fmt: " before the present message of this code (or before covey_strerror(code) if the
 * message present is not this code's) and returns code. */
COVEY_API int covey_wrapf(int code, const char *fmt, ...) COVEY_PRINTF(2, 3);

/* This task's message; never NULL; "" before the first failure. Valid until its next failing
 * covey call. Call it in a statement of its own after the one that failed: C evaluates a call's
 * arguments in any order, so printf("%d %s", covey_x(), covey_errmsg()) may print the words of an
 * earlier failure, or words that are gone. */
COVEY_API const char *covey_errmsg(void);

/* The code that covey_errmsg() belongs to; 0 before the first failure. */
COVEY_API int covey_errcode(void);

/* This task's errno. After a task has moved to another thread a compiler may still hold the old
 * thread's address (glibc declares it constant), so covey.h makes errno go through here. */
COVEY_API int *covey_errno_location(void);
#undef errno
#define errno (*covey_errno_location())

COVEY_END
#endif
