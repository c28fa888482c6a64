/* SPDX-License-Identifier: MIT
 * listen_test.c - notifications as a channel: in order, none dropped for a slow receiver, and a gap
 * that is told of when the connection was lost. */
#include "database.h"

#include <covey/db.h>

static void notify(covey_ctx *ctx, covey_db *db, const char *channel, const char *payload)
{
    OK(covey_db_exec(ctx, db, "SELECT pg_notify($1, $2)",
                     COVEY_DB_PARAMS(covey_db_text(channel), covey_db_text(payload))));
}

/* The next note has this payload; NULL: it is a gap. */
static void expect(covey_ctx *ctx, covey_db_listener *l, const char *payload)
{
    covey_db_note *note;

    OK(covey_chan_recv(ctx, covey_db_listener_chan(l), &note));
    CHECK_EQ(note->is_gap, payload == NULL);
    CHECK_STR(note->payload, payload ? payload : "");
    CHECK_EQ(note->len, strlen(note->payload));
    covey_db_note_free(note);
}

DB_TEST(notes_come_in_order_to_who_listens)
{
    covey_db_listener *l, *other;

    if (!t->is_postgres) {
        CHECK_EQ(covey_db_listen(ctx, db, &l, "a", 1), -ENOTSUP);
        return;
    }
    CHECK_EQ(covey_db_listen(ctx, db, &l, "", 1), -EINVAL);
    OK(covey_db_listen(ctx, db, &l, "My \"channel\"", 4));
    OK(covey_db_listen(ctx, db, &other, "b", 0));
    notify(ctx, db, "My \"channel\"", "one");
    notify(ctx, db, "b", "");
    notify(ctx, db, "My \"channel\"", "two");
    expect(ctx, l, "one");
    expect(ctx, l, "two");
    expect(ctx, other, "");
    covey_db_listener_close(l);
    covey_db_listener_close(other);
    covey_db_listener_close(NULL);
}

DB_TEST(a_slow_receiver_misses_no_note)
{
    covey_db_listener *l;
    char payload[32];

    if (!t->is_postgres) {
        SKIP("no notifications");
    }
    OK(covey_db_listen(ctx, db, &l, "a", 2));
    OK(covey_db_exec(ctx, db, "SELECT pg_notify('a', n::text) FROM generate_series(1, 5000) n",
                     NONE));
    for (int i = 1; i <= 5000; i++) {
        (void)snprintf(payload, sizeof(payload), "%d", i);
        expect(ctx, l, payload);
    }
    covey_db_listener_close(l);
}

DB_TEST(a_lost_connection_listens_again_and_tells_of_the_gap)
{
    covey_db_listener *l;

    if (!t->is_postgres) {
        SKIP("no notifications");
    }
    OK(covey_db_listen(ctx, db, &l, "a", 2));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ask(ctx, db,
                     "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query "
                     "LIKE 'LISTEN%'"),
                 1);
        expect(ctx, l, NULL);
        notify(ctx, db, "a", "after");
        expect(ctx, l, "after");
    }
    covey_db_listener_close(l);
}

DB_TEST(a_pool_that_is_closed_ends_its_listeners)
{
    covey_db_listener *l;
    covey_db_note *note;
    covey_db *own;

    if (!t->is_postgres) {
        SKIP("no notifications");
    }
    OK(covey_db_open(ctx, &own, t->url, NULL));
    OK(covey_db_listen(ctx, own, &l, "a", 0));
    notify(ctx, db, "a", "never received");
    covey_db_close(own);
    int code = covey_chan_recv(ctx, covey_db_listener_chan(l), &note);
    if (code == 0) {
        covey_db_note_free(note);
        code = covey_chan_recv(ctx, covey_db_listener_chan(l), &note);
    }
    CHECK_EQ(code, COVEY_ECLOSED);
    covey_db_listener_close(l);
}
