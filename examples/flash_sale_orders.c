/* SPDX-License-Identifier: MIT
 * flash_sale_orders.c - a flash sale with a database behind the map.
 *
 * The map answers at once: a customer takes one of an item in it, or is told that it is sold out
 * and never gets to the database. Who got one has his order written: the item's stock there and the
 * order, both or neither, in one round trip. If that fails, or his time is up, what he took goes
 * back to the map, and somebody else gets it. In the end the map, the stock in the database and the
 * orders agree, and neither was ever below zero.
 *
 * A connection that is lost leaves open whether the order was written; its number tells.
 * SQLite in a temporary file by default; --url postgres://... uses a server, and on it the tables
 * covey_stock and covey_sold. */
#include "example_db.h"

#include <covey/db.h>

enum { ITEMS = 5 };

static int64_t customers = 400, stock = 30, connections = 4;
static const char *const names[ITEMS] = {"kettle", "lamp", "radio", "stool", "vase"};

struct sale {
    covey_db *db;
    covey_map *left; /* of each item, by its name */
    atomic_llong sold, refused, given_back;
};

struct customer {
    struct sale *sale;
    int64_t number; /* of his order too */
};

static bool take_one(void **value, bool present, void *taken)
{
    int64_t left = (int64_t)*value;

    if (left > 0) {
        *value = (void *)(left - 1);
        *(bool *)taken = true;
    }
    return present;
}

static bool give_one(void **value, bool present, void *unused)
{
    (void)unused;
    *value = (void *)((int64_t)*value + 1);
    return present;
}

/* Whether an order stands in the database: 0 or 1, or a code. */
static int is_written(covey_ctx *ctx, covey_db *db, int64_t number)
{
    covey_rows *row;
    int code = covey_db_query_row(ctx, db, &row, "SELECT 1 FROM covey_sold WHERE number = $1",
                                  COVEY_DB_PARAMS(covey_db_int(number)));

    if (code == 0) {
        code = covey_rows_close(row);
        return code < 0 ? code : 1;
    }
    return code == COVEY_ENOROW ? 0 : code;
}

static int write_order(covey_ctx *ctx, covey_db *db, const char *item, int64_t number)
{
    const covey_db_value params[] = {covey_db_text(item), covey_db_int(number)};
    const covey_db_statement both[] = {
        {"UPDATE covey_stock SET count = count - 1 WHERE item = $1", params, 1},
        {"INSERT INTO covey_sold (item, number) VALUES ($1, $2)", params, 2},
    };
    int code = covey_db_batch(ctx, db, both, 2, NULL);

    if (code == -ECONNRESET) { /* may have been written: look */
        int found = is_written(ctx, db, number);
        code = found > 0 ? 0 : found < 0 ? found : code;
    }
    return code;
}

/* Every seventh customer has next to no time. */
static int shop(covey_ctx *ctx, void *arg)
{
    const struct customer *c = arg;
    struct sale *s = c->sale;
    const char *item = names[c->number % ITEMS];
    bool is_taken = false;

    (void)covey_map_update(s->left, item, strlen(item), take_one, &is_taken);
    if (!is_taken) {
        atomic_fetch_add(&s->refused, 1);
        return 0;
    }
    covey_ctx *mine =
        covey_ctx_with_timeout(ctx, c->number % 7 == 0 ? 100 * COVEY_US : 60 * COVEY_SEC);
    int code = write_order(mine, s->db, item, c->number);
    covey_ctx_unref(mine);
    if (code == 0) {
        atomic_fetch_add(&s->sold, 1);
        return 0;
    }
    (void)covey_map_update(s->left, item, strlen(item), give_one, NULL);
    atomic_fetch_add(&s->given_back, 1);
    return code == COVEY_EDEADLINE && covey_ctx_err(ctx) == 0 ? 0 : code;
}

static int sell(covey_ctx *ctx, struct sale *s, int64_t first)
{
    covey_group *g = covey_group_new(ctx);
    int code = 0;

    for (int64_t i = 0; i < customers && code == 0; i++) {
        struct customer c = {s, first + i};
        code = covey_group_go_copy(g, shop, &c, sizeof(c));
    }
    int failed = covey_group_wait(g);
    return failed < 0 ? failed : code;
}

