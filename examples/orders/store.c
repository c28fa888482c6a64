/* SPDX-License-Identifier: MIT
 * store.c - orders in a database: SQLite or PostgreSQL, by its URL. A query ends with its context,
 * in the database too.
 *
 * An order is stored with the token of the lease that it was placed under. Tokens grow, so a user's
 * orders are stored in the order of their leases, and a holder that was taken for dead and comes
 * back stores nothing. */
#include "service.h"

#include <string.h>

#define COLUMNS "id, user_name, item, quantity, cents, is_stale"

static bool is_sqlite(const struct service *s)
{
    return strncmp(s->config->db_url, "sqlite:", 7) == 0;
}

/* One after the other: processes that begin together would stumble over each other's tables. */
static const char lock_schema[] = "SELECT pg_advisory_xact_lock(27);";

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS orders (id %s PRIMARY KEY, user_name TEXT NOT NULL,"
    " item TEXT NOT NULL, quantity BIGINT NOT NULL, cents BIGINT NOT NULL,"
    " is_stale BIGINT NOT NULL, token BIGINT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS orders_by_user ON orders (user_name, id);"
    "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, token BIGINT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS invoices (order_id BIGINT PRIMARY KEY REFERENCES orders (id),"
    " cents BIGINT NOT NULL, tax BIGINT NOT NULL)";

int store_open(covey_ctx *ctx, struct service *s)
{
    char script[sizeof(lock_schema) + sizeof(schema) + 32];
    /* SQLite's writers take turns, so that more connections would only wait for each other. */
    const covey_db_options options = {.name = "orders",
                                      .max_open = is_sqlite(s) ? 1 : 16,
                                      .init = is_sqlite(s) ? "PRAGMA synchronous = NORMAL" : NULL};
    int code = covey_db_open(ctx, &s->db, s->config->db_url, &options);

    if (code < 0) {
        return code;
    }
    int n = snprintf(script, sizeof(script), "%s", is_sqlite(s) ? "" : lock_schema);
    snprintf(script + n, sizeof(script) - (size_t)n, schema,
             is_sqlite(s) ? "INTEGER" : "BIGSERIAL");
    return covey_db_script(ctx, s->db, script);
}

int store_ping(covey_ctx *ctx, struct service *s)
{
    int64_t code = covey_db_exec(ctx, s->db, "SELECT 1", NULL, 0);

    return code < 0 ? (int)code : 0;
}

/* One transaction in one round trip. The user's row keeps the greatest token that was seen: if it
 * is greater than the order's it stays, and the order is not inserted. */
int store_add(covey_ctx *ctx, struct service *s, struct order *o, uint64_t token)
{
    const covey_db_value user = covey_db_text(o->user), held = covey_db_int((int64_t)token);
    const covey_db_statement statements[] = {
        {"INSERT INTO users (name, token) VALUES ($1, $2) ON CONFLICT (name)"
         " DO UPDATE SET token = excluded.token WHERE users.token <= excluded.token",
         COVEY_DB_PARAMS(user, held)},
        {"INSERT INTO orders (user_name, token, item, quantity, cents, is_stale)"
         " SELECT name, token, $3, $4, $5, $6 FROM users WHERE name = $1 AND token = $2"
         " RETURNING id",
         COVEY_DB_PARAMS(user, held, covey_db_text(o->item), covey_db_int(o->quantity),
                         covey_db_int(o->cents), covey_db_int(o->is_stale))}};
    covey_rows *rows[2];
    int code = covey_db_batch(ctx, s->db, statements, 2, rows);

    if (code < 0) {
        return code;
    }
    bool is_stored = covey_rows_next(NULL, rows[1]) == 1; /* whatever becomes of ctx now */
    if (is_stored) {
        o->id = covey_rows_int(rows[1], 0);
    }
    (void)covey_rows_close(rows[0]);
    code = covey_rows_close(rows[1]);
    if (code == 0 && !is_stored) {
        code = covey_errorf(COVEY_ELOST, "a later order of %s is there", o->user);
    }
    return code;
}

static struct order read_order(covey_rows *rows)
{
    struct order o = {.id = covey_rows_int(rows, 0),
                      .quantity = covey_rows_int(rows, 3),
                      .cents = covey_rows_int(rows, 4),
                      .is_stale = covey_rows_int(rows, 5) != 0};
    const char *user = covey_rows_text(rows, 1, NULL), *item = covey_rows_text(rows, 2, NULL);

    snprintf(o.user, sizeof(o.user), "%s", user ? user : "");
    snprintf(o.item, sizeof(o.item), "%s", item ? item : "");
    return o;
}

int store_get(covey_ctx *ctx, struct service *s, int64_t id, struct order *o)
{
    covey_rows *row;
    int code = covey_db_query_row(ctx, s->db, &row, "SELECT " COLUMNS " FROM orders WHERE id = $1",
                                  COVEY_DB_PARAMS(covey_db_int(id)));

    if (code < 0) {
        return code;
    }
    *o = read_order(row);
    return covey_rows_close(row);
}

int store_list(covey_ctx *ctx, struct service *s, const char *user, int64_t limit,
               int (*each)(covey_ctx *ctx, const struct order *o, void *arg), void *arg)
{
    covey_rows *rows;
    int code = user[0]
                   ? covey_db_query(ctx, s->db, &rows,
                                    "SELECT " COLUMNS
                                    " FROM orders WHERE user_name = $1 ORDER BY id DESC LIMIT $2",
                                    COVEY_DB_PARAMS(covey_db_text(user), covey_db_int(limit)))
                   : covey_db_query(ctx, s->db, &rows,
                                    "SELECT " COLUMNS " FROM orders ORDER BY id DESC LIMIT $1",
                                    COVEY_DB_PARAMS(covey_db_int(limit)));

    if (code < 0) {
        return code;
    }
    while (code >= 0 && covey_rows_next(ctx, rows) == 1) {
        struct order o = read_order(rows);
        code = each(ctx, &o, arg);
    }
    int closed = covey_rows_close(rows);
    return code < 0 ? code : closed;
}
