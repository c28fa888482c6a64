/* SPDX-License-Identifier: MIT
 * restart_test.c - 10,000 transactions of 64 tasks, while the server is stopped at once and started
 * anew, and backends are terminated at random. Each has a unique key, by which a commit whose
 * outcome is not known is looked up: in the end every transaction took effect exactly once.
 * COVEY_STRESS_SCALE=10 makes it ten times as many, and as many restarts. */
#include "database.h"

#include <covey/db.h>
#include <signal.h>

#define TASKS 64
#define EACH turns(157) /* 10,048 in all */
#define ACCOUNTS 200
#define RESTARTS turns(2)

struct bank {
    covey_db *db;
    atomic_int done, unknown, found, refused;
    atomic_bool is_over;
};

/* One payment. */
struct payment {
    int64_t key, from, to, amount;
};

#define LEDGER "INSERT INTO ledger VALUES ($1, $2, $3, $4)"
#define CHANGE "UPDATE accounts SET balance = balance + $2 WHERE id = $1"

/* Accounts in the order of their numbers, so that no two payments wait for each other. */
static int pay_by_statements(covey_ctx *ctx, covey_db *tx, void *arg)
{
    const struct payment *p = arg;
    bool is_upward = p->from < p->to;
    int64_t first = is_upward ? p->from : p->to, second = is_upward ? p->to : p->from;
    int64_t amount = is_upward ? -p->amount : p->amount;
    int64_t code = covey_db_exec(ctx, tx, LEDGER,
                                 COVEY_DB_PARAMS(covey_db_int(p->key), covey_db_int(p->from),
                                                 covey_db_int(p->to), covey_db_int(p->amount)));

    if (code >= 0) {
        code = covey_db_exec(ctx, tx, CHANGE,
                             COVEY_DB_PARAMS(covey_db_int(first), covey_db_int(amount)));
    }
    if (code >= 0) {
        code = covey_db_exec(ctx, tx, CHANGE,
                             COVEY_DB_PARAMS(covey_db_int(second), covey_db_int(-amount)));
    }
    return (int)(code < 0 ? code : 0);
}

static int pay_by_batch(covey_ctx *ctx, covey_db *db, const struct payment *p)
{
    bool is_upward = p->from < p->to;
    covey_db_value row[] = {covey_db_int(p->key), covey_db_int(p->from), covey_db_int(p->to),
                            covey_db_int(p->amount)};
    covey_db_value from[] = {covey_db_int(p->from), covey_db_int(-p->amount)};
    covey_db_value to[] = {covey_db_int(p->to), covey_db_int(p->amount)};
    covey_db_statement list[] = {
        {LEDGER, row, 4}, {CHANGE, is_upward ? from : to, 2}, {CHANGE, is_upward ? to : from, 2}};

    return covey_db_batch(ctx, db, list, 3, NULL);
}

/* Whether the payment is in the ledger, as soon as somebody answers. */
static bool is_paid(covey_ctx *ctx, struct bank *b, const struct payment *p)
{
    covey_rows *row;
    int code;

    while (
        (code = covey_db_query_row(ctx, b->db, &row, "SELECT count(*) FROM ledger WHERE key = $1",
                                   COVEY_DB_PARAMS(covey_db_int(p->key)))) < 0) {
        CHECK(code == -ECONNRESET || code == -ENOTCONN);
        OK(covey_sleep(ctx, 5 * COVEY_MS)); /* sleeps: the server starts anew */
    }
    bool is_there = covey_rows_int(row, 0) == 1;
    OK(covey_rows_close(row));
    return is_there;
}

static void pay(covey_ctx *ctx, struct bank *b, struct payment *p)
{
    bool was_unknown = false;

    for (;;) {
        int code = p->key % 2 ? pay_by_batch(ctx, b->db, p)
                              : covey_db_transact(ctx, b->db, NULL, pay_by_statements, p);
        if (code == 0) {
            return;
        }
        if (code == -ECONNRESET) {
            atomic_fetch_add(&b->unknown, 1);
            was_unknown = true;
            if (is_paid(ctx, b, p)) {
                atomic_fetch_add(&b->found, 1);
                return;
            }
        } else if (code == COVEY_ECONSTRAINT && was_unknown) {
            atomic_fetch_add(&b->found, 1);
            return;
        } else {
            if (code != -ENOTCONN) {
                fprintf(stderr, "# %d: %s\n", code, covey_errmsg());
            }
            CHECK_EQ(code, -ENOTCONN);
            atomic_fetch_add(&b->refused, 1);
            OK(covey_sleep(ctx, 5 * COVEY_MS)); /* sleeps: the server starts anew */
        }
    }
}

