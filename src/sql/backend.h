/* SPDX-License-Identifier: MIT
 * backend.h - the back-end contract: what a kind of database must do; sqlite.c and postgres.c do
 * it.
 *
 * A connection is used by one call at a time, whose task may change from call to call. A function
 * that takes a context returns soon after it is done. After a failure the connection is clean (no
 * statement under way) or marked is_broken, and then only disconnect() follows. Each sets the
 * task's message when it fails. */
#ifndef CVY_SQL_BACKEND_H
#define CVY_SQL_BACKEND_H

#include "sql/result.h"

#include <covey.h>

/* The options, with their defaults in place. */
struct cvy_sql_config {
    covey_db_options options; /* strings are the config's own */
    char *target;             /* the URL, or what stands behind "sqlite:" */
};

struct cvy_sql_conn {
    const struct cvy_sql_backend *backend; /* immutable, as is opened_at */
    int64_t opened_at;

    /* The user's. */
    bool is_broken;
    bool is_in_tx;

    /* The pool's. */
    uint64_t holder; /* who has it: covey_hold_begin() */
    struct cvy_sql_conn *next;
    int64_t idle_since;
};

struct cvy_sql_query {
    const char *sql;
    const covey_db_value *params;
    size_t n;
};

struct cvy_sql_backend {
    const char *name;   /* opens messages: "sqlite" */
    bool has_few_types; /* integers stand for booleans, texts for times and numerics */

    /* What all connections of a pool share; may change the options. 0 or a code. */
    int (*share)(struct cvy_sql_config *config, void **shared);
    void (*unshare)(void *shared);

    /* Makes a connection, ready for statements, that *conn owns. */
    int (*connect)(covey_ctx *ctx, void *shared, struct cvy_sql_conn **conn);
    /* Ends whatever is under way and frees it. Bounded in time. */
    void (*disconnect)(struct cvy_sql_conn *conn);
    /* Whether an idle connection still works: looks at what is known here, and asks the server too
     * if is_asking. */
    bool (*is_usable)(covey_ctx *ctx, struct cvy_sql_conn *conn, bool is_asking);
    /* Before it goes back to the pool: whether no transaction is open that a statement's text
     * began. May end one. */
    bool (*is_clean)(struct cvy_sql_conn *conn);

    /* Starts a statement and fetches its first rows (all are dropped unless r->wants_rows). Unless
     * r->is_over then, fetch() goes on or finish() ends it; after a failure it has ended. */
    int (*start)(covey_ctx *ctx, struct cvy_sql_conn *conn, const struct cvy_sql_query *q,
                 struct cvy_sql_result *r);
    /* Clears r's rows and reads at least one more, or sets r->is_over. */
    int (*fetch)(covey_ctx *ctx, struct cvy_sql_conn *conn, struct cvy_sql_result *r);
    void (*finish)(struct cvy_sql_conn *conn);
    int (*script)(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql);

    /* Sets and clears is_in_tx. After a failed commit the transaction has been rolled back. */
    int (*begin)(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_tx_options *opts);
    int (*commit)(covey_ctx *ctx, struct cvy_sql_conn *conn);
    void (*rollback)(struct cvy_sql_conn *conn);
    /* Runs n statements, all or none of which take effect (in a transaction: or it is aborted).
     * Messages name the statement. */
    int (*batch)(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_statement *list,
                 size_t n, struct cvy_sql_result **results);

    /* NULL: there is no COPY. How many rows, or a code. */
    int64_t (*copy_in)(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql,
                       covey_db_copy_source *source, void *arg);
    int64_t (*copy_out)(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql,
                        covey_db_copy_sink *sink, void *arg);

    /* NULL: there are no notifications. On a connection that does nothing else; after a failure it
     * is lost. *note is owned. */
    int (*listen)(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *channel);
    int (*next_note)(covey_ctx *ctx, struct cvy_sql_conn *conn, covey_db_note **note);
};

/* A copy of the payload; NULL: a gap. NULL: out of memory. */
covey_db_note *cvy_sql_note_new(const char *payload);

extern const struct cvy_sql_backend cvy_sql_sqlite, cvy_sql_postgres;

/* How long goodbyes may take: rollbacks, stopping a statement in the database. */
#define CVY_SQL_GOODBYE_NS (5 * COVEY_SEC)

#endif
