/* SPDX-License-Identifier: MIT
 * covey/db.h - SQL databases: a pool of connections to SQLite or PostgreSQL, statements,
 * transactions (library libcovey-sql, not part of <covey.h>).
 *
 * One handle, covey_db, is a pool or, from covey_db_begin(), a transaction; statements run on both
 * alike. A pool is for any number of tasks and threads at once, a transaction for one at a time.
 *
 * Placeholders are $1, $2, ... with both; one may occur several times. Parameters and columns have
 * types, and nothing is guessed from a text: see covey_db_type. A call takes one statement; for
 * several see covey_db_script(). Connections keep their prepared statements.
 *
 * What takes a context may switch tasks and ends with it: COVEY_ECANCELED, COVEY_EDEADLINE. The
 * statement is then stopped in the database, and its connection is clean again or closed. A
 * statement that ended at that very moment has succeeded.
 *
 * Failures have the database's words and PostgreSQL's SQLSTATE or SQLite's extended code:
 * "postgres: duplicate key value violates unique constraint "users_pkey" (23505)". Codes:
 * COVEY_ESQL (refused: syntax, no such table, a value out of range), COVEY_ECONSTRAINT,
 * COVEY_ESERIAL (run the transaction again), COVEY_EABORTED, -ENOTCONN (no connection could be
 * made), -ECONNRESET (it was lost; whether the statement took effect is not known), -EINTR (stopped
 * in the database by somebody else), -EACCES, -ENOENT, -ENOSPC, -EIO, -ENOMEM, COVEY_EAGAIN (no
 * thread could be made), COVEY_ETOOLARGE, -EINVAL (parameters that do not fit), COVEY_ECLOSED (the
 * pool is closed).
 *
 * SQLite: statements run on covey's blocking threads. One statement or transaction writes at a
 * time, first come first served in this process; locks of other processes are waited for under the
 * context. Files are in WAL mode; foreign keys are enforced. PostgreSQL needs a runtime, and waits
 * on covey's poller. What a statement sets for its session (SET, temporary tables) stays with the
 * connection. Compact tasks have too small a stack for libpq. */
#ifndef COVEY_DB_H
#define COVEY_DB_H

#include <covey/defs.h>

#include <string.h>

COVEY_BEGIN

typedef struct covey_db covey_db;
typedef struct covey_rows covey_rows;

/* ---- values ---- */

/* SQLite has no type of its own for three of them. A boolean is the integer 0 or 1; a time is the
 * text "2026-11-27 14:05:00" in UTC, with a fraction if there is one, as SQLite's date functions
 * use it; a numeric is its decimal text, which stays exact in a column declared TEXT (in one
 * declared NUMERIC SQLite makes a double of it). The accessor asked says what is meant. */
typedef enum covey_db_type {
    COVEY_DB_NULL,
    COVEY_DB_BOOL,
    COVEY_DB_INT, /* 64 bits */
    COVEY_DB_DOUBLE,
    COVEY_DB_NUMERIC, /* of any precision, as decimal text: "-12.50" */
    COVEY_DB_TEXT,    /* UTF-8; PostgreSQL's types that are not named here come as their text */
    COVEY_DB_BLOB,
    COVEY_DB_TIME /* microseconds since 1970 in UTC; INT64_MAX and INT64_MIN: infinity */
} covey_db_type;

typedef struct covey_db_value {
    covey_db_type type;
    union {
        bool boolean;
        int64_t integer; /* INT, TIME */
        double real;
        const void *data; /* NUMERIC, TEXT, BLOB; from a row: with a NUL behind it */
    };
    size_t len; /* of data */
} covey_db_value;

static inline covey_db_value covey_db_data(covey_db_type type, const void *data, size_t len)
{
    covey_db_value v;
    v.type = data ? type : COVEY_DB_NULL;
    v.data = data;
    v.len = data ? len : 0;
    return v;
}
/* What they point to is borrowed; a NULL pointer is NULL. */
static inline covey_db_value covey_db_text(const char *text)
{
    return covey_db_data(COVEY_DB_TEXT, text, text ? strlen(text) : 0);
}
static inline covey_db_value covey_db_numeric(const char *decimal)
{
    return covey_db_data(COVEY_DB_NUMERIC, decimal, decimal ? strlen(decimal) : 0);
}
static inline covey_db_value covey_db_blob(const void *data, size_t len)
{
    return covey_db_data(COVEY_DB_BLOB, data, len);
}
static inline covey_db_value covey_db_null(void)
{
    return covey_db_data(COVEY_DB_NULL, NULL, 0);
}
static inline covey_db_value covey_db_int(int64_t integer)
{
    covey_db_value v = covey_db_null();
    v.type = COVEY_DB_INT;
    v.integer = integer;
    return v;
}
static inline covey_db_value covey_db_time(int64_t us)
{
    covey_db_value v = covey_db_int(us);
    v.type = COVEY_DB_TIME;
    return v;
}
static inline covey_db_value covey_db_bool(bool boolean)
{
    covey_db_value v = covey_db_null();
    v.type = COVEY_DB_BOOL;
    v.boolean = boolean;
    return v;
}
static inline covey_db_value covey_db_double(double real)
{
    covey_db_value v = covey_db_null();
    v.type = COVEY_DB_DOUBLE;
    v.real = real;
    return v;
}

