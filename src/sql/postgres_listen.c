/* SPDX-License-Identifier: MIT
 * postgres_listen.c - LISTEN, and the notifications that come. */
#include "sql/postgres.h"

#include <stdio.h>
#include <stdlib.h>

/* A connection that is silent for so long is asked whether it is still there, and given so long to
 * answer: nothing else would tell of a server that lost its power. */
#define SILENCE_NS (30 * COVEY_SEC)

int cvy_postgres_listen(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *channel)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);
    char *name = PQescapeIdentifier(c->pg, channel, strlen(channel));
    size_t size = name ? strlen(name) + sizeof("LISTEN ") : 0;
    char *command = name ? malloc(size) : NULL;
    int code = -EINVAL;

    if (command) {
        (void)snprintf(command, size, "LISTEN %s", name);
        code = cvy_postgres_command(ctx, c, command);
    } else {
        (void)covey_errorf(code, "postgres: not a channel's name, or out of memory");
    }
    free(command);
    PQfreemem(name);
    return code;
}

static int ask(covey_ctx *ctx, struct cvy_postgres_conn *c)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, SILENCE_NS);
    int code = cvy_postgres_command(limited, c, "");

    covey_ctx_unref(limited);
    return code;
}

int cvy_postgres_next_note(covey_ctx *ctx, struct cvy_sql_conn *conn, covey_db_note **note)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);
    PGnotify *notice;

    while ((notice = PQnotifies(c->pg)) == NULL) {
        int ran = covey_select(ctx, COVEY_READABLE(c->fd), COVEY_AFTER(SILENCE_NS));
        int code = ran == 1 ? ask(ctx, c) : ran;
        if (ran == 0 && !PQconsumeInput(c->pg)) {
            code = cvy_postgres_lost(c);
        }
        if (code < 0) {
            return code;
        }
    }
    *note = cvy_sql_note_new(notice->extra);
    PQfreemem(notice);
    return *note ? 0 : covey_errorf(-ENOMEM, "out of memory");
}
