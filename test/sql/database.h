/* SPDX-License-Identifier: MIT
 * database.h - what the tests of libcovey-sql share: a database of either kind for each test.
 *
 * DB_TEST(name) { ... } is two tests, name_sqlite and name_postgres; the second is skipped without
 * a server (with_postgres.sh). Its body is the first task, with ctx, an empty database db (t->url
 * names it) and t->is_postgres. */
#ifndef CVY_SQL_DATABASE_H
#define CVY_SQL_DATABASE_H

#include "../conformance/support.h"

#include <covey/db.h>

#include <sys/stat.h>
#include <unistd.h>

struct database_test {
    char url[256];
    char folder[64]; /* SQLite's */
    bool is_postgres;
    covey_db_options opts;
    void (*body)(covey_ctx *ctx, struct database_test *t, covey_db *db);
};

#define NONE NULL, 0

static inline void database_place(struct database_test *t)
{
    const char *server = getenv("COVEY_TEST_POSTGRES");

    if (t->is_postgres) {
        if (!server) {
            SKIP("no PostgreSQL server");
        }
        snprintf(t->url, sizeof(t->url), "%s", server);
        return;
    }
    snprintf(t->folder, sizeof(t->folder), "/tmp/covey-sqlite.XXXXXX");
    CHECK(mkdtemp(t->folder));
    snprintf(t->url, sizeof(t->url), "sqlite:%s/test.db", t->folder);
}

static inline void database_remove(struct database_test *t)
{
    static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm", "test.db-journal"};
    char path[128];

    for (size_t i = 0; !t->is_postgres && i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", t->folder, files[i]);
        (void)unlink(path);
    }
    if (!t->is_postgres) {
        CHECK_EQ(rmdir(t->folder), 0);
    }
}

/* Opened, with nothing in it. */
static inline covey_db *database_open(covey_ctx *ctx, struct database_test *t)
{
    covey_db *db;

    OK(covey_db_open(ctx, &db, t->url, &t->opts));
    if (t->is_postgres) {
        OK(covey_db_script(ctx, db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    }
    return db;
}

static inline int database_main(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    covey_db *db = database_open(ctx, t);
    covey_db_stats stats;

    t->body(ctx, t, db);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.in_use, 0);
    CHECK_EQ(stats.open, stats.idle);
    CHECK_EQ(stats.opened, (uint64_t)stats.open + stats.closed_broken + stats.closed_idle +
                               stats.closed_lifetime);
    covey_db_close(db);
    return 0;
}

static inline void database_run(bool is_postgres, covey_db_options opts,
                                void (*body)(covey_ctx *, struct database_test *, covey_db *))
{
    struct database_test t = {.is_postgres = is_postgres, .opts = opts, .body = body};
    int fds = count_fds();

    database_place(&t);
    CHECK_EQ(covey_run(database_main, &t), 0);
    CHECK_EQ(count_fds(), fds);
    database_remove(&t);
}

/* On one engine alone. */
#define ENGINE_TEST_WITH(is_postgres, name, ...)                                                   \
    static void name##_body(covey_ctx *ctx, struct database_test *t, covey_db *db);                \
    TEST(name)                                                                                     \
    {                                                                                              \
        database_run(is_postgres, (covey_db_options){__VA_ARGS__}, name##_body);                   \
    }                                                                                              \
    static void name##_body(__attribute__((unused)) covey_ctx *ctx,                                \
                            __attribute__((unused)) struct database_test *t,                       \
                            __attribute__((unused)) covey_db *db)
#define PG_TEST(name) PG_TEST_WITH(name, .max_open = 0)
#define PG_TEST_WITH(name, ...) ENGINE_TEST_WITH(true, name, __VA_ARGS__)
#define SQLITE_TEST(name) SQLITE_TEST_WITH(name, .max_open = 0)
#define SQLITE_TEST_WITH(name, ...) ENGINE_TEST_WITH(false, name, __VA_ARGS__)

/* On both. */
#define DB_TEST(name) DB_TEST_WITH(name, .max_open = 0)
#define DB_TEST_WITH(name, ...)                                                                    \
    static void name##_body(covey_ctx *ctx, struct database_test *t, covey_db *db);                \
    TEST(name##_sqlite)                                                                            \
    {                                                                                              \
        database_run(false, (covey_db_options){__VA_ARGS__}, name##_body);                         \
    }                                                                                              \
    TEST(name##_postgres)                                                                          \
    {                                                                                              \
        database_run(true, (covey_db_options){__VA_ARGS__}, name##_body);                          \
    }                                                                                              \
    static void name##_body(__attribute__((unused)) covey_ctx *ctx,                                \
                            __attribute__((unused)) struct database_test *t,                       \
                            __attribute__((unused)) covey_db *db)

/* One integer. */
static inline int64_t ask(covey_ctx *ctx, covey_db *db, const char *sql)
{
    covey_rows *row;

    OK(covey_db_query_row(ctx, db, &row, sql, NONE));
    int64_t n = covey_rows_int(row, 0);
    OK(covey_rows_close(row));
    return n;
}

/* A statement that runs for ever. */
#define ENDLESS                                                                                    \
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t "      \
    "WHERE n < 0"

/* Rows without end. */
#define ENDLESS_ROWS                                                                               \
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t"

#endif