#ifndef __cplusplus
/* The last two arguments of a call with parameters, in C:
 * covey_db_exec(ctx, db, sql, COVEY_DB_PARAMS(covey_db_int(7), covey_db_text("x"))). */
#define COVEY_DB_PARAMS(...)                                                                       \
    (const covey_db_value[]){__VA_ARGS__},                                                         \
        sizeof((const covey_db_value[]){__VA_ARGS__}) / sizeof(covey_db_value)
#endif

/* ---- the pool ---- */

typedef struct covey_db_options {
    int max_open;               /* connections at once; 0: 10. SQLite's ":memory:" has one. Each of
                                   PostgreSQL's takes two descriptors */
    int max_idle;               /* kept when nobody uses them; 0: as max_open; < 0: none */
    int64_t max_lifetime_ns;    /* a connection older than that is not used again; 0: no limit */
    int64_t max_idle_time_ns;   /* one unused for that long is closed; 0: no limit */
    int64_t connect_timeout_ns; /* -ETIMEDOUT after that; 0: 30 s */
    int64_t check_after_ns;     /* one idle for longer is asked whether it is well before it is used
                                   (whether the server hung up is always looked at); 0: 5 s; < 0:
                                   never */
    int max_statements;         /* prepared ones kept a connection; 0: 64; < 0: none */
    const char *init;           /* a script that each new connection runs; may be NULL */
    const char *name; /* covey_metrics_write() shows it, as db="name"; NULL: it does not */
    /* What PostgreSQL says beside its results, with how grave it is: "NOTICE", "WARNING", ...
     * Called by whoever reads from a connection, on any thread; must not switch tasks, nor use the
     * database. The texts are borrowed. NULL: they are dropped. SQLite says nothing. */
    void (*on_notice)(void *arg, const char *severity, const char *message);
    void *notice_arg; /* must outlive the pool's last connection */
} covey_db_options;

/* Opens a pool and its first connection. url: "sqlite:shop.db", "sqlite:/abs/shop.db",
 * "sqlite::memory:", "sqlite:file:shop.db?mode=ro" (SQLite's own URIs); "postgres://..." or
 * "postgresql://...", as libpq's. opts (NULL: defaults) and strings are borrowed for the call. *db
 * is owned. -EINVAL: the URL or an option; -ENOTSUP: built without that database; and the codes
 * above. May switch. */
COVEY_API int covey_db_open(covey_ctx *ctx, covey_db **db, const char *url,
                            const covey_db_options *opts);
/* Those who wait for a connection get COVEY_ECLOSED; what is under way, open rows and transactions
 * included, goes on, and its connection is closed at its end. The handle must not be used again by
 * anyone who is not inside a call. Does not wait for them, but may switch. NULL is allowed. */
COVEY_API void covey_db_close(covey_db *db);

typedef struct covey_db_stats {
    int max_open, open, in_use, idle; /* open = in_use + idle, but for one just being made */
    int waiting;                      /* tasks that wait for a connection */
    uint64_t waits;                   /* how many had to wait, in all, */
    int64_t waited_ns;                /* and how long together */
    uint64_t opened;                  /* connections made, and closed because of */
    uint64_t closed_idle, closed_lifetime, closed_broken;
} covey_db_stats;
/* A moment's view of a pool, or of a transaction's pool. */
COVEY_API void covey_db_stats_get(covey_db *db, covey_db_stats *out);

/* ---- statements ---- */

/* Runs one statement with n parameters, which are borrowed (PostgreSQL ignores those that it has no
 * placeholder for), and returns how many rows it inserted,
 * updated or deleted; rows that it returns are dropped. On a pool it waits its turn for a
 * connection, first come first served. -EBUSY: another call uses the transaction, or rows of it are
 * open. */
COVEY_API int64_t covey_db_exec(covey_ctx *ctx, covey_db *db, const char *sql,
                                const covey_db_value *params, size_t n);
/* Runs one statement and returns its rows, which come as they are read. They keep their connection
 * until their end: covey_rows_close() it. *rows is owned, and written only on success. */
COVEY_API int covey_db_query(covey_ctx *ctx, covey_db *db, covey_rows **rows, const char *sql,
                             const covey_db_value *params, size_t n);
