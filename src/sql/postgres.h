/* SPDX-License-Identifier: MIT
 * postgres.h - what the files of the PostgreSQL back end share.
 *
 * libpq does not block here: the task sends, and waits for the socket under its context. If that
 * ends in the middle of a command, the command is cancelled on the server and its results are read
 * on, under a context for goodbyes: so it either failed and had no effect, or succeeded after all,
 * and the connection is where it was. If even that takes too long the connection is broken.
 */
#ifndef CVY_SQL_POSTGRES_H
#define CVY_SQL_POSTGRES_H

#include "sql/backend.h"
#include "sql/cache.h"

#include <libpq-fe.h>

struct cvy_postgres_conn {
    struct cvy_sql_conn base;
    PGconn *pg;
    int fd; /* its socket, by covey_fd_watch(); -1: not yet */
    struct cvy_sql_cache cache;
    uint64_t prepared; /* statements, ever: they are named by number */

    /* Of the command under way. */
    covey_ctx *ctx;     /* the caller's, borrowed */
    covey_ctx *goodbye; /* owned; set once it is to be stopped */
    int64_t told_pause; /* 0: the server has not been told; else until it is told again, */
    int64_t told_again; /* which is then */
    bool is_stale;      /* it failed since its prepared statement no longer holds */
};

/* A statement that the server keeps. */
struct cvy_postgres_prepared {
    char name[24];
};

static inline struct cvy_postgres_conn *cvy_postgres_conn_of(struct cvy_sql_conn *conn)
{
    return (struct cvy_postgres_conn *)conn; /* its first member */
}

/* ---- postgres_wire.c: waiting, cancelling ---- */

/* A command begins under ctx; 0 unless that is done. Then it is queued by one of PQsend*, whose
 * result goes to cvy_postgres_flush(), which returns when all is sent. */
int cvy_postgres_open(covey_ctx *ctx, struct cvy_postgres_conn *c);
int cvy_postgres_flush(struct cvy_postgres_conn *c, int is_queued);
/* In the middle of a command, whose caller has come back under ctx for more of it. 0 as above. */
int cvy_postgres_go_on(covey_ctx *ctx, struct cvy_postgres_conn *c);
/* The next result; NULL: the command has ended. A code: so has the connection. */
int cvy_postgres_next(struct cvy_postgres_conn *c, PGresult **result);
/* The same without that end: NULL is for the caller to judge, which calls cvy_postgres_end(). */
int cvy_postgres_read(struct cvy_postgres_conn *c, PGresult **result);
/* Waits for more bytes, cancelling the command if it is to be stopped. A code: as above. */
int cvy_postgres_receive(struct cvy_postgres_conn *c);
/* Goodbyes begin: the command is cancelled by whoever waits for more of it. */
void cvy_postgres_interrupt(struct cvy_postgres_conn *c);
/* The command has ended, or its connection has. */
void cvy_postgres_end(struct cvy_postgres_conn *c);
bool cvy_postgres_is_copy(ExecStatusType status);
/* Reads the results that are left and drops them. The first failure's code: the one that came
 * before, if it is not 0, whose message stays. */
int cvy_postgres_conclude(struct cvy_postgres_conn *c, int failure);
/* Ends the command because of a failure, whose code and message stay: what has come already is
 * dropped, and if that is not all the command is cancelled. */
int cvy_postgres_stop(struct cvy_postgres_conn *c, int failure);
/* How many rows a result says its command changed. */
int64_t cvy_postgres_affected(PGresult *result);
/* A simple command, without parameters. */
int cvy_postgres_command(covey_ctx *ctx, struct cvy_postgres_conn *c, const char *sql);

/* ---- postgres_cancel.c ---- */

/* During goodbyes. True: the server has been told, and will not be told later. */
bool cvy_postgres_cancel(struct cvy_postgres_conn *c);

/* ---- postgres_error.c ---- */

/* The code of an error result, with the server's words, or the context's if that was the reason. */
int cvy_postgres_fail(struct cvy_postgres_conn *c, const PGresult *result);
/* The connection is gone: marks it, returns -ECONNRESET with libpq's words. */
int cvy_postgres_lost(struct cvy_postgres_conn *c);
/* The code of the context that ended a command, with its words. */
int cvy_postgres_ctx_failed(covey_ctx *ctx);
/* libpq's words, on one line. */
const char *cvy_postgres_words(const PGconn *pg, char *out, size_t size);

/* ---- postgres_value.c ---- */

/* Parameters as libpq wants them, in an arena. */
struct cvy_postgres_params {
    Oid *types;
    const char **values;
    int *lengths, *formats;
};
int cvy_postgres_encode(struct cvy_sql_arena *arena, const struct cvy_sql_query *q,
                        struct cvy_postgres_params *out);
/* Adds row i of a result. */
int cvy_postgres_decode(const PGresult *from, int i, struct cvy_sql_result *r);

/* ---- postgres_statement.c ---- */

/* One statement's run. */
struct cvy_postgres_run {
    struct cvy_postgres_conn *c;
    const struct cvy_sql_query *q;
    struct cvy_sql_result *r;
    struct cvy_postgres_params params;
    struct cvy_postgres_prepared *prepared;
    bool is_old; /* prepared was in the cache */
};

int cvy_postgres_start(covey_ctx *ctx, struct cvy_sql_conn *conn, const struct cvy_sql_query *q,
                       struct cvy_sql_result *r);
int cvy_postgres_fetch(covey_ctx *ctx, struct cvy_sql_conn *conn, struct cvy_sql_result *r);
void cvy_postgres_finish(struct cvy_sql_conn *conn);
void cvy_postgres_drop_prepared(void *conn, void *handle);
/* Of a batch: its statement's parameters, in r; then puts it in the queue, by the name the server
 * knows it under if it does. False: out of memory, or the connection is gone. */
int cvy_postgres_encode_run(struct cvy_postgres_conn *c, const struct cvy_sql_query *q,
                            struct cvy_sql_result *r, struct cvy_postgres_run *run);
bool cvy_postgres_queue(const struct cvy_postgres_run *run);
/* Adds what a result has to r. */
int cvy_postgres_take(const PGresult *from, struct cvy_sql_result *r);
/* After a statement that ran by its name failed because that no longer holds: forgets all names.
 * 0: it may run again. */
int cvy_postgres_refresh(covey_ctx *ctx, struct cvy_postgres_conn *c);

/* ---- postgres_batch.c ---- */

int cvy_postgres_batch(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_statement *list,
                       size_t n, struct cvy_sql_result **results);

/* ---- postgres_copy.c ---- */

int64_t cvy_postgres_copy_in(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql,
                             covey_db_copy_source *source, void *arg);
int64_t cvy_postgres_copy_out(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql,
                              covey_db_copy_sink *sink, void *arg);

/* ---- postgres_listen.c ---- */

int cvy_postgres_listen(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *channel);
int cvy_postgres_next_note(covey_ctx *ctx, struct cvy_sql_conn *conn, covey_db_note **note);

/* ---- postgres_connect.c ---- */

int cvy_postgres_connect(covey_ctx *ctx, void *shared, struct cvy_sql_conn **conn);
void cvy_postgres_disconnect(struct cvy_sql_conn *conn);

#endif
