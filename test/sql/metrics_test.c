/* SPDX-License-Identifier: MIT
 * metrics_test.c - what the metrics show of a database with a name. */
#include "database.h"

#include "../conformance/metrics_text.h"

#include <covey/db.h>

static int begin_and_end(covey_ctx *ctx, void *arg)
{
    covey_db *tx;

    OK(covey_db_begin(ctx, arg, &tx, NULL));
    covey_db_rollback(tx);
    return 0;
}

DB_TEST_WITH(a_database_with_a_name_has_figures, .max_open = 1, .name = "orders")
{
    covey_group *g = covey_group_new(ctx);
    covey_db *tx;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    go_waiting_nth(g, "waiter", 0, begin_and_end, db);
    char *text = metrics();
    CHECK_EQ(value_of(text, "covey_db_connections{db=\"orders\",state=\"in_use\"}"), 1);
    CHECK_EQ(value_of(text, "covey_db_connections{db=\"orders\",state=\"idle\"}"), 0);
    CHECK_EQ(value_of(text, "covey_db_max_connections{db=\"orders\"}"), 1);
    CHECK_EQ(value_of(text, "covey_db_waiting_calls{db=\"orders\"}"), 1);
    CHECK_EQ(value_of(text, "covey_db_wait_seconds_count{db=\"orders\"}"), 0);
    free(text);
    covey_db_rollback(tx);
    JOIN(g);
    text = metrics();
    CHECK_EQ(value_of(text, "covey_db_connections{db=\"orders\",state=\"idle\"}"), 1);
    CHECK_EQ(value_of(text, "covey_db_waiting_calls{db=\"orders\"}"), 0);
    CHECK_EQ(value_of(text, "covey_db_wait_seconds_count{db=\"orders\"}"), 1);
    CHECK_EQ(value_of(text, "covey_db_opened_connections_total{db=\"orders\"}"), 1);
    free(text);
    (void)t;
}

DB_TEST(a_closed_database_is_gone_from_the_metrics)
{
    covey_db_options named = {.name = "second"};
    covey_db *second;

    OK(covey_db_open(ctx, &second, t->url, &named));
    char *text = metrics();
    CHECK(strstr(text, "db=\"second\""));
    free(text);
    covey_db_close(second);
    text = metrics();
    CHECK(!strstr(text, "covey_db"));
    free(text);
    (void)db;
}
