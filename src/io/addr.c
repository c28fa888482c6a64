/* SPDX-License-Identifier: MIT
 * addr.c - see addr.h. */
#include "io/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define HOST_LEN_MAX 253
#define PORT_DIGITS_MAX 5
#define PATH_LEN_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* What addresses begin with. */
struct schemes {
    const char *internet, *local;
};

static const struct schemes streams = {"tcp://", "unix://"};
static const struct schemes datagrams = {"udp://", "unixgram://"};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_host_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

/* All of text is a number up to 65535, without a sign or spaces. */
static bool parse_port(const char *text, uint16_t *out)
{
    size_t len = strlen(text);
    unsigned n = 0;

    if (len == 0 || len > PORT_DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
        n = n * 10 + (unsigned)(text[i] - '0');
    }
    *out = (uint16_t)n;
    return n <= UINT16_MAX;
}

/* No top-level domain is a number, but the libc takes "127.1" and "017" for IPv4 addresses. */
static bool ends_in_number(const char *host, size_t len)
{
    size_t at = len;

    while (at > 0 && host[at - 1] != '.') {
        at--;
        if (!is_digit(host[at])) {
            return false;
        }
    }
    return at < len;
}

static bool is_host_name(const char *host, size_t len)
{
    if (len == 0 || len > HOST_LEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_host_char(host[i]) || (host[i] == '.' && (i == 0 || host[i - 1] == '.'))) {
            return false;
        }
    }
    return !ends_in_number(host, len);
}

static bool parse_bracketed(struct cvy_addr *a, const char *text)
{
    const char *end = strchr(text, ']');
    struct cvy_sockaddr numeric;

    if (!end || end[1] != ':') {
        return false;
    }
    a->name = text + 1;
    a->name_len = (size_t)(end - a->name);
    return cvy_addr_numeric(a->name, a->name_len, 0, &numeric) &&
           numeric.storage.ss_family == AF_INET6 && parse_port(end + 2, &a->port);
}

static bool parse_tcp(struct cvy_addr *a, const char *text)
{
    struct cvy_sockaddr numeric;

    if (text[0] == '[') {
        return parse_bracketed(a, text);
    }
    const char *colon = strchr(text, ':');
    if (!colon) {
        return false;
    }
    a->name = text;
    a->name_len = (size_t)(colon - text);
    if (!parse_port(colon + 1, &a->port)) {
        return false;
    }
    return cvy_addr_numeric(a->name, a->name_len, 0, &numeric) ||
           is_host_name(a->name, a->name_len);
}

static bool parse_unix(struct cvy_addr *a, const char *text)
{
    a->is_unix = true;
    a->name = text;
    a->name_len = strlen(text);
    bool is_abstract = text[0] == '@';
    return (is_abstract || text[0] == '/') && a->name_len > 1 && a->name_len <= PATH_LEN_MAX;
}

static const char *after_prefix(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text && strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static int parse(struct cvy_addr *a, const char *text, const struct schemes *schemes)
{
    const char *rest;
    bool is_valid = false;

    *a = (struct cvy_addr){0};
    if ((rest = after_prefix(text, schemes->internet)) != NULL) {
        is_valid = parse_tcp(a, rest);
    } else if ((rest = after_prefix(text, schemes->local)) != NULL) {
        is_valid = parse_unix(a, rest);
    }
    return is_valid ? 0 : -EINVAL;
}

int cvy_addr_parse(struct cvy_addr *a, const char *text)
{
    return parse(a, text, &streams);
}

int cvy_addr_parse_datagram(struct cvy_addr *a, const char *text)
{
    return parse(a, text, &datagrams);
}

/* An interface by name or number; 0: there is none of that name. */
static uint32_t zone_of(const char *zone)
{
    uint32_t index = if_nametoindex(zone);
    uint16_t number = 0;
    return index == 0 && parse_port(zone, &number) ? number : index;
}

bool cvy_addr_numeric(const char *host, size_t len, uint16_t port, struct cvy_sockaddr *out)
{
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host, len);
    text[len] = '\0';
    *out = (struct cvy_sockaddr){0};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        out->len = sizeof(in);
        memcpy(&out->storage, &in, sizeof(in));
        return true;
    }
    char *zone = strchr(text, '%');
    if (zone) {
        *zone++ = '\0';
        in6.sin6_scope_id = zone_of(zone);
    }
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1 || (zone && in6.sin6_scope_id == 0)) {
        return false;
    }
    out->len = sizeof(in6);
    memcpy(&out->storage, &in6, sizeof(in6));
    return true;
}

