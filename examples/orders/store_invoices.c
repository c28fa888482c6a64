/* SPDX-License-Identifier: MIT
 * store_invoices.c - invoices in the database: of each order one, by its primary key. */
#include "service.h"

int store_due(covey_ctx *ctx, struct service *s, const char *user, int64_t *orders, int max)
{
    covey_rows *rows;
    int n = 0;
    int code = covey_db_query(
        ctx, s->db, &rows,
        "SELECT o.id FROM orders o LEFT JOIN invoices i ON i.order_id = o.id"
        " WHERE i.order_id IS NULL AND ($1 = '' OR o.user_name = $1) ORDER BY o.id LIMIT $2",
        COVEY_DB_PARAMS(covey_db_text(user), covey_db_int(max)));

    if (code < 0) {
        return code;
    }
    while (n < max && covey_rows_next(ctx, rows) == 1) {
        orders[n++] = covey_rows_int(rows, 0);
    }
    code = covey_rows_close(rows);
    return code < 0 ? code : n;
}

int store_add_invoice(covey_ctx *ctx, struct service *s, const struct invoice *i)
{
    return (int)covey_db_exec(
        ctx, s->db,
        "INSERT INTO invoices (order_id, cents, tax) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        COVEY_DB_PARAMS(covey_db_int(i->order), covey_db_int(i->cents), covey_db_int(i->tax)));
}

int store_get_invoice(covey_ctx *ctx, struct service *s, int64_t order, struct invoice *i)
{
    covey_rows *row;
    int code = covey_db_query_row(ctx, s->db, &row,
                                  "SELECT order_id, cents, tax FROM invoices WHERE order_id = $1",
                                  COVEY_DB_PARAMS(covey_db_int(order)));

    if (code < 0) {
        return code;
    }
    *i = (struct invoice){.order = covey_rows_int(row, 0),
                          .cents = covey_rows_int(row, 1),
                          .tax = covey_rows_int(row, 2)};
    return covey_rows_close(row);
}
