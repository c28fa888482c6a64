/* SPDX-License-Identifier: MIT
 * postgres_connect.c - makes connections to PostgreSQL.
 *
 * libpq's own steps run on a blocking thread (it reads certificates and password files, and may ask
 * Kerberos), the waits between them are covey's. A host's name is looked up before, under the
 * context. */
#define _GNU_SOURCE
#include "sql/postgres.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 8
#define PORT "5432"

/* What each value looks like as text, and which zone a timestamp without one is in. */
#define SETTINGS                                                                                   \
    "SET DateStyle='ISO, YMD'; SET TimeZone='UTC'; SET extra_float_digits=3; "                     \
    "SET bytea_output='hex'"

/* libpq's parameters: names and values in step, ended by NULL. */
struct parameters {
    struct cvy_sql_arena arena;
    const char **names, **values;
    size_t n;
};

static void add(struct parameters *p, const char *name, const char *value)
{
    p->names[p->n] = name;
    p->values[p->n++] = value;
}

static const char *value_of(const PQconninfoOption *options, const char *name)
{
    for (; options->keyword; options++) {
        if (strcmp(options->keyword, name) == 0) {
            return options->val && options->val[0] ? options->val : NULL;
        }
    }
    return NULL;
}

/* "text,text,...". */
static char *join(struct cvy_sql_arena *arena, char *list, const char *text)
{
    size_t len = list ? strlen(list) : 0, more = strlen(text);
    char *longer = cvy_sql_arena_alloc(arena, len + more + 2);

    if (longer) {
        (void)snprintf(longer, len + more + 2, "%s%s%s", list ? list : "", list ? "," : "", text);
    }
    return longer;
}

/* Gives libpq the addresses of a host that is named. A list of hosts is left to it. */
static int resolve(covey_ctx *ctx, const PQconninfoOption *options, struct parameters *p)
{
    const char *host = value_of(options, "host"), *port = value_of(options, "port");
    struct sockaddr_storage addrs[ADDRESSES_MAX];
    char *hosts = NULL, *numbers = NULL, number[NI_MAXHOST];

    if (!host || strpbrk(host, "/@,") || value_of(options, "hostaddr")) {
        return 0;
    }
    int n = covey_resolve(ctx, host, port ? port : PORT, addrs, ADDRESSES_MAX);
    for (int i = 0; i < n && i < ADDRESSES_MAX; i++) {
        if (getnameinfo((struct sockaddr *)&addrs[i], sizeof(addrs[i]), number, sizeof(number),
                        NULL, 0, NI_NUMERICHOST) != 0) {
            continue;
        }
        hosts = join(&p->arena, hosts, host);
        numbers = join(&p->arena, numbers, number);
        if (!hosts || !numbers) {
            return covey_errorf(-ENOMEM, "out of memory");
        }
    }
    if (numbers) {
        add(p, "host", hosts);
        add(p, "hostaddr", numbers);
    }
    return n < 0 ? covey_wrapf(n, "postgres") : 0;
}

/* The URL's parameters, then ours, which count. */
static int read_url(covey_ctx *ctx, const PQconninfoOption *options, struct parameters *p)
{
    size_t n = 0;

    while (options[n].keyword) {
        n++;
    }
    n += 4; /* those below, and the end */
    p->names = cvy_sql_arena_alloc(&p->arena, n * sizeof(*p->names));
    p->values = cvy_sql_arena_alloc(&p->arena, n * sizeof(*p->values));
    if (!p->names || !p->values) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (o->val) {
            add(p, o->keyword, o->val);
        }
    }
    add(p, "client_encoding", "UTF8");
    int code = resolve(ctx, options, p);
    add(p, NULL, NULL);
    return code;
}

/* ---- libpq's steps, on a blocking thread ---- */

struct step {
    struct cvy_postgres_conn *c;
    const struct parameters *parameters;
    PostgresPollingStatusType next;
};