struct payer {
    struct bank *bank;
    int number;
};

static int pay_many(covey_ctx *ctx, void *arg)
{
    const struct payer *me = arg;
    uint64_t state = (uint64_t)me->number * 7919 + 1;

    for (int i = 0; i < EACH; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        int64_t from = (int64_t)(state >> 40) % ACCOUNTS;
        int64_t to = (from + 1 + (int64_t)(state >> 33) % (ACCOUNTS - 1)) % ACCOUNTS;
        struct payment p = {.key = (int64_t)me->number * EACH + i,
                            .from = from,
                            .to = to,
                            .amount = (int64_t)(state >> 50) % 100};
        pay(ctx, me->bank, &p);
        atomic_fetch_add(&me->bank->done, 1);
    }
    return 0;
}

static void await_done(const struct bank *b, int n)
{
    while (atomic_load(&b->done) < n) {
        covey_yield();
    }
}

/* Perhaps the very connection it is told on. */
static int terminate_at_random(covey_ctx *ctx, void *arg)
{
    struct bank *b = arg;

    while (!atomic_load(&b->is_over)) {
        (void)covey_db_exec(ctx, b->db,
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                            "backend_type = 'client backend' ORDER BY random() LIMIT 1",
                            NONE);
        OK(covey_sleep(ctx, 50 * COVEY_MS)); /* sleeps: so that there is something to terminate */
    }
    return 0;
}

/* Stops it at once, as a crash does; with_postgres.sh starts it again. */
static void stop_server(covey_ctx *ctx, struct bank *b)
{
    covey_rows *row;
    int code;

    do {
        code = covey_db_query_row(
            ctx, b->db, &row,
            "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::bigint", NONE);
    } while (code == -ECONNRESET || code == -ENOTCONN);
    OK(code);
    CHECK_EQ(kill((pid_t)covey_rows_int(row, 0), SIGQUIT), 0);
    OK(covey_rows_close(row));
}

static void check_books(covey_ctx *ctx, covey_db *db)
{
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM ledger"), TASKS * EACH);
    CHECK_EQ(ask(ctx, db, "SELECT sum(balance)::bigint FROM accounts"), 0);
    CHECK_EQ(ask(ctx, db,
                 "SELECT count(*) FROM accounts a WHERE balance <> "
                 "(SELECT coalesce(sum(amount), 0) FROM ledger WHERE payee = a.id) - "
                 "(SELECT coalesce(sum(amount), 0) FROM ledger WHERE payer = a.id)"),
             0);
}

static void restart_body(covey_ctx *ctx, struct database_test *t, covey_db *db)
{
    struct bank b = {.db = db};
    struct payer payers[TASKS];
    covey_group *g = covey_group_new(ctx), *terminator = covey_group_new(ctx);

    (void)t;
    OK(covey_db_script(ctx, db,
                       "CREATE TABLE ledger (key BIGINT PRIMARY KEY, payer BIGINT, payee BIGINT, "
                       "amount BIGINT); CREATE TABLE accounts (id BIGINT PRIMARY KEY, balance "
                       "BIGINT); INSERT INTO accounts SELECT n, 0 FROM generate_series(0, 199) n"));
    GO(terminator, terminate_at_random, &b);
    for (int i = 0; i < TASKS; i++) {
        payers[i] = (struct payer){.bank = &b, .number = i};
        GO(g, pay_many, &payers[i]);
    }
    for (int i = 1; i <= RESTARTS; i++) {
        await_done(&b, TASKS * EACH * i / (RESTARTS + 1));
        stop_server(ctx, &b);
    }
    await_done(&b, TASKS * EACH);
    atomic_store(&b.is_over, true);
    JOIN(g);
    JOIN(terminator);
    CHECK(atomic_load(&b.unknown) > 0);
    fprintf(stderr, "# %d paid; %d unknown, of which %d had taken effect; %d refused\n",
            atomic_load(&b.done), atomic_load(&b.unknown), atomic_load(&b.found),
            atomic_load(&b.refused));
    check_books(ctx, db);
}

TEST(every_transaction_takes_effect_once_whatever_happens_to_the_server)
{
    database_run(true, (covey_db_options){.max_open = 8}, restart_body);
}
