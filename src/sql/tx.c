/* SPDX-License-Identifier: MIT
 * tx.c - transactions (covey/db.h): a handle with a connection of its own, until its end.
 *
 * The task that begins one defers its end. If another task ends it, which is allowed, the handle's
 * memory stays until then. */
#include "sql/rows.h"

#include <stdlib.h>

#define MAX_TRIES 10
#define PAUSE_NS (2 * COVEY_MS)
#define PAUSE_NS_MAX (200 * COVEY_MS)

/* Gives the connection back; the transaction on it is over. */
static void let_go(struct covey_db *tx)
{
    tx->has_ended = true;
    cvy_sql_pool_put(tx->pool, tx->conn);
}

/* What a task's end does with a transaction that it began. */
static void abandon(void *arg)
{
    struct covey_db *tx = arg;

    if (!tx->has_ended) {
        if (tx->rows) {
            cvy_sql_rows_cut(tx->rows);
        }
        tx->conn->backend->rollback(tx->conn);
        let_go(tx);
    }
    free(tx);
}

static void free_handle(struct covey_db *tx)
{
    if (covey_undefer(abandon, tx) || !tx->is_deferred) {
        free(tx);
    }
}

int covey_db_begin(covey_ctx *ctx, covey_db *db, covey_db **tx, const covey_db_tx_options *opts)
{
    static const covey_db_tx_options defaults = {0};

    if (!db || db->conn) {
        return covey_errorf(-EINVAL, "a transaction begins on a pool, not within another");
    }
    struct covey_db *t = calloc(1, sizeof(*t));
    if (!t) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    t->pool = db->pool;
    int code = covey_defer(abandon, t);
    t->is_deferred = code == 0;
    if (code == -ENOMEM) {
        goto fail;
    }
    code = cvy_sql_pool_get(ctx, db->pool, &t->conn);
    if (code < 0) {
        goto fail;
    }
    covey_wait_note note;
    cvy_sql_note(&note, "begin");
    code = t->conn->backend->begin(ctx, t->conn, opts ? opts : &defaults);
    covey_wait_note_end(&note);
    if (code < 0) {
        cvy_sql_pool_put(db->pool, t->conn);
        goto fail;
    }
    *tx = t;
    return 0;
fail:
    (void)covey_undefer(abandon, t);
    free(t);
    return code;
}

/* Takes the transaction for its end: open rows end, a call under way is a misuse. */
static int take_for_end(struct covey_db *tx)
{
    if (tx->rows) {
        cvy_sql_rows_cut(tx->rows);
    }
    struct cvy_sql_conn *conn;
    return cvy_sql_take(NULL, tx, &conn);
}

int covey_db_commit(covey_ctx *ctx, covey_db *tx)
{
    if (!tx || !tx->conn) {
        return covey_errorf(-EINVAL, "not a transaction");
    }
    int code = take_for_end(tx);
    if (code < 0) {
        return code;
    }
    covey_wait_note note;
    cvy_sql_note(&note, "commit");
    code = tx->conn->backend->commit(ctx, tx->conn);
    covey_wait_note_end(&note);
    let_go(tx);
    free_handle(tx);
    return code;
}

void covey_db_rollback(covey_db *tx)
{
    if (!tx || !tx->conn || take_for_end(tx) < 0) {
        return;
    }
    covey_wait_note note;
    cvy_sql_note(&note, "rollback");
    tx->conn->backend->rollback(tx->conn);
    covey_wait_note_end(&note);
    let_go(tx);
    free_handle(tx);
}

/* A time in [1, 2] of the pause after this many tries; different for tasks that collided. */
static int64_t pause_after(int tries)
{
    int64_t ns = tries < 7 ? PAUSE_NS << tries : PAUSE_NS_MAX;
    uint64_t mix = ((uint64_t)covey_now() + covey_task_id()) * UINT64_C(0x9e3779b97f4a7c15);

    ns = ns < PAUSE_NS_MAX ? ns : PAUSE_NS_MAX;
    return ns + (int64_t)((mix >> 32) % (uint64_t)ns);
}

static int try_once(covey_ctx *ctx, covey_db *db, const covey_db_tx_options *opts,
                    covey_db_tx_fn *fn, void *arg)
{
    covey_db *tx = NULL;
    int code = covey_db_begin(ctx, db, &tx, opts);

    if (code < 0) {
        return code;
    }
    int result = fn(ctx, tx, arg);
    if (result >= 0) {
        code = covey_db_commit(ctx, tx);
        return code < 0 ? code : result;
    }
    char *words = covey_errcode() == result ? strdup(covey_errmsg()) : NULL;
    covey_db_rollback(tx);
    (void)covey_errorf(result, "%s", words ? words : covey_strerror(result));
    free(words);
    return result;
}

int covey_db_transact(covey_ctx *ctx, covey_db *db, const covey_db_tx_options *opts,
                      covey_db_tx_fn *fn, void *arg)
{
    int tries_max = opts && opts->max_tries > 0 ? opts->max_tries : MAX_TRIES;

    for (int tries = 1;; tries++) {
        int code = try_once(ctx, db, opts, fn, arg);
        if (code != COVEY_ESERIAL || tries >= tries_max) {
            return code;
        }
        code = covey_sleep(ctx, pause_after(tries));
        if (code < 0) {
            return covey_wrapf(code, "transaction");
        }
    }
}