static int start_hop(covey_ctx *ctx, void *arg)
{
    struct step *s = arg;

    (void)ctx;
    s->c->pg = PQconnectStartParams(s->parameters->names, s->parameters->values, 0);
    s->next = !s->c->pg || PQstatus(s->c->pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED
                                                                : PGRES_POLLING_WRITING;
    return 0;
}

static int poll_hop(covey_ctx *ctx, void *arg)
{
    struct step *s = arg;

    (void)ctx;
    s->next = PQconnectPoll(s->c->pg);
    return 0;
}

static void tell_notice(void *arg, const PGresult *result)
{
    const covey_db_options *o = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (o->on_notice) {
        o->on_notice(o->notice_arg, severity ? severity : "NOTICE", message ? message : "");
    }
}

static int establish(covey_ctx *ctx, struct cvy_postgres_conn *c, const struct parameters *p,
                     const covey_db_options *options)
{
    struct step s = {.c = c, .parameters = p};
    char words[256];
    int code = covey_blocking(ctx, start_hop, &s);

    while (code >= 0 && (s.next == PGRES_POLLING_READING || s.next == PGRES_POLLING_WRITING)) {
        code = covey_wait_fd(ctx, PQsocket(c->pg),
                             s.next == PGRES_POLLING_READING ? COVEY_FD_READ : COVEY_FD_WRITE);
        code = code < 0 ? code : covey_blocking(ctx, poll_hop, &s);
    }
    if (code < 0) {
        return covey_wrapf(code, "postgres: connect");
    }
    if (s.next != PGRES_POLLING_OK) {
        return covey_errorf(-ENOTCONN, "postgres: %s",
                            cvy_postgres_words(c->pg, words, sizeof(words)));
    }
    /* Not before: for the next host, or protocol, libpq takes another socket. */
    c->fd = covey_fd_watch(PQsocket(c->pg));
    if (c->fd < 0) {
        return covey_wrapf(c->fd, "postgres: connect");
    }
    (void)PQsetnonblocking(c->pg, 1);
    (void)PQsetNoticeReceiver(c->pg, tell_notice, (void *)options);
    return 0;
}

static int set_up(covey_ctx *ctx, struct cvy_postgres_conn *c, const char *init)
{
    int code = cvy_postgres_command(ctx, c, SETTINGS);

    return code < 0 || !init ? code : cvy_postgres_command(ctx, c, init);
}

int cvy_postgres_connect(covey_ctx *ctx, void *shared, struct cvy_sql_conn **conn)
{
    const struct cvy_sql_config *config = shared;
    struct parameters p = {0};
    struct cvy_postgres_conn *c = calloc(1, sizeof(*c));
    PQconninfoOption *options = PQconninfoParse(config->target, NULL);

    if (!c || !options ||
        cvy_sql_cache_init(&c->cache, config->options.max_statements, cvy_postgres_drop_prepared,
                           c) < 0) {
        PQconninfoFree(options);
        free(c);
        return covey_errorf(-ENOMEM, "out of memory");
    }
    c->base.backend = &cvy_sql_postgres;
    c->fd = -1;
    int code = read_url(ctx, options, &p);
    code = code < 0 ? code : establish(ctx, c, &p, &config->options);
    code = code < 0 ? code : set_up(ctx, c, config->options.init);
    cvy_sql_arena_fini(&p.arena);
    PQconninfoFree(options);
    if (code < 0) {
        c->base.is_broken = true; /* no goodbyes */
        cvy_postgres_disconnect(&c->base);
        return code;
    }
    *conn = &c->base;
    return 0;
}

void cvy_postgres_disconnect(struct cvy_sql_conn *conn)
{
    struct cvy_postgres_conn *c = cvy_postgres_conn_of(conn);

    cvy_sql_cache_fini(&c->cache);
    covey_ctx_unref(c->goodbye);
    PQfinish(c->pg);
    covey_fd_unwatch(c->fd);
    free(c);
}
