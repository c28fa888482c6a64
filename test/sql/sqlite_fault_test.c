/* SPDX-License-Identifier: MIT
 * sqlite_fault_test.c - SQLite's file when it is full, read-only, corrupt, not its own, or locked
 * by a process that is killed; and the elastic pool when others have all of it. Each fails with its
 * code, and the pool is of use afterwards. */
#include "database.h"

#include "pool.h"

#include <covey/db.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define TABLE "CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)"
#define INSERT "INSERT INTO t (data) VALUES (randomblob(4000))"

/* The first code of many inserts that is none of success. */
static int64_t insert_until_it_fails(covey_ctx *ctx, covey_db *db)
{
    for (int i = 0; i < 10000; i++) {
        int64_t code = covey_db_exec(ctx, db, INSERT, NONE);
        if (code < 0) {
            return code;
        }
        CHECK_EQ(code, 1);
    }
    return 0;
}

/* ---- no room ---- */

SQLITE_TEST_WITH(a_full_database_is_enospc_until_there_is_room, .max_open = 1,
                 .init = "PRAGMA max_page_count=60")
{
    covey_db *tx;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    CHECK_EQ(insert_until_it_fails(ctx, db), -ENOSPC);
    CHECK(strstr(covey_errmsg(), "(13)"));
    int64_t n = ask(ctx, db, "SELECT count(*) FROM t");
    CHECK(n > 10);
    OK(covey_db_begin(ctx, db, &tx, NULL));
    CHECK_EQ(insert_until_it_fails(ctx, tx), -ENOSPC);
    CHECK_EQ(covey_db_commit(ctx, tx), COVEY_EABORTED);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), n);
    CHECK_EQ(covey_db_exec(ctx, db, "DELETE FROM t WHERE id % 2", NONE), (n + 1) / 2);
    CHECK_EQ(covey_db_exec(ctx, db, INSERT, NONE), 1);
    CHECK_EQ(
        ask(ctx, db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'"), 0);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Written in part, as on a disk that fills up. */
SQLITE_TEST(a_write_that_the_system_refuses_takes_back_its_transaction)
{
    covey_db *tx;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    CHECK_EQ(covey_db_exec(ctx, db, INSERT, NONE), 1);
    limit_files(200000);
    CHECK_EQ(insert_until_it_fails(ctx, db), -EIO);
    int64_t n = ask(ctx, db, "SELECT count(*) FROM t");
    OK(covey_db_begin(ctx, db, &tx, NULL));
    int64_t code = insert_until_it_fails(ctx, tx);
    int committed = covey_db_commit(ctx, tx);
    CHECK(committed == -EIO || (code == -EIO && committed == COVEY_EABORTED));
    limit_files(RLIM_INFINITY);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), n);
    CHECK_EQ(covey_db_exec(ctx, db, INSERT, NONE), 1);
    CHECK_EQ(
        ask(ctx, db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'"), 0);
}

/* ---- read-only ---- */

static void check_reading(covey_ctx *ctx, const struct database_test *t)
{
    const covey_db_tx_options reading = {.read_only = true};
    char url[300];
    covey_db *db, *tx;

    (void)snprintf(url, sizeof(url), "sqlite:file:%s?mode=ro", t->url + strlen("sqlite:"));
    OK(covey_db_open(ctx, &db, url, NULL));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 1);
    CHECK_EQ(covey_db_exec(ctx, db, INSERT, NONE), -EACCES);
    CHECK_EQ(covey_db_script(ctx, db, INSERT), -EACCES);
    OK(covey_db_begin(ctx, db, &tx, &reading));
    CHECK_EQ(ask(ctx, tx, "SELECT count(*) FROM t"), 1);
    OK(covey_db_commit(ctx, tx));
    int code = covey_db_begin(ctx, db, &tx, NULL);
    if (code == 0) { /* what is refused then is the write */
        CHECK_EQ(covey_db_exec(ctx, tx, INSERT, NONE), -EACCES);
        covey_db_rollback(tx);
    } else {
        CHECK_EQ(code, -EACCES);
    }
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 1);
    covey_db_close(db);
}

SQLITE_TEST(a_file_opened_read_only_is_read_and_refuses_writes)
{
    OK(covey_db_exec(ctx, db, TABLE, NONE));
    CHECK_EQ(covey_db_exec(ctx, db, INSERT, NONE), 1);
    check_reading(ctx, t);
}

/* As other programs leave it: not in WAL mode, which an opening could not change. */
SQLITE_TEST_WITH(so_is_one_with_a_rollback_journal, .max_open = 1)
{
    OK(covey_db_exec(ctx, db, TABLE, NONE));
    CHECK_EQ(covey_db_exec(ctx, db, INSERT, NONE), 1);
    OK(covey_db_script(ctx, db, "PRAGMA journal_mode=DELETE"));
    check_reading(ctx, t);
}

static int open_as_nobody(covey_ctx *ctx, void *arg)
{
    covey_db *db;

    CHECK_EQ(covey_db_open(ctx, &db, arg, NULL), -EACCES);
    return 0;
}

TEST(a_file_that_one_may_not_open_is_eacces)
{
    char folder[] = "/tmp/covey-sqlite.XXXXXX", url[64], *path = url + strlen("sqlite:");

    CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0);
    (void)snprintf(url, sizeof(url), "sqlite:%s/x", folder);
    int fd = open(path, O_CREAT | O_WRONLY, 0);
    CHECK(fd >= 0 && close(fd) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(geteuid() != 0 || setuid(65534) == 0);
        _exit(covey_run(open_as_nobody, url) != 0);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    CHECK_EQ(status, 0);
}

