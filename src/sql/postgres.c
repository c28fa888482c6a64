/* SPDX-License-Identifier: MIT
 * postgres.c - the PostgreSQL back end: what is asked of an idle connection, transactions. */
#include "sql/postgres.h"

#include <poll.h>
#include <stdio.h>

#define JUST_NOW_NS COVEY_MS

static int share(struct cvy_sql_config *config, void **shared)
{
    char *words = NULL;
    PQconninfoOption *options = PQconninfoParse(config->target, &words);

    if (!options) {
        int code = words ? covey_errorf(-EINVAL, "postgres: %.*s", (int)strcspn(words, "\n"), words)
                         : covey_errorf(-ENOMEM, "out of memory");
        PQfreemem(words);
        return code;
    }
    PQconninfoFree(options);
    *shared = config;
    return 0;
}

static void unshare(void *shared)
{
    (void)shared;
}

/* Mostly not: then that is all that an idle connection costs. The kernel is asked of one that was
 * not used just now; else an event has told, or is about to. */
static bool has_input(const struct cvy_postgres_conn *c)
{
    struct pollfd p = {.fd = PQsocket(c->pg), .events = POLLIN};

    if (covey_now() - c->base.idle_since >= JUST_NOW_NS) {
        return poll(&p, 1, 0) != 0;
    }
    covey_fd_drained(c->fd, COVEY_FD_READ);
    return covey_select(NULL, COVEY_READABLE(c->fd), COVEY_AFTER(0)) != 1;
}

/* Finds the end of the stream if the server hung up: behind its last words, if it had any. */
static bool is_open(struct cvy_postgres_conn *c)
{
    /* NOLINTNEXTLINE(misc-redundant-expression): its last words, then the end */
    return PQconsumeInput(c->pg) && PQconsumeInput(c->pg) && PQstatus(c->pg) == CONNECTION_OK;
}

static bool is_usable(covey_ctx *ctx, struct cvy_sql_conn *conn, bool is_asking)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);
    PGnotify *notice;

    if (PQstatus(c->pg) != CONNECTION_OK || (has_input(c) && !is_open(c))) {
        return false;
    }
    while ((notice = PQnotifies(c->pg)) != NULL) {
        PQfreemem(notice);
    }
    return !is_asking || cvy_postgres_command(ctx, c, "") == 0;
}

static bool is_clean(struct cvy_sql_conn *conn)
{
    return PQtransactionStatus(cvy_postgres_conn_of(conn)->pg) == PQTRANS_IDLE;
}

static int script(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql)
{
    return cvy_postgres_command(ctx, cvy_postgres_conn_of(conn), sql);
}

/* ---- transactions ---- */

static int begin(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_tx_options *opts)
{
    static const char *const levels[] = {
        [COVEY_DB_DEFAULT] = "",
        [COVEY_DB_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
        [COVEY_DB_REPEATABLE_READ] = " ISOLATION LEVEL REPEATABLE READ",
        [COVEY_DB_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
    };
    char command[80];

    if ((size_t)opts->isolation >= sizeof(levels) / sizeof(levels[0])) {
        return covey_errorf(-EINVAL, "postgres: no such isolation level");
    }
    (void)snprintf(command, sizeof(command), "BEGIN%s%s", levels[opts->isolation],
                   opts->read_only ? " READ ONLY" : "");
    int code = cvy_postgres_command(ctx, cvy_postgres_conn_of(conn), command);
    conn->is_in_tx = code == 0;
    return code;
}

static void rollback(struct cvy_sql_conn *conn)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);

    conn->is_in_tx = false;
    if (conn->is_broken || PQtransactionStatus(c->pg) == PQTRANS_IDLE) {
        return;
    }
    covey_ctx *ctx = covey_ctx_for_cleanup(NULL, CVY_SQL_GOODBYE_NS);
    if (cvy_postgres_command(ctx, c, "ROLLBACK") < 0) {
        conn->is_broken = true;
    }
    covey_ctx_unref(ctx);
}

static int commit(covey_ctx *ctx, struct cvy_sql_conn *conn)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);
    PGTransactionStatusType status = PQtransactionStatus(c->pg);
    int code;

    if (status ==
        PQTRANS_INERROR) { /* the server would take COMMIT for ROLLBACK, and say so softly */
        rollback(conn);
        return covey_errorf(COVEY_EABORTED, "postgres: a statement of the transaction had failed");
    }
    if (status == PQTRANS_IDLE) {
        conn->is_in_tx = false;
        return covey_errorf(-EINVAL, "postgres: end a transaction with covey_db_commit()");
    }
    bool was_broken = conn->is_broken;
    code = cvy_postgres_command(ctx, c, "COMMIT");
    if (code < 0 && conn->is_broken && !was_broken) {
        conn->is_in_tx = false;
        return covey_errorf(-ECONNRESET,
                            "postgres: the connection was lost during COMMIT, which may have "
                            "taken effect");
    }
    if (code < 0) {
        rollback(conn);
    }
    conn->is_in_tx = false;
    return code;
}

const struct cvy_sql_backend cvy_sql_postgres = {
    .name = "postgres",
    .share = share,
    .unshare = unshare,
    .connect = cvy_postgres_connect,
    .disconnect = cvy_postgres_disconnect,
    .is_usable = is_usable,
    .is_clean = is_clean,
    .start = cvy_postgres_start,
    .fetch = cvy_postgres_fetch,
    .finish = cvy_postgres_finish,
    .script = script,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .batch = cvy_postgres_batch,
    .copy_in = cvy_postgres_copy_in,
    .copy_out = cvy_postgres_copy_out,
    .listen = cvy_postgres_listen,
    .next_note = cvy_postgres_next_note,
};
