/* SPDX-License-Identifier: MIT
 * http_tls_test.c - the HTTP client and servers whose certificates it must not take: expired, for
 * another name, of nobody it trusts. Each alone and for a crowd; with retries, which are of no use.
 * What tls.h makes of them is in test/conformance/tls_handshake_test.c. */
#include "../conformance/tls_pair.h"

#include <covey/http.h>
#include <covey/tls.h>

#include <unistd.h>

struct site {
    covey_tls_config *config;
    covey_listener *listener;
    covey_group *group;
    char url[64];
    atomic_int requests;
    const char *answer; /* NULL: a good one */
    bool is_cut;        /* behind it, without TLS's goodbye */
};

struct visit {
    struct site *site;
    covey_conn *conn;
};

/* One request a connection; one that is refused sends none. */
static int serve_visit(covey_ctx *ctx, void *arg)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    struct visit *v = arg;
    char request[4096];

    if (covey_tls_server(ctx, &v->conn, v->site->config) < 0) {
        return 0; /* it closed the connection */
    }
    if (covey_read(ctx, v->conn, request, sizeof(request)) > 0) {
        atomic_fetch_add(&v->site->requests, 1);
        const char *says = v->site->answer ? v->site->answer : answer;
        (void)covey_write(ctx, v->conn, says, strlen(says));
    }
    if (v->site->is_cut) {
        covey_conn_abort(v->conn);
    }
    covey_close(v->conn);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct visit v = {.site = arg};
    covey_group *g = covey_group_new(ctx);

    while (covey_accept(ctx, v.site->listener, &v.conn) == 0) {
        CHECK_EQ(covey_group_go_copy(g, serve_visit, &v, sizeof(v)), 0);
    }
    covey_group_cancel(g, 0);
    return covey_group_wait(g);
}

static void site_start(covey_ctx *ctx, struct site *s, const struct cert *cert)
{
    s->config = server_config(cert);
    CHECK_EQ(covey_listen(&s->listener, "tcp://127.0.0.1:0", NULL), 0);
    snprintf(s->url, sizeof(s->url), "https%s/", covey_listener_addr(s->listener) + 3);
    s->group = covey_group_new(ctx);
    GO(s->group, serve, s);
}

static void site_stop(struct site *s)
{
    covey_group_cancel(s->group, 0);
    CHECK_EQ(covey_group_wait(s->group), 0);
    covey_listener_close(s->listener);
    covey_tls_config_unref(s->config);
}

/* Where the client reads whom it trusts: the tests' authority. */
static char authority_path[32];

static void authority_write(void)
{
    size_t len = strlen(world.authority.cert_pem);

    (void)strcpy(authority_path, "/tmp/covey-ca.XXXXXX");
    int fd = mkstemp(authority_path);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, world.authority.cert_pem, len), (ssize_t)len);
    (void)close(fd);
}

/* It would try again. */
static covey_http_client *client_new(bool is_insecure)
{
    static const covey_backoff retry = {.base_ns = COVEY_US};
    static const covey_http_guards guards = {.retry = &retry};
    covey_http_client *c = covey_http_client_new(&(covey_http_client_options){
        .proxy = "", .ca_file = authority_path, .insecure = is_insecure, .guards = &guards});

    CHECK(c);
    return c;
}

struct asking {
    covey_http_client *client;
    const char *url, *words; /* words NULL: it must succeed */
};

static int ask(covey_ctx *ctx, void *arg)
{
    const struct asking *a = arg;
    covey_http_response r;
    int code = covey_http_get(ctx, a->client, a->url, &r);

    if (!a->words) {
        CHECK_EQ(code, 0);
        CHECK_STR(r.body, "hello");
    } else {
        if (code != COVEY_ETLS || !strstr(covey_errmsg(), a->words)) {
            fprintf(stderr, "# %d %s\n", code, covey_errmsg());
        }
        CHECK_EQ(code, COVEY_ETLS);
        CHECK(strstr(covey_errmsg(), a->words));
        CHECK_EQ(r.status, 0);
        CHECK_EQ(r.attempts, 1); /* another try would see the same certificate */
    }
    covey_http_response_free(&r);
    return 0;
}

static void ask_many(covey_ctx *ctx, struct asking *a)
{
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(ask(ctx, a), 0);
    for (int i = 0; i < 50; i++) {
        GO(g, ask, a);
    }
    JOIN(g);
}

/* A server with such a certificate is refused with these words, and asked nothing. */
static void check_refused(covey_ctx *ctx, const struct cert_spec *spec, const char *words)
{
    struct cert cert;
    struct site s = {0};

    cert_make(&cert, spec);
    site_start(ctx, &s, &cert);
    authority_write();
    struct asking a = {client_new(false), s.url, words};
    ask_many(ctx, &a);
    CHECK_EQ(atomic_load(&s.requests), words ? 0 : 51);
    covey_http_client_free(a.client);
    a = (struct asking){client_new(true), s.url, NULL};
    CHECK_EQ(ask(ctx, &a), 0); /* who does not look takes any */
    covey_http_client_free(a.client);
    (void)unlink(authority_path);
    site_stop(&s);
    cert_free(&cert);
}

TLS_TEST(a_good_certificate_is_taken)
{
    check_refused(ctx,
                  &(struct cert_spec){
                      .name = "here", .alternatives = "IP:127.0.0.1", .issuer = &world.authority},
                  NULL);
}

TLS_TEST(an_expired_certificate_is_refused)
{
    check_refused(ctx,
                  &(struct cert_spec){.name = "here",
                                      .alternatives = "IP:127.0.0.1",
                                      .issuer = &world.authority,
                                      .has_expired = true},
                  "expired");
}

