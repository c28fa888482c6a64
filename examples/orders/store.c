/* SPDX-License-Identifier: MIT
 * store.c - orders in a database: SQLite or PostgreSQL, by its URL. A query ends with its context,
 * in the database too. */
#include "service.h"

#include <string.h>

#define COLUMNS "id, user_name, item, quantity, cents, is_stale"

static bool is_sqlite(const struct service *s)
{
    return strncmp(s->config->db_url, "sqlite:", 7) == 0;
}

int store_open(covey_ctx *ctx, struct service *s)
{
    char create[512];
    /* SQLite's writers take turns, so that more connections would only wait for each other. */
    const covey_db_options options = {
        .name = "orders",
        .max_open = is_sqlite(s) ? 1 : 16,
        .init = is_sqlite(s) ? "PRAGMA synchronous = NORMAL" : NULL};
    int code = covey_db_open(ctx, &s->db, s->config->db_url, &options);

    if (code < 0) {
        return code;
    }
    snprintf(
        create, sizeof(create),
        "CREATE TABLE IF NOT EXISTS orders (id %s, user_name TEXT NOT NULL, item TEXT NOT NULL,"
        " quantity BIGINT NOT NULL, cents BIGINT NOT NULL, is_stale BIGINT NOT NULL);"
        "CREATE INDEX IF NOT EXISTS orders_by_user ON orders (user_name, id)",
        is_sqlite(s) ? "INTEGER PRIMARY KEY" : "BIGSERIAL PRIMARY KEY");
    return covey_db_script(ctx, s->db, create);
}

int store_ping(covey_ctx *ctx, struct service *s)
{
    int64_t code = covey_db_exec(ctx, s->db, "SELECT 1", NULL, 0);

    return code < 0 ? (int)code : 0;
}

int store_add(covey_ctx *ctx, struct service *s, struct order *o)
{
    covey_rows *row;
    int code = covey_db_query_row(ctx, s->db, &row,
                                  "INSERT INTO orders (user_name, item, quantity, cents, is_stale)"
                                  " VALUES ($1, $2, $3, $4, $5) RETURNING id",
                                  COVEY_DB_PARAMS(covey_db_text(o->user), covey_db_text(o->item),
                                                  covey_db_int(o->quantity), covey_db_int(o->cents),
                                                  covey_db_int(o->is_stale)));

    if (code < 0) {
        return code;
    }
    o->id = covey_rows_int(row, 0);
    return covey_rows_close(row);
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
