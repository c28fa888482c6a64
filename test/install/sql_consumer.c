/* SPDX-License-Identifier: MIT
 * sql_consumer.c - a user of libcovey-sql: a row goes in and comes out. */
#include <covey.h>
#include <covey/db.h>

#include <stdio.h>

static int run(covey_ctx *ctx, void *arg)
{
    covey_db_value params[] = {covey_db_int(41), covey_db_text("x")};
    covey_rows *row;
    covey_db *db;
    int code = covey_db_open(ctx, &db, (const char *)arg, NULL);

    if (code < 0) {
        return code;
    }
    code = covey_db_query_row(ctx, db, &row, "SELECT $1 + 1, $2", params, 2);
    if (code == 0) {
        int64_t n = covey_rows_int(row, 0);
        code = covey_rows_close(row);
        code = code < 0 ? code : (int)n;
    }
    covey_db_close(db);
    return code;
}

int main(void)
{
    char url[] = "sqlite::memory:";
    int n = covey_run(run, url);

    printf("%d %s\n", n, n < 0 ? covey_errmsg() : "");
    return n == 42 || n == -ENOTSUP ? 0 : 1;
}
