/* SPDX-License-Identifier: MIT
 * postgres_error.c - SQLSTATEs as codes, with the server's words. */
#include "sql/postgres.h"

#include <stdio.h>

static const struct {
    const char *prefix; /* of the SQLSTATE; the first that fits holds */
    int code;
} states[] = {
    {"08P01", COVEY_ESQL},     /* parameters that do not fit the statement */
    {"08", -ECONNRESET},       /* connection exceptions */
    {"23", COVEY_ECONSTRAINT}, /* integrity constraint violation */
    {"25P02", COVEY_EABORTED}, /* in failed transaction */
    {"40003", -ECONNRESET},    /* completion unknown */
    {"40", COVEY_ESERIAL},     /* serialization failure, deadlock */
    {"42501", -EACCES},        /* insufficient privilege */
    {"53100", -ENOSPC},        /* disk full */
    {"53200", -ENOMEM},        /* out of memory */
    {"54", COVEY_ETOOLARGE},   /* program limit exceeded */
    {"55P03", -EBUSY},         /* lock not available */
    {"57014", -EINTR},         /* query canceled */
    {"57P", -ECONNRESET},      /* admin shutdown, crash shutdown, cannot connect now */
    {"58030", -EIO},           /* io error */
};

const char *cvy_postgres_words(const PGconn *pg, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", pg ? PQerrorMessage(pg) : "out of memory");
    for (size_t len = strlen(out); len > 0 && out[len - 1] == '\n'; len--) {
        out[len - 1] = '\0';
    }
    for (char *p = out; *p; p++) {
        *p = *p == '\n' || *p == '\t' ? ' ' : *p;
    }
    return out;
}

int cvy_postgres_lost(struct cvy_postgres_conn *c)
{
    char words[256];

    c->base.is_broken = true;
    return covey_errorf(-ECONNRESET, "postgres: %s",
                        cvy_postgres_words(c->pg, words, sizeof(words)));
}

int cvy_postgres_ctx_failed(covey_ctx *ctx)
{
    return covey_wrapf(covey_select(ctx, COVEY_DEFAULT), "postgres");
}

int cvy_postgres_fail(struct cvy_postgres_conn *c, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    int code = COVEY_ESQL;

    if (!state || !text) { /* libpq's own: the connection broke, or out of memory */
        return cvy_postgres_lost(c);
    }
    if (c->goodbye && covey_ctx_err(c->ctx) < 0 && strcmp(state, "57014") == 0) {
        return cvy_postgres_ctx_failed(c->ctx);
    }
    const char *where = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (strcmp(state, "26000") == 0 || (where && strcmp(where, "RevalidateCachedQuery") == 0)) {
        c->is_stale = true;
    }
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strncmp(state, states[i].prefix, strlen(states[i].prefix)) == 0) {
            code = states[i].code;
            break;
        }
    }
    if (code == -ECONNRESET) {
        c->base.is_broken = true;
    }
    return covey_errorf(code, "postgres: %s (%s)", text, state);
}