/* ---- corrupt ---- */

static void overwrite(const struct database_test *t, off_t from, size_t n)
{
    char junk[4096];
    int fd = open(t->url + strlen("sqlite:"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    memset(junk, 0xee, sizeof(junk));
    CHECK(fd >= 0 && n <= sizeof(junk));
    CHECK_EQ(pwrite(fd, junk, n, from), (ssize_t)n);
    CHECK_EQ(close(fd), 0);
}

static int open_junk(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    covey_db *db = NULL;

    overwrite(t, 0, 4096);
    CHECK_EQ(covey_db_open(ctx, &db, t->url, NULL), -EIO);
    CHECK(strstr(covey_errmsg(), "file is not a database (26)"));
    CHECK(!db);
    return 0;
}

TEST(a_file_that_is_no_database_is_eio)
{
    struct database_test t = {0};
    int fds = count_fds();

    database_place(&t);
    CHECK_EQ(covey_run(open_junk, &t), 0);
    CHECK_EQ(count_fds(), fds);
    database_remove(&t);
}

static int read_corrupt(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    covey_db *db = database_open(ctx, t);
    covey_db_stats stats;
    covey_rows *rows;
    int code;

    OK(covey_db_script(ctx, db,
                       TABLE "; CREATE TABLE whole (n INTEGER); "
                             "INSERT INTO whole VALUES (5)"));
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(covey_db_exec(ctx, db, INSERT, NONE), 1);
    }
    covey_db_close(db); /* all of it is in the file now */
    overwrite(t, 4096 * 20, 4096);
    overwrite(t, 4096 * 100, 4096);
    OK(covey_db_open(ctx, &db, t->url, NULL));
    for (int i = 0; i < 3; i++) {
        rows = NULL;
        code = covey_db_query(ctx, db, &rows, "SELECT id, data FROM t", NONE);
        while (code >= 0 && (code = covey_rows_next(ctx, rows)) > 0) {
        }
        CHECK_EQ(code, -EIO);
        CHECK(strstr(covey_errmsg(), "(11)"));
        CHECK_EQ(covey_rows_close(rows), rows ? -EIO : 0);
        CHECK_EQ(ask(ctx, db, "SELECT n FROM whole"), 5);
    }
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.in_use, 0);
    covey_db_close(db);
    return 0;
}

TEST(a_page_that_is_corrupt_fails_who_reads_it_and_nobody_else)
{
    struct database_test t = {0};

    database_place(&t);
    CHECK_EQ(covey_run(read_corrupt, &t), 0);
    database_remove(&t);
}

/* ---- another process ---- */

/* Holds the write lock, says so, and is killed with it. */
static int hold_the_lock(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    covey_db *db, *tx;

    OK(covey_db_open(ctx, &db, t->url, NULL));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(covey_db_exec(ctx, tx, INSERT, NONE), 1);
    }
    CHECK_EQ(write(STDOUT_FILENO, "x", 1), 1);
    return covey_sleep(ctx, 3600 * COVEY_SEC);
}

static pid_t start_holder(struct database_test *t)
{
    int ends[2];
    char c;

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(dup2(ends[1], STDOUT_FILENO) >= 0);
        _exit(covey_run(hold_the_lock, t) != 0);
    }
    CHECK_EQ(close(ends[1]), 0);
    CHECK_EQ(read(ends[0], &c, 1), 1);
    CHECK_EQ(close(ends[0]), 0);
    return pid;
}

static int insert_one(covey_ctx *ctx, void *arg)
{
    return (int)covey_db_exec(ctx, arg, INSERT, NONE);
}

struct robbed {
    struct database_test t;
    pid_t holder;
};

static int outlive(covey_ctx *ctx, void *arg)
{
    struct robbed *r = arg;
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 30 * COVEY_MS);
    covey_group *g = covey_group_new(ctx);
    covey_db *db;

    OK(covey_db_open(ctx, &db, r->t.url, NULL));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0); /* it holds up no reader */
    CHECK_EQ(insert_one(limited, db), COVEY_EDEADLINE);
    go_waiting(g, "inserter", insert_one, db);
    CHECK_EQ(kill(r->holder, SIGKILL), 0);
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 1);
    CHECK_EQ(
        ask(ctx, db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'"), 0);
    covey_db_close(db);
    covey_ctx_unref(limited);
    return 0;
}

static int make_table(covey_ctx *ctx, void *arg)
{
    covey_db *db = database_open(ctx, arg);

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    covey_db_close(db);
    return 0;
}

TEST(a_process_killed_in_a_transaction_leaves_neither_lock_nor_rows)
{
    struct robbed r = {.holder = 0};

    database_place(&r.t);
    CHECK_EQ(covey_run(make_table, &r.t), 0);
    r.holder = start_holder(&r.t);
    CHECK_EQ(covey_run(outlive, &r), 0);
    CHECK_EQ(waitpid(r.holder, NULL, 0), r.holder);
    database_remove(&r.t);
}

/* ---- the elastic pool ---- */

/* As many as it can have are taken: a statement waits for one under its context. */
SQLITE_TEST(without_a_thread_to_be_had_a_statement_waits_under_its_context)
{
    struct pool_crowd c;
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 50 * COVEY_MS);

    if (WITH_TSAN) {
        SKIP("too many threads for TSan");
    }
    pool_take(ctx, &c);
    CHECK_EQ(covey_db_script(limited, db, "SELECT 1"), COVEY_EDEADLINE);
    pool_let_go(&c);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
    CHECK_EQ(pool_join(&c), 0);
    covey_ctx_unref(limited);
}
