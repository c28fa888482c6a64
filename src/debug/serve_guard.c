/* SPDX-License-Identifier: MIT
 * serve_guard.c - see serve_guard.h.
 *
 * A page from elsewhere can make a browser ask this machine: under its own name, which its name
 * service has led here (Host tells), or under ours, without seeing the answer (Sec-Fetch-Site and
 * Origin tell). The latter would still have the program record and dump for it. */
#include "debug/serve_guard.h"

#include "io/addr.h"
#include "os/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

static bool is_loopback(const struct cvy_sockaddr *s)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&s->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&s->storage;

    if (s->storage.ss_family == AF_INET) {
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    return s->storage.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool is_local_name(const char *name, size_t len)
{
    struct cvy_sockaddr s;

    if (cvy_addr_numeric(name, len, 0, &s)) {
        return is_loopback(&s);
    }
    return len == strlen("localhost") && strncasecmp(name, "localhost", len) == 0;
}

bool cvy_guard_address(const char *addr)
{
    struct cvy_addr a;

    return cvy_addr_parse(&a, addr) < 0 || a.is_unix || is_local_name(a.name, a.name_len);
}

/* Of a Host header: "localhost:6060", "[::1]". */
static bool is_local_host(const char *host)
{
    bool is_bracketed = host[0] == '[';
    const char *name = host + is_bracketed;
    size_t len = strcspn(name, is_bracketed ? "]" : ":");
    const char *rest = name + len;

    if (is_bracketed && *rest++ != ']') {
        return false;
    }
    return (*rest == '\0' || *rest == ':') && is_local_name(name, len);
}

/* Whether another site's page makes the browser ask. A link to the index does no harm. */
static bool is_from_elsewhere(const struct cvy_request *r)
{
    const char *site = r->fetch_site;
    const char *scheme_end = r->origin ? strstr(r->origin, "://") : NULL;

    if (r->origin && (!scheme_end || !r->host || strcasecmp(scheme_end + 3, r->host) != 0)) {
        return true;
    }
    return site && strcmp(site, "none") != 0 && strcmp(site, "same-origin") != 0 &&
           strcmp(r->path, "/debug/covey/") != 0;
}

const char *cvy_guard_request(const struct cvy_client *c, const char *addr, bool is_any_address,
                              const struct cvy_request *r)
{
    bool is_unix = strncmp(addr, "unix:", 5) == 0;
    bool is_abstract = strncmp(addr, "unix://@", 8) == 0;

    if (is_abstract && !is_any_address && !cvy_net_peer_is_own(covey_conn_fd(c->conn))) {
        return "this program is another user's";
    }
    if (!is_unix && !is_any_address && r->host && !is_local_host(r->host)) {
        return "the request was meant for another host";
    }
    return is_from_elsewhere(r) ? "a page of another site has asked; open /debug/covey/ itself"
                                : NULL;
}
