/* SPDX-License-Identifier: MIT
 * postgres_statement.c - runs one statement of PostgreSQL, prepared the first time.
 *
 * A prepared statement is known by its text and its parameters' types. The server drops it, or a
 * change of a table makes its plan wrong, without our knowledge: outside a transaction the
 * statement is then prepared afresh and run again, which had no effect before; within one that has
 * failed with it, COVEY_ESERIAL says the same to covey_db_transact(). */
#include "sql/postgres.h"

#include <stdio.h>
#include <stdlib.h>

/* Rows after the first that a query for one row reads before it stops the statement. */
#define DROPPED_MAX 256

void cvy_postgres_drop_prepared(void *conn, void *handle)
{
    (void)conn;
    free(handle);
}

/* The text with the parameters' types before it, as the cache knows it. */
static char *key_of(const struct cvy_postgres_run *run)
{
    size_t len = strlen(run->q->sql);
    char *key = cvy_sql_arena_alloc(&run->r->arena, run->q->n + 1 + len + 1);

    if (key) {
        for (size_t i = 0; i < run->q->n; i++) {
            key[i] = (char)('0' + (int)run->q->params[i].type);
        }
        key[run->q->n] = ':';
        memcpy(key + run->q->n + 1, run->q->sql, len + 1);
    }
    return key;
}

/* Drops on the server what the cache is about to forget. */
static int make_room(covey_ctx *ctx, struct cvy_postgres_conn *c)
{
    char command[64];
    const struct cvy_postgres_prepared *oldest = cvy_sql_cache_oldest(&c->cache);

    if (!oldest || c->base.is_in_tx) { /* there it could fail; the number kept is no promise */
        return 0;
    }
    (void)snprintf(command, sizeof(command), "DEALLOCATE %s", oldest->name);
    int code = cvy_postgres_command(ctx, c, command);
    cvy_sql_cache_forget(&c->cache, oldest);
    return code == COVEY_ESQL ? 0 : code; /* it was gone */
}

/* The key of what the server does not know yet, or NULL. */
static char *find(struct cvy_postgres_run *run)
{
    char *key = key_of(run);

    run->prepared = key ? cvy_sql_cache_find(&run->c->cache, key) : NULL;
    run->is_old = run->prepared != NULL;
    return key;
}

static int prepare(covey_ctx *ctx, struct cvy_postgres_run *run)
{
    struct cvy_postgres_conn *c = run->c;
    char *key = find(run);

    if (run->prepared) {
        return 0;
    }
    int code = key ? make_room(ctx, c) : covey_errorf(-ENOMEM, "out of memory");
    struct cvy_postgres_prepared *p = code < 0 ? NULL : malloc(sizeof(*p));
    if (!p) {
        return code < 0 ? code : covey_errorf(-ENOMEM, "out of memory");
    }
    (void)snprintf(p->name, sizeof(p->name), "covey_%llu", (unsigned long long)++c->prepared);
    code = cvy_postgres_open(ctx, c);
    if (code == 0) {
        code = cvy_postgres_flush(
            c, PQsendPrepare(c->pg, p->name, run->q->sql, (int)run->q->n, run->params.types));
    }
    code = code < 0 ? code : cvy_postgres_conclude(c, 0);
    if (code < 0 || !cvy_sql_cache_keep(&c->cache, key, p)) {
        free(p);
        return code < 0 ? code : covey_errorf(-ENOMEM, "out of memory");
    }
    run->prepared = p;
    return 0;
}

int cvy_postgres_encode_run(struct cvy_postgres_conn *c, const struct cvy_sql_query *q,
                            struct cvy_sql_result *r, struct cvy_postgres_run *run)
{
    *run = (struct cvy_postgres_run){.c = c, .q = q, .r = r};
    int code = cvy_postgres_encode(&r->head, q, &run->params);

    if (code == 0 && c->cache.room > 0) {
        (void)find(run);
    }
    return code;
}

bool cvy_postgres_queue(const struct cvy_postgres_run *run)
{
    PGconn *pg = run->c->pg;
    const struct cvy_postgres_params *p = &run->params;
    int n = (int)run->q->n;

    if (run->prepared) {
        return PQsendQueryPrepared(pg, run->prepared->name, n, p->values, p->lengths, p->formats,
                                   0);
    }
    return PQsendQueryParams(pg, run->q->sql, n, p->types, p->values, p->lengths, p->formats, 0);
}