TLS_TEST(a_certificate_for_another_host_is_refused)
{
    check_refused(ctx,
                  &(struct cert_spec){.name = "there",
                                      .alternatives = "DNS:there.test,IP:127.0.0.2",
                                      .issuer = &world.authority},
                  "127.0.0.1");
}

TLS_TEST(a_self_signed_certificate_is_refused)
{
    check_refused(ctx, &(struct cert_spec){.name = "here", .alternatives = "IP:127.0.0.1"},
                  "self-signed");
}

TLS_TEST(a_certificate_of_an_unknown_authority_is_refused)
{
    struct cert stranger;

    cert_make(&stranger, &(struct cert_spec){.name = "A stranger", .is_authority = true});
    check_refused(
        ctx,
        &(struct cert_spec){.name = "here", .alternatives = "IP:127.0.0.1", .issuer = &stranger},
        "unable to get local issuer certificate");
    cert_free(&stranger);
}

/* Its issuer is one that the client would trust, if it knew of it. */
TLS_TEST(a_chain_with_a_gap_is_refused)
{
    struct cert between;

    cert_make(&between, &(struct cert_spec){
                            .name = "Between", .is_authority = true, .issuer = &world.authority});
    check_refused(
        ctx,
        &(struct cert_spec){.name = "here", .alternatives = "IP:127.0.0.1", .issuer = &between},
        "unable to get local issuer certificate");
    cert_free(&between);
}

/* ---- the end of an answer that does not say how long it is ---- */

static int code_of_answer(covey_ctx *ctx, const char *answer, bool is_cut)
{
    struct site s = {.answer = answer, .is_cut = is_cut};
    covey_http_response r;

    site_start(ctx, &s, &world.shop);
    authority_write();
    covey_http_client *c =
        covey_http_client_new(&(covey_http_client_options){.proxy = "", .ca_file = authority_path});
    CHECK(c);
    int code = covey_http_get(ctx, c, s.url, &r);
    CHECK(code < 0 || strcmp(r.body, "hello") == 0);
    CHECK(code == 0 || r.body == NULL);
    covey_http_response_free(&r);
    covey_http_client_free(c);
    (void)unlink(authority_path);
    site_stop(&s);
    return code;
}

TLS_TEST(a_body_that_is_cut_off_is_no_whole_one)
{
    static const char until_close[] = "HTTP/1.1 200 OK\r\n\r\nhello";
    static const char in_chunks[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    static const char in_head[] = "HTTP/1.1 200 OK\r\nContent-Le";

    static const char in_length[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    CHECK_EQ(code_of_answer(ctx, in_length, false), 0);
    CHECK_EQ(code_of_answer(ctx, in_length, true), 0); /* it was whole */
    CHECK_EQ(code_of_answer(ctx, until_close, false), 0);
    CHECK_EQ(code_of_answer(ctx, in_chunks, false), -ECONNRESET);
    CHECK_EQ(code_of_answer(ctx, in_chunks, true), -ECONNRESET);
    CHECK_EQ(code_of_answer(ctx, in_head, false), -ECONNRESET);
    CHECK_EQ(code_of_answer(ctx, in_head, true), -ECONNRESET);
}

/* ---- certificates that change ---- */

/* Hands are shaken by many while the certificates change under them. */
struct renewal {
    struct cert certs[2];
    covey_tls_config *client;
    atomic_int seen[2], left; /* handshakes */
};

static int shake_and_look(covey_ctx *ctx, void *arg)
{
    struct renewal *r = arg;

    while (atomic_fetch_sub(&r->left, 1) > 0) {
        struct pair p = {.client_config = r->client};
        shake_well(ctx, &p);
        say(ctx, p.server, p.client, "good day");
        const char *subject = covey_tls_info_of(p.client)->peer_subject;
        bool is_new = strcmp(subject, "CN=shop.test 2") == 0;
        CHECK(is_new || strcmp(subject, "CN=shop.test 1") == 0);
        atomic_fetch_add(&r->seen[is_new], 1);
        pair_close(&p);
    }
    return 0;
}

static void change(struct renewal *r, int i)
{
    covey_tls_identity id = identity_of(&r->certs[i % 2]);
    covey_tls_options opts = {.identities = &id, .identity_count = 1};

    CHECK_EQ(covey_tls_config_update(world.server, &opts), 0);
}

TLS_TEST(certificates_change_under_a_thousand_handshakes)
{
    static const char *const names[] = {"shop.test 1", "shop.test 2"};
    int n = turns(1000);
    struct renewal r = {.left = n};
    covey_tls_options opts = {.ca_pem = world.authority.cert_pem, .no_resumption = true};
    covey_group *g = covey_group_new(ctx);
    int changes = 0;

    for (int i = 0; i < 2; i++) {
        cert_make(&r.certs[i], &(struct cert_spec){.name = names[i],
                                                   .alternatives = "DNS:shop.test",
                                                   .issuer = &world.authority});
    }
    r.client = config_make(&opts);
    change(&r, changes++);
    for (int i = 0; i < 40; i++) {
        GO(g, shake_and_look, &r);
    }
    while (atomic_load(&r.left) > 0) {
        change(&r, changes++);
        covey_yield();
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&r.seen[0]) + atomic_load(&r.seen[1]), n);
    CHECK(changes > 2);
    covey_tls_config_unref(r.client);
    cert_free(&r.certs[0]);
    cert_free(&r.certs[1]);
}
