/* SPDX-License-Identifier: MIT
 * postgres_wire.c - sends, receives and cancels under a context (postgres.h).
 *
 * A command that is to end is cancelled (postgres_cancel.c) once it has been sent whole: before
 * that the server finds nothing to cancel. Nor does it while it has not read the command, which is
 * out of our sight: so it is told again and again. */
#include "sql/postgres.h"

#include <stdlib.h>

/* How many results that nobody wants are read at once before the server is told to stop. */
#define DROPPED_MAX 256
/* And how long it is read on after those. */
#define PATIENCE_NS (20 * COVEY_MS)
#define PATIENCE_NS_IN_TX (2 * COVEY_SEC)
/* Between two cancellations of one command; doubled each time. */
#define TOLD_PAUSE_NS (20 * COVEY_MS)
#define TOLD_PAUSE_NS_MAX (500 * COVEY_MS)

int cvy_postgres_go_on(covey_ctx *ctx, struct cvy_postgres_conn *c)
{
    if (covey_ctx_err(ctx) < 0) {
        return cvy_postgres_ctx_failed(ctx);
    }
    c->ctx = ctx;
    c->is_stale = false;
    return 0;
}

int cvy_postgres_open(covey_ctx *ctx, struct cvy_postgres_conn *c)
{
    /* The command before was read to its end: what is waited for now will come as an event. libpq
     * does not read all that there is, so later waits of this command ask the kernel. */
    covey_fd_drained(c->fd, COVEY_FD_READ);
    return cvy_postgres_go_on(ctx, c);
}

void cvy_postgres_end(struct cvy_postgres_conn *c)
{
    covey_ctx_unref(c->goodbye);
    c->goodbye = c->ctx = NULL;
    c->told_pause = 0;
}

/* The connection is of no more use; what ends it is the context, if that came first. */
static int give_up(struct cvy_postgres_conn *c)
{
    int code = c->goodbye && covey_ctx_err(c->ctx) < 0 ? cvy_postgres_ctx_failed(c->ctx)
                                                       : cvy_postgres_lost(c);

    c->base.is_broken = true;
    cvy_postgres_end(c);
    return code;
}

void cvy_postgres_interrupt(struct cvy_postgres_conn *c)
{
    if (!c->goodbye) {
        c->goodbye = covey_ctx_for_cleanup(NULL, CVY_SQL_GOODBYE_NS);
    }
}

/* Bits that are ready; 0: it is time to tell it again. Not under a context of its own, whose words
 * at its end would be those of the command's failure, which may have been read. */
static int wait_for_a_pause(struct cvy_postgres_conn *c, unsigned events)
{
    int64_t left = c->told_again - covey_now();
    const covey_case cases[] = {COVEY_AFTER(left > 0 ? left : 0), COVEY_READABLE(c->fd),
                                COVEY_WRITABLE(c->fd)};
    int which = covey_select_n(c->goodbye, cases, (events & COVEY_FD_WRITE) ? 3 : 2);

    return which == 1 ? (int)COVEY_FD_READ : which == 2 ? (int)COVEY_FD_WRITE : which;
}

/* Bits that are ready; 0: the context ended, and goodbyes have begun; or give_up()'s code. */
static int wait_for(struct cvy_postgres_conn *c, unsigned events)
{
    covey_ctx *ctx = c->goodbye ? c->goodbye : c->ctx;
    int ready = c->told_pause > 0 ? wait_for_a_pause(c, events) : covey_wait_fd(ctx, c->fd, events);

    if (ready >= 0) {
        return ready;
    }
    if (!c->goodbye && covey_ctx_err(c->ctx) == 0) { /* it cannot be waited for */
        c->base.is_broken = true;
        cvy_postgres_end(c);
        return covey_wrapf(ready, "postgres");
    }
    if (c->goodbye) {
        return give_up(c);
    }
    cvy_postgres_interrupt(c);
    return 0;
}

int cvy_postgres_flush(struct cvy_postgres_conn *c, int is_queued)
{
    int left = is_queued ? PQflush(c->pg) : -1;

    while (left > 0) {
        /* The server may have to send before it reads on. */
        int ready = wait_for(c, COVEY_FD_READ | COVEY_FD_WRITE);
        if (ready < 0) {
            return ready;
        }
        if ((ready & (int)COVEY_FD_READ) && !PQconsumeInput(c->pg)) {
            return give_up(c);
        }
        left = PQflush(c->pg);
    }
    return left < 0 ? give_up(c) : 0;
}

