/* SPDX-License-Identifier: MIT
 * easy_options.c - an easy handle is made, and prepared for a request (easy.h). */
#include "http/easy.h"

#include "http/client.h"
#include "http/driver.h"

#include <stdlib.h>
#include <string.h>

#define SET(option, value) CVY_HTTP_EASY_SET(e, worst, option, value)

static CURLcode set_trust(struct cvy_http_easy *e, const struct covey_http_client *c)
{
    CURLcode worst = CURLE_OK;

    if (c->options.insecure) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (c->options.ca_file) {
        SET(CURLOPT_CAINFO, c->options.ca_file);
    }
    if (c->is_ca_path_unset) {
        (void)curl_easy_setopt(e->curl, CURLOPT_CAPATH, NULL); /* not every TLS library has one */
    }
    return worst;
}

static CURLcode set_http(struct cvy_http_easy *e, const covey_http_client_options *o)
{
    CURLcode worst = CURLE_OK;

    SET(CURLOPT_USERAGENT, o->user_agent);
    SET(CURLOPT_FOLLOWLOCATION, o->max_redirects >= 0 ? 1L : 0L);
    SET(CURLOPT_MAXREDIRS, (long)o->max_redirects);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_timeout_ns / COVEY_MS));
    SET(CURLOPT_HTTP_VERSION, o->http1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    SET(CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    if (o->proxy) {
        SET(CURLOPT_PROXY, o->proxy);
    }
    return worst;
}

/* What every request of the client has in common. */
static CURLcode set_base(struct cvy_http_easy *e)
{
    const struct covey_http_client *c = e->driver->client;
    const CURLcode parts[] = {cvy_http_easy_set_callbacks(e), set_trust(e, c),
                              set_http(e, &c->options)};
    CURLcode worst = CURLE_OK;

    SET(CURLOPT_SHARE, e->driver->share);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* a cancelled look-up is left alone, not waited for */
#endif
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        worst = parts[i] != CURLE_OK ? parts[i] : worst;
    }
    return worst;
}

struct cvy_http_easy *cvy_http_easy_new(struct cvy_http_driver *d)
{
    struct cvy_http_easy *e = calloc(1, sizeof(*e));
    if (!e) {
        return NULL;
    }
    e->driver = d;
    e->curl = curl_easy_init();
    if (!e->curl || set_base(e) != CURLE_OK) {
        cvy_http_easy_free(e);
        return NULL;
    }
    return e;
}

void cvy_http_easy_free(struct cvy_http_easy *e)
{
    curl_easy_cleanup(e->curl);
    free(e);
}

static CURLcode set_method(struct cvy_http_easy *e, const covey_http_request *req)
{
    CURLcode worst = CURLE_OK;
    const char *method = req->method;

    if (req->body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
        SET(CURLOPT_POSTFIELDS, req->body);
    }
    if (!method || strcmp(method, req->body ? "POST" : "GET") == 0) {
        return worst;
    }
    if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else {
        SET(CURLOPT_CUSTOMREQUEST, method);
        /* Only a POST becomes a GET by these; a PUT without its body would be another request. */
        SET(CURLOPT_POSTREDIR, (long)(CURL_REDIR_POST_301 | CURL_REDIR_POST_302));
    }
    return worst;
}

static CURLcode set_extras(struct cvy_http_easy *e, const struct cvy_http_transfer *t)
{
    const covey_http_request *req = t->req;
    CURLcode worst = set_method(e, req);

    if (t->headers) {
        SET(CURLOPT_HTTPHEADER, t->headers);
    }
    if (req->resume_from > 0) {
        /* Not RESUME_FROM, which fails a transfer when the server sends everything. */
        char range[32];
        (void)snprintf(range, sizeof(range), "%llu-", (unsigned long long)req->resume_from);
        SET(CURLOPT_RANGE, range);
    }
    return worst;
}

int cvy_http_easy_prepare(struct cvy_http_easy *e, struct cvy_http_transfer *t)
{
    const covey_http_request *req = t->req;
    CURLcode worst = CURLE_OK;

    if (e->has_extras) {
        curl_easy_reset(e->curl);
        worst = set_base(e);
    }
    e->transfer = t;
    e->socket_code = 0;
    e->words[0] = '\0';
    e->has_extras = t->headers || req->method || req->body || req->resume_from > 0;
    SET(CURLOPT_URL, req->url);
    /* Over TLS wait for the first connection's handshake, which tells whether it can be shared. In
     * plain HTTP there is nothing to wait for: that would be until the first response. */
    SET(CURLOPT_PIPEWAIT, t->location.is_tls && !e->driver->client->options.http1 ? 1L : 0L);
    if (e->has_extras) {
        CURLcode extras = set_extras(e, t);
        worst = worst == CURLE_OK ? extras : worst;
    }
    return worst == CURLE_OK ? 0 : worst == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}
