/* SPDX-License-Identifier: MIT
 * url.c - see url.h.
 *
 * scheme://[user:password@]host[:port][/db] for TCP, and for a Unix socket the same with a path in
 * the place of the host. Either may end in ?db=3&sentinel=NAME&sentinel_password=WORD; then there
 * may be several hosts, with commas between them. */
#define _GNU_SOURCE
#include "redis/url.h"

#include <covey/error.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT "6379"
#define SENTINEL_PORT "26379"
#define DB_MAX 1000000

/* A part of the text, not ended by NUL. */
struct part {
    const char *at;
    size_t len;
};

static int wrong(const char *what)
{
    return covey_errorf(-EINVAL, "redis: URL: %s", what);
}

static int keep(char **out, const char *text, size_t len)
{
    *out = strndup(text, len);
    return *out ? 0 : covey_errorf(-ENOMEM, "out of memory");
}

/* Takes what stands before the first of c off the front; false: there is no c. */
static bool cut(struct part *rest, char c, struct part *before)
{
    const char *found = rest->len > 0 ? memchr(rest->at, c, rest->len) : NULL;

    if (!found) {
        return false;
    }
    *before = (struct part){rest->at, (size_t)(found - rest->at)};
    rest->len -= before->len + 1;
    rest->at = found + 1;
    return true;
}

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* %XX to bytes. */
static int decode(char **out, struct part p)
{
    size_t n = 0;

    int code = keep(out, p.at, p.len);
    for (size_t i = 0; code == 0 && i < p.len; i++) {
        char c = p.at[i];
        if (c == '%') {
            int high = i + 2 < p.len ? hex(p.at[i + 1]) : -1;
            int low = high >= 0 ? hex(p.at[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                return wrong("a % that is not followed by two digits");
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        (*out)[n++] = c;
    }
    if (code == 0) {
        (*out)[n] = '\0';
    }
    return code;
}

static int read_number(struct part p, long min, long max, long *n)
{
    *n = 0;
    if (p.len == 0) {
        return wrong("a number is missing");
    }
    for (size_t i = 0; i < p.len; i++) {
        if (!isdigit((unsigned char)p.at[i]) || *n > max) {
            return wrong("not a number, or too large a one");
        }
        *n = *n * 10 + (p.at[i] - '0');
    }
    return *n < min || *n > max ? wrong("a number is out of range") : 0;
}

static int read_db(struct cvy_redis_url *u, struct part p)
{
    long db = 0;

    int code = read_number(p, 0, DB_MAX, &db);
    u->db = (int)db;
    return code;
}

/* user:password, or :password. */
static int read_user(struct cvy_redis_url *u, struct part p)
{
    struct part user;

    if (!cut(&p, ':', &user) || p.len == 0) {
        return wrong("a user without a password");
    }
    int code = user.len > 0 ? decode(&u->user, user) : 0;
    return code < 0 ? code : decode(&u->password, p);
}

static bool is_text(struct part p, const char *text)
{
    return p.len == strlen(text) && memcmp(p.at, text, p.len) == 0;
}

/* db=3, sentinel=NAME, sentinel_user=NAME, sentinel_password=WORD. */
static int read_option(struct cvy_redis_url *u, struct part p)
{
    const struct {
        const char *name;
        char **value;
    } texts[] = {{"sentinel", &u->master},
                 {"sentinel_user", &u->sentinel_user},
                 {"sentinel_password", &u->sentinel_password}};
    struct part name;

    if (!cut(&p, '=', &name)) {
        return wrong("an option without a value");
    }
    if (is_text(name, "db")) {
        return read_db(u, p);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (is_text(name, texts[i].name) && p.len > 0 && !*texts[i].value) {
            return decode(texts[i].value, p);
        }
    }
    return wrong("only db=NUMBER, sentinel=NAME, sentinel_user=NAME and sentinel_password=WORD may "
                 "follow the ?");
}

static int check_sentinel(const struct cvy_redis_url *u)
{
    if (u->sentinel_user && !u->sentinel_password) {
        return wrong("a sentinel_user without a sentinel_password");
    }
    return u->sentinel_password && !u->master ? wrong("a sentinel_password, and no sentinel=NAME")
                                              : 0;
}

/* ?option&option, which is cut off. */
static int read_query(struct cvy_redis_url *u, struct part *rest)
{
    struct part before, option;

    if (!cut(rest, '?', &before)) {
        return 0;
    }
    struct part query = *rest;
    *rest = before;
    int code = 0;
    while (code == 0 && cut(&query, '&', &option)) {
        code = read_option(u, option);
    }
    code = code < 0 ? code : read_option(u, query);
    return code < 0 ? code : check_sentinel(u);
}

/* Takes addr. */
static int add_place(struct cvy_redis_url *u, char *addr, const char *host, size_t len)
{
    struct cvy_redis_place *p = &u->places[u->count++];

    p->addr = addr;
    return keep(&p->host, host, len);
}

static int read_path(struct cvy_redis_url *u, struct part p)
{
    char *addr;

    if (p.len < 2 || (p.at[0] != '/' && p.at[0] != '@')) {
        return wrong("not an absolute path");
    }
    if (asprintf(&addr, "unix://%.*s", (int)p.len, p.at) < 0) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    return add_place(u, addr, "", 0);
}

static bool is_host(struct part p, bool is_v6)
{
    for (size_t i = 0; i < p.len; i++) {
        if (!isalnum((unsigned char)p.at[i]) && !strchr(is_v6 ? ":.%" : ".-_", p.at[i])) {
            return false;
        }
    }
    return p.len > 0;
}

/* host, host:port, [v6], [v6]:port. */
static int read_host(struct cvy_redis_url *u, struct part p)
{
    const char *usual = u->master ? SENTINEL_PORT : PORT;
    struct part host = p, port = {usual, strlen(usual)}, none;
    bool is_v6 = p.len > 0 && p.at[0] == '[';
    bool has_port = false;
    long number = 0;

    if (is_v6) {
        p.at++;
        p.len--;
        if (!cut(&p, ']', &host) || (p.len > 0 && p.at[0] != ':')) {
            return wrong("not a host");
        }
        has_port = p.len > 0 && cut(&p, ':', &none);
    } else {
        has_port = cut(&p, ':', &host);
    }
    port = has_port ? p : port;
    int code = is_host(host, is_v6) ? read_number(port, 1, 65535, &number) : wrong("not a host");
    if (code < 0) {
        return code;
    }
    char *addr;
    if (asprintf(&addr, is_v6 ? "tcp://[%.*s]:%ld" : "tcp://%.*s:%ld", (int)host.len, host.at,
                 number) < 0) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    return add_place(u, addr, host.at, host.len);
}

/* One, or several sentinels. */
static int read_hosts(struct cvy_redis_url *u, struct part p)
{
    struct part host;
    int code = 0;

    while (code == 0 && u->count < CVY_REDIS_PLACES_MAX && cut(&p, ',', &host)) {
        code = u->master ? read_host(u, host) : wrong("several hosts, and no sentinel=NAME");
    }
    if (u->count == CVY_REDIS_PLACES_MAX) {
        return wrong("too many hosts");
    }
    return code < 0 ? code : read_host(u, p);
}

static int read_tcp(struct cvy_redis_url *u, struct part p)
{
    struct part hosts = p;
    bool has_db = cut(&p, '/', &hosts);

    int code = read_hosts(u, hosts);
    return code == 0 && has_db && p.len > 0 ? read_db(u, p) : code;
}

static const char *const schemes[] = {"redis://", "rediss://", "unix://"};
enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]), TLS = 1, UNIX = 2 };