/* The first row alone, already current, and without its connection. COVEY_ENOROW: there is none. */
COVEY_API int covey_db_query_row(covey_ctx *ctx, covey_db *db, covey_rows **row, const char *sql,
                                 const covey_db_value *params, size_t n);
/* Runs several statements, separated by semicolons, without parameters; rows are dropped. Not
 * atomic unless db is a transaction; with PostgreSQL one script outside of one is a transaction of
 * its own.
 */
COVEY_API int covey_db_script(covey_ctx *ctx, covey_db *db, const char *sql);

typedef struct covey_db_statement {
    const char *sql;
    const covey_db_value *params; /* n of them */
    size_t n;
} covey_db_statement;

/* Runs n statements in order, in one round trip (PostgreSQL's pipeline mode; with SQLite in one
 * call on a blocking thread), all or nothing: on a pool they are a transaction of their own, which
 * the first failure, whose number the message tells, rolls back. In a transaction a failure is that
 * of a statement: PostgreSQL aborts the transaction, SQLite takes back the batch alone. None may
 * begin or end a transaction, or be a COPY.
 *
 * rows (NULL: they are dropped) receives the rows of each, n of them, on success only; all are
 * owned and have been read into memory, without a connection: see covey_rows_affected(). A
 * statement that the connection has prepared before runs so; a batch itself prepares none.
 * -ECONNRESET, and -ENOMEM with PostgreSQL while rows are read: whether it took effect is not
 * known. The list is borrowed. May switch. */
COVEY_API int covey_db_batch(covey_ctx *ctx, covey_db *db, const covey_db_statement *list, size_t n,
                             covey_rows **rows);

/* ---- rows ----
 *
 * Used by one task at a time. */

/* Makes the next row the current one. 1: there is one; 0: the end. What failed stays failed, an
 * accessor included. */
COVEY_API int covey_rows_next(covey_ctx *ctx, covey_rows *r);
/* Ends the statement if it has not (in a transaction of PostgreSQL by reading on, as stopping it
 * would abort that: for two seconds), gives the connection back, and frees r. 0, or what failed
 * before; so who reads rows to their end may look here only. Takes a few seconds at most; may
 * switch. NULL is allowed. */
COVEY_API int covey_rows_close(covey_rows *r);

/* How many rows the statement inserted, updated or deleted; known once all rows have come. */
COVEY_API int64_t covey_rows_affected(const covey_rows *r);
COVEY_API size_t covey_rows_columns(const covey_rows *r);
/* A column's name; NULL: there is none. Valid as long as r. */
COVEY_API const char *covey_rows_name(const covey_rows *r, size_t column);
/* The value as the database gave it. NULL: no such column, or no current row. Valid, with what it
 * points to, until the next covey_rows_next() or covey_rows_close(). */
COVEY_API const covey_db_value *covey_rows_value(const covey_rows *r, size_t column);
COVEY_API bool covey_rows_is_null(const covey_rows *r, size_t column);

/* The current row's values. One of another type (or NULL: look with covey_rows_is_null() first)
 * reads as 0 or NULL, and fails r with COVEY_ETYPE, -EINVAL for a column that is not there: the
 * next covey_rows_next() and covey_rows_close() tell. An integer also reads as a double or a
 * numeric if it is one exactly. Do not switch. */
COVEY_API bool covey_rows_bool(covey_rows *r, size_t column);
COVEY_API int64_t covey_rows_int(covey_rows *r, size_t column);
COVEY_API double covey_rows_double(covey_rows *r, size_t column);
COVEY_API int64_t covey_rows_time(covey_rows *r, size_t column);
/* len (may be NULL): bytes without the NUL behind them. Valid as covey_rows_value(). */
COVEY_API const char *covey_rows_text(covey_rows *r, size_t column, size_t *len);
COVEY_API const char *covey_rows_numeric(covey_rows *r, size_t column, size_t *len);
COVEY_API const void *covey_rows_blob(covey_rows *r, size_t column, size_t *len);

/* ---- transactions ----
 *
 * With PostgreSQL a failed statement aborts its transaction: all that follow give COVEY_EABORTED,
 * but for ROLLBACK TO a savepoint. With SQLite only one that was stopped in the middle (its
 * context, a full disk) does; after others the transaction goes on. */

typedef enum covey_db_isolation {
    COVEY_DB_DEFAULT, /* the database's own */
    COVEY_DB_READ_COMMITTED,
    COVEY_DB_REPEATABLE_READ,
    COVEY_DB_SERIALIZABLE /* SQLite's always are */
} covey_db_isolation;

typedef struct covey_db_tx_options {
    covey_db_isolation isolation;
    bool read_only; /* with SQLite: does not wait for writers */
    int max_tries;  /* of covey_db_transact(); 0: 10 */
} covey_db_tx_options;