static int send(covey_ctx *ctx, struct cvy_postgres_run *run)
{
    int code = cvy_postgres_open(ctx, run->c);

    if (code < 0) {
        return code;
    }
    bool is_queued = cvy_postgres_queue(run);
    if (is_queued) {
        (void)PQsetSingleRowMode(run->c->pg);
    }
    return cvy_postgres_flush(run->c, is_queued);
}

static int set_columns(const PGresult *from, struct cvy_sql_result *r)
{
    int n = PQnfields(from);
    bool is_set = r->names || cvy_sql_result_set_columns(r, (size_t)n);

    for (int i = 0; is_set && i < n; i++) {
        is_set = cvy_sql_result_set_name(r, (size_t)i, PQfname(from, i));
    }
    return is_set ? 0 : covey_errorf(-ENOMEM, "out of memory");
}

int cvy_postgres_take(const PGresult *from, struct cvy_sql_result *r)
{
    int code = r->wants_rows && !r->names ? set_columns(from, r) : 0;

    for (int i = 0; code == 0 && r->wants_rows && i < PQntuples(from); i++) {
        if (!r->is_short || r->rows == 0) {
            code = cvy_postgres_decode(from, i, r);
        }
    }
    return code;
}

/* Reads at least one row, and what else has come; or to the end. */
static int read_rows(struct cvy_postgres_conn *c, struct cvy_sql_result *r)
{
    PGresult *result = NULL;
    size_t dropped = 0;

    for (;;) {
        /* Once it is being stopped, its end decides: all rows or none. */
        bool may_pause = r->wants_rows && !r->is_short && r->rows > 0 && !c->goodbye;
        if (may_pause && (cvy_sql_result_is_full(r) || PQisBusy(c->pg))) {
            c->ctx = NULL;
            return 0;
        }
        int code = cvy_postgres_next(c, &result);
        if (code < 0) {
            return code;
        }
        if (!result) {
            r->is_over = true;
            return 0;
        }
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_SINGLE_TUPLE) {
            code = cvy_postgres_take(result, r);
            PQclear(result);
            if (code < 0) {
                return cvy_postgres_stop(c, code);
            }
            dropped += r->is_short;
            if (dropped > DROPPED_MAX) {
                r->is_over = true;
                (void)cvy_postgres_stop(c, COVEY_ECANCELED);
                return 0;
            }
            continue;
        }
        /* The last one: a failure, or the end of the rows. */
        code = status == PGRES_FATAL_ERROR ? cvy_postgres_fail(c, result)
                                           : cvy_postgres_take(result, r);
        r->affected = cvy_postgres_affected(result);
        PQclear(result);
        r->is_over = true;
        return cvy_postgres_conclude(c, code);
    }
}

static int run_once(covey_ctx *ctx, struct cvy_postgres_run *run)
{
    int code = run->c->cache.room > 0 ? prepare(ctx, run) : 0;

    code = code < 0 ? code : send(ctx, run);
    return code < 0 ? code : read_rows(run->c, run->r);
}

int cvy_postgres_refresh(covey_ctx *ctx, struct cvy_postgres_conn *c)
{
    cvy_sql_cache_clear(&c->cache);
    if (c->base.is_in_tx) {
        return covey_errorf(COVEY_ESERIAL, "%s", covey_errmsg());
    }
    return cvy_postgres_command(ctx, c, "DEALLOCATE ALL");
}

int cvy_postgres_start(covey_ctx *ctx, struct cvy_sql_conn *conn, const struct cvy_sql_query *q,
                       struct cvy_sql_result *r)
{
    struct cvy_postgres_run run = {.c = cvy_postgres_conn_of(conn), .q = q, .r = r};
    int code = cvy_postgres_encode(&r->head, q, &run.params);

    code = code < 0 ? code : run_once(ctx, &run);
    if (code == 0 || !run.is_old || !run.c->is_stale) {
        return code;
    }
    code = cvy_postgres_refresh(ctx, run.c);
    return code < 0 ? code : run_once(ctx, &run);
}

int cvy_postgres_fetch(covey_ctx *ctx, struct cvy_sql_conn *conn, struct cvy_sql_result *r)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);
    int code = cvy_postgres_go_on(ctx, c);

    cvy_sql_result_clear(r);
    return code < 0 ? cvy_postgres_stop(c, code) : read_rows(c, r);
}

void cvy_postgres_finish(struct cvy_sql_conn *conn)
{
    (void)cvy_postgres_stop(cvy_postgres_conn_of(conn), COVEY_ECANCELED);
}
