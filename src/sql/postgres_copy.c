/* SPDX-License-Identifier: MIT
 * postgres_copy.c - COPY from and to the client, a piece at a time: the next is asked for when the
 * one before has gone to the kernel, or read when the one before has been taken. */
#include "sql/postgres.h"

#include <stdlib.h>

#define PIECE_SIZE ((size_t)64 << 10)

static int begin(covey_ctx *ctx, struct cvy_postgres_conn *c, const char *sql,
                 ExecStatusType wanted)
{
    PGresult *result = NULL;
    int code = cvy_postgres_open(ctx, c);

    if (code == 0) {
        code = cvy_postgres_flush(
            c, PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0)); /* one statement */
    }
    code = code < 0 ? code : cvy_postgres_next(c, &result);
    if (code < 0 || !result) {
        return code;
    }
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_FATAL_ERROR) {
        code = cvy_postgres_fail(c, result);
    } else if (status != wanted) {
        code = covey_errorf(-EINVAL, "postgres: not a COPY %s",
                            wanted == PGRES_COPY_IN ? "FROM STDIN" : "TO STDOUT");
    }
    PQclear(result);
    return code < 0 ? cvy_postgres_conclude(c, code) : 0;
}

/* How many rows the server counted, or the first failure. */
static int64_t finish(struct cvy_postgres_conn *c, int failure)
{
    PGresult *result = NULL;
    int code = cvy_postgres_next(c, &result);

    if (code < 0 || !result) {
        return failure < 0 ? failure : code;
    }
    int64_t rows = strtoll(PQcmdTuples(result), NULL, 10);
    if (failure == 0 && PQresultStatus(result) == PGRES_FATAL_ERROR) {
        failure = cvy_postgres_fail(c, result);
    }
    PQclear(result);
    code = cvy_postgres_conclude(c, failure);
    return code < 0 ? code : rows;
}

/* One piece: its size, 0 at the end, or what stops the COPY. *is_lost: the connection is gone. */
static ssize_t pass_on(covey_ctx *ctx, struct cvy_postgres_conn *c, covey_db_copy_source *source,
                       void *arg, char *piece, bool *is_lost)
{
    ssize_t n = source(ctx, arg, piece, PIECE_SIZE);

    if (n <= 0) {
        return n;
    }
    if ((size_t)n > PIECE_SIZE) {
        return covey_errorf(-EINVAL, "postgres: a source gave more than it was asked for");
    }
    int code = cvy_postgres_flush(c, PQputCopyData(c->pg, piece, (int)n) == 1);
    *is_lost = code < 0;
    if (code == 0 && c->goodbye) {
        code = cvy_postgres_ctx_failed(ctx);
    }
    return code < 0 ? code : n;
}

int64_t cvy_postgres_copy_in(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql,
                             covey_db_copy_source *source, void *arg)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);
    char *piece = malloc(PIECE_SIZE);
    int code = piece ? begin(ctx, c, sql, PGRES_COPY_IN) : covey_errorf(-ENOMEM, "out of memory");
    bool is_lost = false;
    ssize_t n = code;

    if (code == 0) {
        do {
            n = pass_on(ctx, c, source, arg, piece, &is_lost);
        } while (n > 0);
    }
    free(piece);
    if (code < 0 || is_lost) {
        return n;
    }
    code = cvy_postgres_flush(c, PQputCopyEnd(c->pg, n < 0 ? "stopped by the client" : NULL) == 1);
    return code == 0 ? finish(c, (int)n) : n < 0 ? n : code;
}

int64_t cvy_postgres_copy_out(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql,
                              covey_db_copy_sink *sink, void *arg)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);
    int code = begin(ctx, c, sql, PGRES_COPY_OUT), failure = 0, len;
    char *row = NULL;

    if (code < 0) {
        return code;
    }
    while ((len = PQgetCopyData(c->pg, &row, 1)) >= 0) {
        if (len == 0) {
            code = cvy_postgres_receive(c);
            if (code < 0) {
                return failure < 0 ? failure : code;
            }
            continue;
        }
        if (failure == 0) { /* rows after the context's end are dropped, so it has failed */
            failure = c->goodbye ? cvy_postgres_ctx_failed(ctx) : sink(ctx, arg, row, (size_t)len);
        }
        PQfreemem(row);
        if (failure < 0) {
            cvy_postgres_interrupt(c);
        }
    }
    return finish(c, failure < 0 ? failure : 0);
}
