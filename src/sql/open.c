/* SPDX-License-Identifier: MIT
 * open.c - covey_db_open() and covey_db_close(): a URL's back end, the options' defaults. */
#include "sql/pool.h"

#include <stdlib.h>

#define MAX_OPEN 10
#define MAX_OPEN_LIMIT 10000
#define CONNECT_TIMEOUT (30 * COVEY_SEC)
#define CHECK_AFTER (5 * COVEY_SEC)
#define MAX_STATEMENTS 64

static const struct {
    const char *prefix;
    bool keeps_prefix; /* the back end wants the whole URL */
    const struct cvy_sql_backend *backend;
} schemes[] = {
    {"sqlite:", false, CVY_SQL_SQLITE ? &cvy_sql_sqlite : NULL},
    {"postgres://", true, CVY_SQL_POSTGRES ? &cvy_sql_postgres : NULL},
    {"postgresql://", true, CVY_SQL_POSTGRES ? &cvy_sql_postgres : NULL},
};

/* Sets the back end and the target. */
static int read_url(struct cvy_sql_pool *p, const char *url)
{
    for (size_t i = 0; url && i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i].prefix);
        if (strncmp(url, schemes[i].prefix, len) != 0) {
            continue;
        }
        if (!schemes[i].backend) {
            return covey_errorf(-ENOTSUP, "libcovey-sql was built without %s", schemes[i].prefix);
        }
        p->backend = schemes[i].backend;
        p->config.target = strdup(schemes[i].keeps_prefix ? url : url + len);
        return p->config.target ? 0 : covey_errorf(-ENOMEM, "out of memory");
    }
    return covey_errorf(-EINVAL, "not a database's URL (sqlite:..., postgres://...)");
}

static bool copy(const char **to, const char *text)
{
    *to = text ? strdup(text) : NULL;
    return *to || !text;
}

static int set_options(struct cvy_sql_pool *p, const covey_db_options *opts)
{
    covey_db_options *o = &p->config.options;

    if (opts) {
        *o = *opts;
        o->init = o->name = NULL;
    }
    if (o->max_open < 0 || o->max_open > MAX_OPEN_LIMIT || o->max_lifetime_ns < 0 ||
        o->max_idle_time_ns < 0 || o->connect_timeout_ns < 0) {
        return covey_errorf(-EINVAL, "an option of the database is out of range");
    }
    o->max_open = o->max_open == 0 ? MAX_OPEN : o->max_open;
    o->max_idle = o->max_idle == 0 ? o->max_open : o->max_idle < 0 ? 0 : o->max_idle;
    o->connect_timeout_ns = o->connect_timeout_ns == 0 ? CONNECT_TIMEOUT : o->connect_timeout_ns;
    o->check_after_ns = o->check_after_ns == 0 ? CHECK_AFTER : o->check_after_ns;
    o->max_statements = o->max_statements == 0  ? MAX_STATEMENTS
                        : o->max_statements < 0 ? 0
                                                : o->max_statements;
    bool has_all = copy(&o->init, opts ? opts->init : NULL);
    has_all = copy(&o->name, opts ? opts->name : NULL) && has_all;
    return has_all ? 0 : covey_errorf(-ENOMEM, "out of memory");
}

static int make_pool(struct cvy_sql_pool *p, const char *url, const covey_db_options *opts)
{
    int code = read_url(p, url);

    code = code < 0 ? code : set_options(p, opts);
    code = code < 0 ? code : p->backend->share(&p->config, &p->shared);
    if (code < 0) {
        return code;
    }
    p->life = covey_ctx_with_cancel(NULL);
    p->permits = covey_chan_new(0, (size_t)p->config.options.max_open);
    if (covey_ctx_err(p->life) < 0 || !p->permits) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    for (int i = 0; i < p->config.options.max_open; i++) {
        (void)covey_chan_try_send(p->permits, NULL);
    }
    return 0;
}

int covey_db_open(covey_ctx *ctx, covey_db **db, const char *url, const covey_db_options *opts)
{
    struct cvy_sql_conn *first = NULL;
    struct cvy_sql_pool *p = calloc(1, sizeof(*p));

    if (!p) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    atomic_init(&p->references, 1);
    p->handle.pool = p;
    int code = make_pool(p, url, opts);
    if (code == 0) {
        code = cvy_sql_pool_get(ctx, p, &first);
    }
    if (code < 0) {
        cvy_sql_pool_unref(p);
        return code;
    }
    cvy_sql_pool_put(p, first);
    cvy_sql_metrics_begin(p);
    *db = &p->handle;
    return 0;
}

void covey_db_close(covey_db *db)
{
    if (!db) {
        return;
    }
    struct cvy_sql_pool *p = db->pool;
    cvy_sql_metrics_end(p);
    covey_mutex_lock(&p->mutex);
    struct cvy_sql_conn *c = p->idle;
    p->is_closed = true;
    p->idle = NULL;
    p->idle_count = 0;
    covey_mutex_unlock(&p->mutex);
    (void)covey_chan_close(p->permits);
    covey_ctx_cancel(p->life);
    while (c) {
        struct cvy_sql_conn *next = c->next;
        cvy_sql_discard(p, c);
        c = next;
    }
    cvy_sql_pool_unref(p);
}