/* One integer from the database; < 0: none of those here. */
static int64_t ask(covey_ctx *ctx, covey_db *db, const char *sql, const char *item)
{
    covey_rows *row;

    if (covey_db_query_row(ctx, db, &row, sql, COVEY_DB_PARAMS(covey_db_text(item))) < 0) {
        return -1;
    }
    int64_t n = covey_rows_int(row, 0);
    return covey_rows_close(row) < 0 ? -1 : n;
}

static bool do_agree(covey_ctx *ctx, struct sale *s)
{
    int64_t sold = 0;
    bool is_right = true;

    for (int i = 0; i < ITEMS; i++) {
        void *left = NULL;
        int64_t there = ask(ctx, s->db, "SELECT count FROM covey_stock WHERE item = $1", names[i]);
        int64_t orders =
            ask(ctx, s->db, "SELECT count(*) FROM covey_sold WHERE item = $1", names[i]);
        is_right &= covey_map_load(s->left, names[i], strlen(names[i]), &left) && there >= 0 &&
                    (int64_t)left == there && orders == stock - there;
        sold += orders;
    }
    return is_right && sold == atomic_load(&s->sold);
}

static int fill(covey_ctx *ctx, struct sale *s)
{
    int code = covey_db_script(
        ctx, s->db,
        "DROP TABLE IF EXISTS covey_stock; DROP TABLE IF EXISTS covey_sold;"
        "CREATE TABLE covey_stock (item TEXT PRIMARY KEY, count BIGINT CHECK (count >= 0));"
        "CREATE TABLE covey_sold (number BIGINT PRIMARY KEY, item TEXT NOT NULL)");

    for (int i = 0; i < ITEMS && code >= 0; i++) {
        code = (int)covey_db_exec(ctx, s->db, "INSERT INTO covey_stock VALUES ($1, $2)",
                                  COVEY_DB_PARAMS(covey_db_text(names[i]), covey_db_int(stock)));
        code =
            code < 0 ? code : covey_map_store(s->left, names[i], strlen(names[i]), (void *)stock);
    }
    return code;
}

static int hold_sale(covey_ctx *ctx, struct sale *s)
{
    int64_t start = covey_now();
    int code = fill(ctx, s);

    code = code < 0 ? code : sell(ctx, s, 0);
    if (code < 0) {
        return code;
    }
    long long before = atomic_load(&s->sold);
    expect(do_agree(ctx, s),
           "%lld orders of %lld customers in %lld ms, %lld given back: map, stock "
           "and orders agree",
           before, (long long)customers, (long long)example_ms(start),
           (long long)atomic_load(&s->given_back));
    /* What went back is sold to who comes later, and then it is over. */
    for (int64_t round = 1; round <= 20 && atomic_load(&s->sold) < ITEMS * stock; round++) {
        code = sell(ctx, s, round * customers);
        if (code < 0) {
            return code;
        }
    }
    long long sold = atomic_load(&s->sold);
    expect(do_agree(ctx, s) && sold == ITEMS * stock && atomic_load(&s->refused) > 0,
           "all %lld are sold, each once; %lld came too late, most without a query", sold,
           (long long)atomic_load(&s->refused));
    return covey_db_script(ctx, s->db, "DROP TABLE covey_stock; DROP TABLE covey_sold");
}

static int tour(covey_ctx *ctx, void *arg)
{
    covey_db_options opts = {.max_open = (int)connections};
    struct sale s = {.left = covey_map_new(&(covey_map_options){.kind = COVEY_MAP_SHARDED})};
    int code = s.left ? covey_db_open(ctx, &s.db, arg, &opts) : -ENOMEM;

    if (code == 0) {
        code = hold_sale(ctx, &s);
        covey_db_close(s.db);
    }
    covey_map_free(s.left);
    return code;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {
        {"--customers", &customers, "customers of each round"},
        {"--stock", &stock, "of each of the five items"},
        {"--connections", &connections, "connections of the pool"},
    };
    struct example_db place;
    const char *url = example_db_url(&place, &argc, argv);

    example_options(argc, argv,
                    "Sells a limited stock, written to a database. --url URL: postgres://... "
                    "or sqlite:FILE.",
                    options, 3);
    int code = url ? covey_run(tour, (void *)url) : -ENOENT;
    example_db_remove(&place);
    return example_result(code);
}
