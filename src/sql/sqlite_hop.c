/* SPDX-License-Identifier: MIT
 * sqlite_hop.c - from a task to a blocking thread and back, with the waits between; what SQLite's
 * codes mean. */
#include "sql/sqlite.h"

#define PAUSE_NS COVEY_MS
#define PAUSE_NS_MAX (25 * COVEY_MS)

static int take_writer(covey_ctx *ctx, struct cvy_sqlite_conn *c)
{
    const struct cvy_sqlite_shared *s = c->shared;
    const char *name = s->config->options.name;
    covey_wait_note note = {
        .what = "turn to write", .text = name ? name : "sqlite", .object = s->writer};

    covey_wait_note_begin(&note);
    int code = covey_sem_acquire(ctx, s->writer, 1);
    covey_wait_note_end(&note);
    c->holds_writer = code == 0;
    return code;
}

int cvy_sqlite_run(covey_ctx *ctx, struct cvy_sqlite_conn *c, covey_fn *hop, void *arg)
{
    int64_t pause = PAUSE_NS;

    for (;;) {
        int code = covey_blocking(ctx, hop, arg);
        if (code == CVY_SQLITE_WANTS_WRITER) {
            code = take_writer(ctx, c);
        } else if (code == CVY_SQLITE_IS_LOCKED) {
            code = covey_sleep(ctx, pause);
            pause = 2 * pause < PAUSE_NS_MAX ? 2 * pause : PAUSE_NS_MAX;
        } else {
            return code;
        }
        if (code < 0) {
            return covey_wrapf(code, "sqlite: wait to write");
        }
    }
}

void cvy_sqlite_run_surely(covey_fn *hop, void *arg)
{
    if (covey_blocking(NULL, hop, arg) < 0) {
        (void)hop(NULL, arg); /* no thread could be had */
    }
}

bool cvy_sqlite_try_write(struct cvy_sqlite_conn *c)
{
    if (!c->holds_writer) {
        c->holds_writer = covey_sem_try_acquire(c->shared->writer, 1);
    }
    return c->holds_writer;
}

void cvy_sqlite_settle(struct cvy_sqlite_conn *c)
{
    if (c->holds_writer && !c->base.is_in_tx && !c->stmt) {
        c->holds_writer = false;
        covey_hold_end(c->shared->writer, c->writing);
        c->writing = 0;
        covey_sem_release(c->shared->writer, 1);
    } else if (c->holds_writer && !c->writing) {
        c->writing = covey_hold_begin(c->shared->writer);
    }
}

static int code_of(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return COVEY_ECONSTRAINT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return COVEY_ESERIAL;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CANTOPEN:
        return sqlite3_system_errno(db) == EACCES ? -EACCES : -ENOENT;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EIO;
    case SQLITE_TOOBIG:
        return COVEY_ETOOLARGE;
    case SQLITE_INTERRUPT:
        return -EINTR;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return -EINVAL;
    default:
        return COVEY_ESQL;
    }
}

int cvy_sqlite_fail(struct cvy_sqlite_conn *c, int rc)
{
    int primary = rc & 0xff;

    if (primary == SQLITE_INTERRUPT && covey_ctx_err(c->ctx) < 0) {
        return covey_wrapf(covey_select(c->ctx, COVEY_DEFAULT), "sqlite");
    }
    /* A snapshot that others have written past stays so; and what was read cannot be taken back. */
    bool is_lock = primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
    if (is_lock && rc != SQLITE_BUSY_SNAPSHOT && !c->has_rows) {
        return CVY_SQLITE_IS_LOCKED;
    }
    return covey_errorf(code_of(c->db, rc), "sqlite: %s (%d)", sqlite3_errmsg(c->db), rc);
}

int cvy_sqlite_refuse_write(void)
{
    return covey_errorf(COVEY_ESQL, "sqlite: a write in a read-only transaction");
}

int cvy_sqlite_script(struct cvy_sqlite_conn *c, const char **sql)
{
    while (**sql) {
        const char *tail;
        sqlite3_stmt *stmt;
        int rc = sqlite3_prepare_v2(c->db, *sql, -1, &stmt, &tail);

        if (stmt && c->base.is_in_tx && c->is_read_only && !sqlite3_stmt_readonly(stmt)) {
            (void)sqlite3_finalize(stmt);
            return cvy_sqlite_refuse_write();
        }
        if (stmt) {
            do {
                rc = sqlite3_step(stmt);
            } while (rc == SQLITE_ROW);
        }
        if (rc != SQLITE_OK && rc != SQLITE_DONE) {
            int code = cvy_sqlite_fail(c, rc);
            (void)sqlite3_finalize(stmt);
            return code;
        }
        (void)sqlite3_finalize(stmt);
        *sql = tail;
    }
    return 0;
}
