/* SPDX-License-Identifier: MIT
 * sqlite.c - the SQLite back end: its connections.
 *
 * A statement is stopped by its own thread, which looks at the context every so many steps of
 * SQLite's machine: an interrupt from outside could come late, and hit the next statement. */
#include "sql/sqlite.h"

#include <stdlib.h>

#define STEPS_BETWEEN_LOOKS 1000

static int share(struct cvy_sql_config *config, void **shared)
{
    struct cvy_sqlite_shared *s = calloc(1, sizeof(*s));
    char *target = config->target;

    if (s) {
        s->config = config;
        s->writer = covey_sem_new(1);
    }
    if (!s || !s->writer) {
        free(s);
        return covey_errorf(-ENOMEM, "out of memory");
    }
    if (strncmp(target, "//", 2) == 0) { /* sqlite:///abs/shop.db */
        memmove(target, target + 2, strlen(target + 2) + 1);
    }
    if (target[0] == '\0' || strstr(target, ":memory:") || strstr(target, "mode=memory")) {
        /* Each connection would have a database of its own, which ends with it. */
        config->options.max_open = config->options.max_idle = 1;
        config->options.max_lifetime_ns = config->options.max_idle_time_ns = 0;
    }
    *shared = s;
    return 0;
}

static void unshare(void *shared)
{
    struct cvy_sqlite_shared *s = shared;

    covey_sem_free(s->writer);
    free(s);
}

/* ---- connections ---- */

static void drop_prepared(void *conn, void *handle)
{
    (void)conn;
    (void)sqlite3_finalize(handle);
}

static int look(void *arg)
{
    struct cvy_sqlite_conn *c = arg;

    return covey_ctx_err(c->ctx) < 0;
}

struct opening {
    struct cvy_sqlite_conn *c;
    const char *settings; /* scripts: what is left of them */
    const char *init;
};

static int open_hop(covey_ctx *ctx, void *arg)
{
    struct opening *o = arg;
    struct cvy_sqlite_conn *c = o->c;
    const char *file = c->shared->config->target;

    c->ctx = ctx;
    if (!c->db) {
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        int rc = sqlite3_open_v2(file, &c->db, flags, NULL);
        if (rc != SQLITE_OK) {
            int code = cvy_sqlite_fail(c, rc);
            (void)sqlite3_close_v2(c->db);
            c->db = NULL;
            return code < 0 ? covey_wrapf(code, "%s", file) : code;
        }
        sqlite3_progress_handler(c->db, STEPS_BETWEEN_LOOKS, look, c);
        if (sqlite3_db_readonly(c->db, "main") == 1) {
            o->settings = "";
        }
    }
    int code = cvy_sqlite_script(c, &o->settings);
    return code != 0 ? code : cvy_sqlite_script(c, &o->init);
}

static int close_hop(covey_ctx *ctx, void *arg)
{
    struct cvy_sqlite_conn *c = arg;

    (void)ctx;
    c->ctx = NULL;
    cvy_sqlite_drop_statement(c);
    cvy_sql_cache_fini(&c->cache);
    (void)sqlite3_close_v2(c->db);
    return 0;
}

static void disconnect(struct cvy_sql_conn *conn)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);

    cvy_sqlite_run_surely(close_hop, c);
    conn->is_in_tx = false;
    cvy_sqlite_settle(c);
    free(c);
}

static int connect(covey_ctx *ctx, void *shared, struct cvy_sql_conn **conn)
{
    struct cvy_sqlite_shared *s = shared;
    const covey_db_options *options = &s->config->options;
    struct cvy_sqlite_conn *c = calloc(1, sizeof(*c));

    if (!c || cvy_sql_cache_init(&c->cache, options->max_statements, drop_prepared, c) < 0) {
        free(c);
        return covey_errorf(-ENOMEM, "out of memory");
    }
    c->base.backend = &cvy_sql_sqlite;
    c->shared = s;
    struct opening o = {.c = c,
                        .settings = "PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON",
                        .init = options->init ? options->init : ""};
    int code = cvy_sqlite_run(ctx, c, open_hop, &o);
    if (code < 0) {
        disconnect(&c->base);
        return code;
    }
    *conn = &c->base;
    return 0;
}

/* What could break one breaks a statement with its own words. */
static bool is_usable(covey_ctx *ctx, struct cvy_sql_conn *conn, bool is_asking)
{
    (void)ctx;
    (void)conn;
    (void)is_asking;
    return true;
}

/* Each statement sees to it. */
static bool is_clean(struct cvy_sql_conn *conn)
{
    (void)conn;
    return true;
}

const struct cvy_sql_backend cvy_sql_sqlite = {
    .name = "sqlite",
    .has_few_types = true,
    .share = share,
    .unshare = unshare,
    .connect = connect,
    .disconnect = disconnect,
    .is_usable = is_usable,
    .is_clean = is_clean,
    .start = cvy_sqlite_start,
    .fetch = cvy_sqlite_fetch,
    .finish = cvy_sqlite_finish,
    .script = cvy_sqlite_run_script,
    .begin = cvy_sqlite_begin,
    .commit = cvy_sqlite_commit,
    .rollback = cvy_sqlite_rollback,
    .batch = cvy_sqlite_batch,
};