/* The scheme that text begins with; SCHEMES: none. */
static size_t scheme_of(const char *text)
{
    size_t i = 0;

    while (i < SCHEMES && strncmp(text, schemes[i], strlen(schemes[i])) != 0) {
        i++;
    }
    return i;
}

size_t cvy_redis_url_span(const char *list)
{
    size_t len = strcspn(list, ",");

    while (list[len] && scheme_of(list + len + 1) == SCHEMES) {
        len += 1 + strcspn(list + len + 1, ",");
    }
    return len;
}

int cvy_redis_url_parse(struct cvy_redis_url *u, const char *text)
{
    size_t scheme = text ? scheme_of(text) : SCHEMES;

    *u = (struct cvy_redis_url){0};
    if (scheme == SCHEMES || strlen(text) > 4096) {
        return wrong("not redis://, rediss:// or unix://");
    }
    const char *at = text + strlen(schemes[scheme]);
    struct part rest = {at, strlen(at)}, user;
    u->is_tls = scheme == TLS;
    int code = 0;
    /* "unix://@name" is a socket without a file; a password may not hold a bare @ or /. */
    if (rest.len > 0 && rest.at[0] != '@' && rest.at[0] != '/' && cut(&rest, '@', &user)) {
        code = read_user(u, user);
    }
    code = code < 0 ? code : read_query(u, &rest);
    if (code < 0) {
        return code;
    }
    return scheme == UNIX ? read_path(u, rest) : read_tcp(u, rest);
}

void cvy_redis_place_fini(struct cvy_redis_place *p)
{
    free(p->addr);
    free(p->host);
}

void cvy_redis_url_fini(struct cvy_redis_url *u)
{
    for (size_t i = 0; i < u->count; i++) {
        cvy_redis_place_fini(&u->places[i]);
    }
    free(u->master);
    free(u->user);
    free(u->password);
    free(u->sentinel_user);
    free(u->sentinel_password);
    *u = (struct cvy_redis_url){0};
}