/* ---- results ---- */

int cvy_postgres_receive(struct cvy_postgres_conn *c)
{
    if (c->goodbye && (c->told_pause == 0 || covey_now() >= c->told_again)) {
        int64_t pause = c->told_pause == 0 ? TOLD_PAUSE_NS : 2 * c->told_pause;
        if (!cvy_postgres_cancel(c)) {
            return give_up(c);
        }
        c->told_pause = pause < TOLD_PAUSE_NS_MAX ? pause : TOLD_PAUSE_NS_MAX;
        c->told_again = covey_now() + c->told_pause;
    }
    int ready = wait_for(c, COVEY_FD_READ);
    if (ready > 0 && !PQconsumeInput(c->pg)) {
        return give_up(c);
    }
    return ready < 0 ? ready : 0;
}

int cvy_postgres_read(struct cvy_postgres_conn *c, PGresult **result)
{
    int code = 0;

    while (code == 0 && PQisBusy(c->pg)) {
        code = cvy_postgres_receive(c);
    }
    if (code == 0) {
        *result = PQgetResult(c->pg);
    }
    return code;
}

int cvy_postgres_next(struct cvy_postgres_conn *c, PGresult **result)
{
    int code = cvy_postgres_read(c, result);

    if (code == 0 && !*result) {
        cvy_postgres_end(c);
    }
    return code;
}

bool cvy_postgres_is_copy(ExecStatusType status)
{
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

int64_t cvy_postgres_affected(PGresult *result)
{
    const char *tag = PQcmdStatus(result);
    bool is_change = strncmp(tag, "INSERT", 6) == 0 || strncmp(tag, "UPDATE", 6) == 0 ||
                     strncmp(tag, "DELETE", 6) == 0 || strncmp(tag, "MERGE", 5) == 0;

    return is_change ? strtoll(PQcmdTuples(result), NULL, 10) : 0;
}

int cvy_postgres_conclude(struct cvy_postgres_conn *c, int failure)
{
    PGresult *result = NULL;
    int code;

    while ((code = cvy_postgres_next(c, &result)) == 0 && result) {
        ExecStatusType status = PQresultStatus(result);
        if (failure == 0 && status == PGRES_FATAL_ERROR) {
            failure = cvy_postgres_fail(c, result);
        }
        PQclear(result);
        if (cvy_postgres_is_copy(status)) { /* it would never end */
            c->base.is_broken = true;
            cvy_postgres_end(c);
            return covey_errorf(-EINVAL, "postgres: COPY from or to the client");
        }
    }
    return failure < 0 ? failure : code;
}

/* Reads what has come without a wait. True: the command has ended. */
static bool drop_what_has_come(struct cvy_postgres_conn *c)
{
    PGresult *result = NULL;

    if (!PQconsumeInput(c->pg)) {
        return false;
    }
    for (int n = 0; n < DROPPED_MAX && !PQisBusy(c->pg); n++) {
        if (cvy_postgres_next(c, &result) < 0 || !result) {
            return true;
        }
        PQclear(result);
    }
    return false;
}

int cvy_postgres_stop(struct cvy_postgres_conn *c, int failure)
{
    c->ctx = NULL;
    if (c->base.is_broken || drop_what_has_come(c)) {
        return failure;
    }
    /* A cancellation costs a connection, and aborts a transaction: better to read a little more. */
    covey_ctx *patience =
        covey_ctx_for_cleanup(NULL, c->base.is_in_tx ? PATIENCE_NS_IN_TX : PATIENCE_NS);
    c->ctx = patience;
    (void)cvy_postgres_conclude(c, failure);
    covey_ctx_unref(patience);
    return failure;
}

int cvy_postgres_command(covey_ctx *ctx, struct cvy_postgres_conn *c, const char *sql)
{
    int code = cvy_postgres_open(ctx, c);

    code = code < 0 ? code : cvy_postgres_flush(c, PQsendQuery(c->pg, sql));
    return code < 0 ? code : cvy_postgres_conclude(c, 0);
}