/* Begins a transaction on a connection of its own. *tx is owned by the calling task:
 * covey_db_commit() or covey_db_rollback() ends and frees it, and the task's end rolls it back if
 * neither has. A plain thread must end it itself. opts may be NULL. -EINVAL: db is a transaction.
 */
COVEY_API int covey_db_begin(covey_ctx *ctx, covey_db *db, covey_db **tx,
                             const covey_db_tx_options *opts);
/* Ends and frees tx, whatever it returns (but for -EBUSY: another task is inside a call on it):
 * after a failure it has been rolled back, but for -ECONNRESET, when that is not known. Rows of it
 * that are open have ended. COVEY_EABORTED: it had been rolled back before. */
COVEY_API int covey_db_commit(covey_ctx *ctx, covey_db *tx);
/* Ends and frees tx; nothing of it stays. Takes a few seconds at most. NULL is allowed. May switch.
 */
COVEY_API void covey_db_rollback(covey_db *tx);

typedef int covey_db_tx_fn(covey_ctx *ctx, covey_db *tx, void *arg);
/* Runs fn in a transaction: commits if it returns 0 or more, else rolls back and returns its code
 * and message. After COVEY_ESERIAL, also of the commit, it begins again after a short random wait,
 * so fn must have no other effects; the last failure is returned when max_tries are used up. */
COVEY_API int covey_db_transact(covey_ctx *ctx, covey_db *db, const covey_db_tx_options *opts,
                                covey_db_tx_fn *fn, void *arg);

/* ---- COPY ----
 *
 * Many rows at once. PostgreSQL's; SQLite has none: -ENOTSUP. */

/* Writes at most size bytes of the data to buf: how many; 0: that was all; a code stops the COPY.
 * Rows need not be whole. May switch. */
typedef ssize_t covey_db_copy_source(covey_ctx *ctx, void *arg, void *buf, size_t size);
/* Takes one row, valid for the call, in the format the statement asked for; text and CSV end with a
 * newline. A negative code stops the COPY. May switch. */
typedef int covey_db_copy_sink(covey_ctx *ctx, void *arg, const void *row, size_t len);

/* Runs a "COPY t FROM STDIN ..." with what source gives, and returns how many rows that were.
 * source is asked for more once what it gave has left this process: a slow server holds it up. Its
 * code is returned, and nothing has been copied then; as after any failure but -ECONNRESET. The
 * server refuses a row only once all has been sent. -EINVAL: another statement, which has run. db
 * is in use meanwhile. May switch. */
COVEY_API int64_t covey_db_copy_in(covey_ctx *ctx, covey_db *db, const char *sql,
                                   covey_db_copy_source *source, void *arg);
/* Runs a "COPY ... TO STDOUT ..." and calls sink for each row; returns how many there were. Nothing
 * is read while sink runs: a slow one holds the server up. Its code is returned; it has had some of
 * the rows then, as after any failure. */
COVEY_API int64_t covey_db_copy_out(covey_ctx *ctx, covey_db *db, const char *sql,
                                    covey_db_copy_sink *sink, void *arg);

/* ---- notifications ----
 *
 * PostgreSQL's LISTEN and NOTIFY; SQLite has none: -ENOTSUP. */

typedef struct covey_db_listener covey_db_listener;

typedef struct covey_db_note {
    bool is_gap; /* no notification: the connection was lost, and what was notified until now may
                    have been missed. Listening goes on; look at what the notes were about. */
    const char *payload; /* with a NUL behind it */
    size_t len;
} covey_db_note;

/* Listens to a channel of the server (its name as it is, no SQL) on a connection of its own, which
 * is not of the pool's number: what is notified once this has returned comes. The notes, of type
 * covey_db_note *, arrive in covey_db_listener_chan(), which has room for capacity of them. While
 * it is full the rest waits in the connection, and then in the server, which keeps notifications
 * (8 GB of them) until each listener has read them: none is dropped for being slow. A connection
 * that is lost is made anew, waiting longer each time, at most 2 s; then comes a note with is_gap.
 * *l is owned: covey_db_listener_close(), before covey_run() ends. db is a pool, else -EINVAL; its
 * close ends the listener, whose channel is closed then. May switch. */
COVEY_API int covey_db_listen(covey_ctx *ctx, covey_db *db, covey_db_listener **l,
                              const char *channel, size_t capacity);
/* Valid as long as l. Who receives a note owns it. */
COVEY_API covey_chan *covey_db_listener_chan(covey_db_listener *l);
/* Any thread, also plain ones. NULL is allowed. Does not switch. */
COVEY_API void covey_db_note_free(covey_db_note *note);
/* Ends it, closes its channel and frees the notes left there. Nobody may be receiving. NULL is
 * allowed. May switch. */
COVEY_API void covey_db_listener_close(covey_db_listener *l);

COVEY_END
#endif
