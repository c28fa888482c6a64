/* SPDX-License-Identifier: MIT
 * postgres_batch.c - a batch of statements in libpq's pipeline mode: all are sent, then all are
 * answered. One Sync stands at the end, so outside a transaction the server makes them one. */
#include "sql/postgres.h"

#include <stdlib.h>

struct batch {
    struct cvy_postgres_conn *c;
    size_t n;
    struct cvy_sql_query *queries;
    struct cvy_postgres_run *runs;
    struct cvy_sql_result **results;
    bool is_by_name; /* one at least */
};

/* Before anything is sent: what cannot be is refused. */
static int encode_all(struct batch *b)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < b->n; i++) {
        code = cvy_postgres_encode_run(b->c, &b->queries[i], b->results[i], &b->runs[i]);
        b->is_by_name = b->is_by_name || b->runs[i].prepared;
        if (code < 0) {
            return covey_wrapf(code, "statement %zu of the batch", i + 1);
        }
    }
    return code;
}

static int send_all(struct batch *b)
{
    bool is_queued = PQenterPipelineMode(b->c->pg);

    for (size_t i = 0; is_queued && i < b->n; i++) {
        is_queued = cvy_postgres_queue(&b->runs[i]);
    }
    is_queued = is_queued && PQpipelineSync(b->c->pg);
    return cvy_postgres_flush(b->c, is_queued);
}

/* What a result of statement i says; behind the last a failure is the commit's. */
static int judge(struct batch *b, size_t i, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (cvy_postgres_is_copy(status)) {
        b->c->base.is_broken = true;
        return covey_errorf(-EINVAL, "postgres: COPY in a batch");
    }
    if (status == PGRES_FATAL_ERROR) {
        return cvy_postgres_fail(b->c, result);
    }
    b->results[i]->affected = cvy_postgres_affected(result);
    b->results[i]->is_over = true;
    return cvy_postgres_take(result, b->results[i]);
}

static int wrap(const struct batch *b, size_t i, int code)
{
    return i < b->n ? covey_wrapf(code, "statement %zu of the batch", i + 1)
                    : covey_wrapf(code, "the batch's commit");
}

/* Reads to the Sync; the first failure counts. */
static int read_all(struct batch *b)
{
    struct cvy_postgres_conn *c = b->c;
    PGresult *result = NULL;
    size_t i = 0;
    int code = 0;
    bool is_synced = false;

    while (!is_synced) {
        int lost = cvy_postgres_read(c, &result);
        if (lost < 0) {
            return code < 0 ? code : lost;
        }
        ExecStatusType status = PQresultStatus(result);
        is_synced = result && status == PGRES_PIPELINE_SYNC;
        if (!result) {
            i++;
        } else if (code == 0 && (i < b->n || status == PGRES_FATAL_ERROR) && !is_synced &&
                   status != PGRES_PIPELINE_ABORTED) {
            code = judge(b, i, result);
            code = code < 0 ? wrap(b, i, code) : 0;
        }
        PQclear(result);
        if (c->base.is_broken || i > b->n + 1) {
            c->base.is_broken = true;
            cvy_postgres_end(c);
            return code < 0 ? code : cvy_postgres_lost(c);
        }
    }
    cvy_postgres_end(c);
    if (!PQexitPipelineMode(c->pg)) {
        c->base.is_broken = true;
    }
    return code;
}

static int run_once(covey_ctx *ctx, struct batch *b)
{
    int code = encode_all(b);

    code = code < 0 ? code : cvy_postgres_open(ctx, b->c);
    code = code < 0 ? code : send_all(b);
    return code < 0 ? code : read_all(b);
}

int cvy_postgres_batch(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_statement *list,
                       size_t n, struct cvy_sql_result **results)
{
    struct batch b = {.c = cvy_postgres_conn_of(conn),
                      .n = n,
                      .queries = calloc(n, sizeof(*b.queries)),
                      .runs = calloc(n, sizeof(*b.runs)),
                      .results = results};
    int code = b.queries && b.runs ? 0 : covey_errorf(-ENOMEM, "out of memory");

    for (size_t i = 0; code == 0 && i < n; i++) {
        b.queries[i] = (struct cvy_sql_query){list[i].sql, list[i].params, list[i].n};
    }
    b.c->is_stale = false;
    code = code < 0 ? code : run_once(ctx, &b);
    if (code < 0 && b.is_by_name && b.c->is_stale && !conn->is_broken) {
        code = cvy_postgres_refresh(ctx, b.c);
        for (size_t i = 0; i < n; i++) {
            cvy_sql_result_restart(results[i]);
        }
        code = code < 0 ? code : run_once(ctx, &b);
    }
    free(b.queries);
    free(b.runs);
    return code;
}