void cvy_addr_unix(const struct cvy_addr *a, struct cvy_sockaddr *out)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    bool is_abstract = a->name[0] == '@';

    memcpy(un.sun_path, a->name, a->name_len);
    if (is_abstract) {
        un.sun_path[0] = '\0';
    }
    *out = (struct cvy_sockaddr){0};
    /* All bytes of an abstract name count; a path ends with a zero. */
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + a->name_len + !is_abstract);
    memcpy(&out->storage, &un, sizeof(un));
}

socklen_t cvy_addr_len(const struct sockaddr_storage *s)
{
    switch (s->ss_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return 0;
    }
}

static void format_in(const struct in_addr *addr, uint16_t port, const char *scheme, char *out,
                      size_t size)
{
    char text[INET_ADDRSTRLEN];

    (void)inet_ntop(AF_INET, addr, text, sizeof(text));
    (void)snprintf(out, size, "%s%s:%u", scheme, text, (unsigned)ntohs(port));
}

static void format_in6(const struct sockaddr_in6 *in6, const char *scheme, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr mapped;

    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        memcpy(&mapped, &in6->sin6_addr.s6_addr[12], sizeof(mapped));
        format_in(&mapped, in6->sin6_port, scheme, out, size);
        return;
    }
    (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    if (in6->sin6_scope_id != 0) {
        (void)snprintf(out, size, "%s[%s%%%u]:%u", scheme, text, (unsigned)in6->sin6_scope_id,
                       (unsigned)ntohs(in6->sin6_port));
    } else {
        (void)snprintf(out, size, "%s[%s]:%u", scheme, text, (unsigned)ntohs(in6->sin6_port));
    }
}

static void format_unix(const struct sockaddr_un *un, socklen_t len, const char *scheme, char *out,
                        size_t size)
{
    size_t head = offsetof(struct sockaddr_un, sun_path);

    if (len <= head) {
        return;
    }
    if (un->sun_path[0] == '\0') {
        (void)snprintf(out, size, "%s@%.*s", scheme, (int)(len - head - 1), un->sun_path + 1);
    } else {
        (void)snprintf(out, size, "%s%.*s", scheme, (int)(len - head), un->sun_path);
    }
}

static void format(const struct cvy_sockaddr *s, const struct schemes *schemes, char *out,
                   size_t size)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;

    out[0] = '\0';
    switch (s->len > 0 ? s->storage.ss_family : AF_UNSPEC) {
    case AF_INET:
        memcpy(&in, &s->storage, sizeof(in));
        format_in(&in.sin_addr, in.sin_port, schemes->internet, out, size);
        break;
    case AF_INET6:
        memcpy(&in6, &s->storage, sizeof(in6));
        format_in6(&in6, schemes->internet, out, size);
        break;
    case AF_UNIX:
        memcpy(&un, &s->storage, sizeof(un));
        format_unix(&un, s->len, schemes->local, out, size);
        break;
    default:
        break;
    }
}

void cvy_addr_format(const struct cvy_sockaddr *s, char *out, size_t size)
{
    format(s, &streams, out, size);
}

void cvy_addr_format_datagram(const struct cvy_sockaddr *s, char *out, size_t size)
{
    format(s, &datagrams, out, size);
}
