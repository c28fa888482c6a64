/* SPDX-License-Identifier: MIT
 * tls_handshake_test.c - who is let in, who is not, and what each side is told. */
#include "tls_pair.h"

#include <covey/tls.h>

#include <sys/socket.h>
#include <unistd.h>

TLS_TEST(both_ends_talk_and_know_what_was_agreed)
{
    struct pair p = {0};

    shake_well(ctx, &p);
    say(ctx, p.client, p.server, "hello");
    say(ctx, p.server, p.client, "good day");
    const covey_tls_info *info = covey_tls_info_of(p.client);
    CHECK_STR(info->version, "TLSv1.3");
    CHECK_SAYS(info->cipher, "TLS_");
    CHECK_STR(info->alpn, "");
    CHECK_STR(info->peer_subject, "CN=shop.test");
    CHECK(!info->is_resumed);
    info = covey_tls_info_of(p.server);
    CHECK_STR(info->server_name, "shop.test");
    CHECK_STR(info->peer_subject, "");
    CHECK_SAYS(covey_conn_peer(p.client), "tcp://127.0.0.1:");
    CHECK(covey_conn_fd(p.client) >= 0);
    pair_close(&p);
}

TLS_TEST(a_plain_connection_has_no_info)
{
    covey_conn *a, *b;

    tcp_pair(ctx, &a, &b);
    CHECK(covey_tls_info_of(a) == NULL);
    CHECK_EQ(covey_tls_shutdown(ctx, a), -EINVAL);
    covey_close(a);
    covey_close(b);
}

/* ---- the server's certificate
 * -------------------------------------------------------------------- */

static void check_refused(covey_ctx *ctx, struct pair *p, const char *client_says,
                          const char *server_says)
{
    shake(ctx, p);
    CHECK_EQ(p->client_code, COVEY_ETLS);
    CHECK_SAYS(p->client_words, client_says);
    CHECK_EQ(p->server_code, COVEY_ETLS);
    CHECK_SAYS(p->server_words, server_says);
}

static void check_cert_refused(covey_ctx *ctx, const struct cert_spec *spec,
                               const char *client_says, const char *server_says)
{
    struct cert cert;

    cert_make(&cert, spec);
    struct pair p = {.server_config = server_config(&cert)};
    check_refused(ctx, &p, client_says, server_says);
    covey_tls_config_unref(p.server_config);
    cert_free(&cert);
}

TLS_TEST(an_expired_certificate_is_refused)
{
    check_cert_refused(ctx,
                       &(struct cert_spec){.name = "shop.test",
                                           .alternatives = "DNS:shop.test",
                                           .issuer = &world.authority,
                                           .has_expired = true},
                       "tls shop.test: certificate has expired", "refuses: certificate expired");
}

TLS_TEST(a_self_signed_certificate_is_refused)
{
    check_cert_refused(ctx,
                       &(struct cert_spec){.name = "shop.test", .alternatives = "DNS:shop.test"},
                       "tls shop.test: self-signed certificate", "refuses: unknown ca");
}

TLS_TEST(a_certificate_of_an_unknown_authority_is_refused)
{
    struct cert stranger;

    cert_make(&stranger, &(struct cert_spec){.name = "Stranger", .is_authority = true});
    check_cert_refused(ctx,
                       &(struct cert_spec){.name = "shop.test",
                                           .alternatives = "DNS:shop.test",
                                           .issuer = &stranger},
                       "certificate of an unknown authority", "refuses: unknown ca");
    cert_free(&stranger);
}

TLS_TEST(the_system_does_not_know_the_tests_authority)
{
    struct pair p = {.client_config = config_make(NULL)};

    check_refused(ctx, &p, "certificate", "refuses: unknown ca");
    covey_tls_config_unref(p.client_config);
}

TLS_TEST(a_certificate_for_another_name_or_address_is_refused)
{
    struct pair p = {.host = "bank.test"};

    check_refused(ctx, &p, "certificate is for shop.test, 127.0.0.1, not for bank.test",
                  "refuses: bad certificate");
    p.host = "127.0.0.2";
    check_refused(ctx, &p, "not for 127.0.0.2", "refuses: bad certificate");
    p.host = "sub.shop.test";
    check_refused(ctx, &p, "not for sub.shop.test", "refuses: bad certificate");
}

TLS_TEST(names_addresses_dots_and_wildcards_are_verified)
{
    static const char *const hosts[] = {"shop.test", "SHOP.test", "shop.test.", "127.0.0.1"};
    struct pair p = {0};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        p.host = hosts[i];
        shake_well(ctx, &p);
        CHECK_STR(covey_tls_info_of(p.server)->server_name, i == 3   ? ""
                                                            : i == 1 ? "SHOP.test"
                                                                     : "shop.test");
        pair_close(&p);
    }
    p.server_config = server_config(&world.other);
    p.host = "a.other.test";
    shake_well(ctx, &p);
    pair_close(&p);
    covey_tls_config_unref(p.server_config);
}

TLS_TEST(an_insecure_client_takes_any_certificate)
{
    covey_tls_options opts = {.insecure = true};
    covey_tls_config *config = config_make(&opts);
    struct pair p = {.client_config = covey_tls_config_ref(config), .host = "bank.test"};

    covey_tls_config_unref(config); /* the other reference keeps it */
    shake_well(ctx, &p);
    say(ctx, p.client, p.server, "whoever you are");
    pair_close(&p);
    covey_tls_config_unref(p.client_config);
}

/* ---- the client's certificate
 * -------------------------------------------------------------------- */

static covey_tls_config *asking_config(covey_tls_client_certs wish)
{
    covey_tls_identity id = identity_of(&world.shop);
    covey_tls_options opts = {.identities = &id,
                              .identity_count = 1,
                              .ca_pem = world.authority.cert_pem,
                              .client_certs = wish};
    return config_make(&opts);
}

static covey_tls_config *showing_config(const struct cert *c)
{
    covey_tls_identity id = identity_of(c);
    covey_tls_options opts = {
        .identities = &id, .identity_count = 1, .ca_pem = world.authority.cert_pem};
    return config_make(&opts);
}

TLS_TEST(a_client_shows_its_certificate_to_a_server_that_asks)
{
    struct pair p = {.server_config = asking_config(COVEY_TLS_CLIENT_CERT_REQUIRE),
                     .client_config = showing_config(&world.alice)};

    shake_well(ctx, &p);
    CHECK_STR(covey_tls_info_of(p.server)->peer_subject, "CN=alice");
    say(ctx, p.client, p.server, "it is me");
    say(ctx, p.server, p.client, "welcome");
    pair_close(&p);
    covey_tls_config_unref(p.client_config);
    covey_tls_config_unref(p.server_config);
}

TLS_TEST(a_client_without_a_certificate_is_refused_if_one_is_required)
{
    struct pair p = {.server_config = asking_config(COVEY_TLS_CLIENT_CERT_REQUIRE)};

    check_refused(ctx, &p, "refuses: certificate required", "the peer has shown no certificate");
    covey_tls_config_unref(p.server_config);
    p = (struct pair){.server_config = asking_config(COVEY_TLS_CLIENT_CERT_ASK)};
    shake_well(ctx, &p);
    CHECK_STR(covey_tls_info_of(p.server)->peer_subject, "");
    pair_close(&p);
    covey_tls_config_unref(p.server_config);
}

TLS_TEST(a_clients_certificate_of_a_stranger_is_refused)
{
    struct cert mallory;

    cert_make(&mallory, &(struct cert_spec){.name = "mallory"});
    for (int wish = COVEY_TLS_CLIENT_CERT_ASK; wish <= COVEY_TLS_CLIENT_CERT_REQUIRE; wish++) {
        struct pair p = {.server_config = asking_config((covey_tls_client_certs)wish),
                         .client_config = showing_config(&mallory)};
        check_refused(ctx, &p, "refuses: unknown ca", "self-signed certificate");
        covey_tls_config_unref(p.client_config);
        covey_tls_config_unref(p.server_config);
    }
    cert_free(&mallory);
}

/* ---- names and protocols
 * ------------------------------------------------------------------------- */

TLS_TEST(a_server_shows_the_certificate_of_the_name_that_is_asked_for)
{
    static const char *const hosts[] = {"shop.test", "other.test", "b.other.test", "127.0.0.1"};
    static const char *const shown[] = {"CN=shop.test", "CN=other.test", "CN=other.test",
                                        "CN=shop.test"};
    covey_tls_identity ids[] = {identity_of(&world.shop), identity_of(&world.other)};
    covey_tls_options opts = {.identities = ids, .identity_count = 2};
    covey_tls_config *config = config_make(&opts);

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct pair p = {.server_config = config, .host = hosts[i]};
        shake_well(ctx, &p);
        CHECK_STR(covey_tls_info_of(p.client)->peer_subject, shown[i]);
        pair_close(&p);
    }
    struct pair unknown = {.server_config = config, .host = "bank.test"};
    check_refused(ctx, &unknown, "certificate is for shop.test", "bad certificate");
    covey_tls_config_unref(config);
}

static covey_tls_config *alpn_config(bool is_server, const char *alpn)
{
    covey_tls_identity id = identity_of(&world.shop);
    covey_tls_options opts = {.ca_pem = world.authority.cert_pem, .alpn = alpn};

    if (is_server) {
        opts.identities = &id;
        opts.identity_count = 1;
    }
    return config_make(&opts);
}

static void check_alpn(covey_ctx *ctx, const char *client, const char *server, const char *agreed)
{
    struct pair p = {.client_config = alpn_config(false, client),
                     .server_config = alpn_config(true, server)};

    if (agreed) {
        shake_well(ctx, &p);
        CHECK_STR(covey_tls_info_of(p.client)->alpn, agreed);
        CHECK_STR(covey_tls_info_of(p.server)->alpn, agreed);
        pair_close(&p);
    } else {
        check_refused(ctx, &p, "refuses: no application protocol", "no application protocol");
    }
    covey_tls_config_unref(p.client_config);
    covey_tls_config_unref(p.server_config);
}

TLS_TEST(the_servers_first_protocol_that_the_client_has_is_agreed_on)
{
    check_alpn(ctx, "h2,http/1.1", "h2,http/1.1", "h2");
    check_alpn(ctx, "http/1.1,h2", "h2,http/1.1", "h2");
    check_alpn(ctx, "http/1.1", "h2,http/1.1", "http/1.1");
    check_alpn(ctx, NULL, "h2,http/1.1", "");
    check_alpn(ctx, "h2", NULL, "");
    check_alpn(ctx, "smtp", "h2,http/1.1", NULL);
}

/* ---- resumption and reload
 * ----------------------------------------------------------------------- */

/* Shakes hands and talks, so that the client has read its ticket; whether it was resumed. */
static bool visit(covey_ctx *ctx, covey_tls_config *client, covey_tls_config *server,
                  const char *host)
{
    struct pair p = {.client_config = client, .server_config = server, .host = host};

    shake_well(ctx, &p);
    say(ctx, p.client, p.server, "hello");
    say(ctx, p.server, p.client, "good day");
    bool is_resumed = covey_tls_info_of(p.client)->is_resumed;
    CHECK_EQ(covey_tls_info_of(p.server)->is_resumed, is_resumed);
    CHECK_STR(covey_tls_info_of(p.client)->peer_subject, "CN=shop.test");
    pair_close(&p);
    return is_resumed;
}

TLS_TEST(a_second_visit_resumes_the_first_of_the_same_host)
{
    CHECK(!visit(ctx, NULL, NULL, "shop.test"));
    CHECK(visit(ctx, NULL, NULL, "shop.test"));
    CHECK(visit(ctx, NULL, NULL, "shop.test"));
    CHECK(!visit(ctx, NULL, NULL, "127.0.0.1"));
    CHECK(visit(ctx, NULL, NULL, "127.0.0.1"));
}

TLS_TEST(either_side_can_do_without_resumption)
{
    covey_tls_identity id = identity_of(&world.shop);
    covey_tls_options opts = {.ca_pem = world.authority.cert_pem, .no_resumption = true};
    covey_tls_config *client = config_make(&opts);

    opts.identities = &id;
    opts.identity_count = 1;
    covey_tls_config *server = config_make(&opts);
    for (int i = 0; i < 2; i++) {
        CHECK(!visit(ctx, client, NULL, NULL));
        CHECK(!visit(ctx, NULL, server, NULL));
    }
    covey_tls_config_unref(client);
    covey_tls_config_unref(server);
}

TLS_TEST(a_session_with_a_certificate_is_resumed_with_it)
{
    covey_tls_config *client = showing_config(&world.alice);
    covey_tls_config *server = asking_config(COVEY_TLS_CLIENT_CERT_REQUIRE);

    for (int i = 0; i < 2; i++) {
        struct pair p = {.client_config = client, .server_config = server};
        shake_well(ctx, &p);
        say(ctx, p.server, p.client, "good day");
        CHECK_EQ(covey_tls_info_of(p.server)->is_resumed, i == 1);
        CHECK_STR(covey_tls_info_of(p.server)->peer_subject, "CN=alice");
        pair_close(&p);
    }
    covey_tls_config_unref(client);
    covey_tls_config_unref(server);
}

TLS_TEST(a_new_certificate_is_shown_from_the_next_handshake_on)
{
    struct cert renewed;
    struct pair before = {0}, after = {0};

    cert_make(&renewed, &(struct cert_spec){.name = "shop.test 2",
                                            .alternatives = "DNS:shop.test",
                                            .issuer = &world.authority});
    shake_well(ctx, &before);
    say(ctx, before.server, before.client, "before");
    covey_tls_identity id = identity_of(&renewed);
    covey_tls_options opts = {.identities = &id, .identity_count = 1};
    CHECK_EQ(covey_tls_config_update(world.server, &opts), 0);
    shake_well(ctx, &after);
    CHECK_STR(covey_tls_info_of(after.client)->peer_subject, "CN=shop.test 2");
    say(ctx, before.client, before.server, "still here");
    pair_close(&after);

    id.key_pem = world.other.key_pem;
    CHECK_EQ(covey_tls_config_update(world.server, &opts), COVEY_ETLS);
    shake_well(ctx, &after);
    CHECK_STR(covey_tls_info_of(after.client)->peer_subject, "CN=shop.test 2");
    pair_close(&after);
    pair_close(&before);
    cert_free(&renewed);
}

/* ---- peers that do not play along
 * ---------------------------------------------------------------- */

struct half {
    covey_ctx *ctx;
    covey_conn *c;
    bool is_server;
    int code;
    char words[256];
};

static int shake_half(covey_ctx *ctx, void *arg)
{
    struct half *h = arg;

    h->code = h->is_server
                  ? covey_tls_server(h->ctx ? h->ctx : ctx, &h->c, world.server)
                  : covey_tls_client(h->ctx ? h->ctx : ctx, &h->c, world.client, "shop.test");
    (void)snprintf(h->words, sizeof(h->words), "%s", covey_errmsg());
    return 0;
}

/* One side shakes hands, waits, and the other does what the test wants. */
static covey_group *go_half(covey_ctx *ctx, struct half *h, bool is_server, covey_conn **peer)
{
    covey_group *g = covey_group_new(ctx);

    h->is_server = is_server;
    tcp_pair(ctx, &h->c, peer);
    go_waiting(g, "hands", shake_half, h);
    return g;
}

TLS_TEST(a_peer_that_hangs_is_left_when_the_context_ends)
{
    char b;

    for (int is_server = 0; is_server <= 1; is_server++) {
        struct half h = {.ctx = covey_ctx_with_cancel(ctx)};
        covey_conn *peer;
        covey_group *g = go_half(ctx, &h, is_server, &peer);
        covey_ctx_cancel(h.ctx);
        JOIN(g);
        CHECK_EQ(h.code, COVEY_ECANCELED);
        CHECK(h.c == NULL);
        while (covey_read(ctx, peer, &b, 1) == 1) { /* the client's hello */
        }
        covey_close(peer);
        covey_ctx_unref(h.ctx);

        h = (struct half){.ctx = covey_ctx_with_timeout(ctx, COVEY_MS), .is_server = is_server};
        tcp_pair(ctx, &h.c, &peer);
        CHECK_EQ(shake_half(ctx, &h), 0);
        CHECK_EQ(h.code, COVEY_EDEADLINE);
        covey_close(peer);
        covey_ctx_unref(h.ctx);
    }
}

TLS_TEST(a_peer_that_closes_or_sends_garbage_is_told_so)
{
    for (int is_server = 0; is_server <= 1; is_server++) {
        struct half h = {0};
        covey_conn *peer;
        covey_group *g = go_half(ctx, &h, is_server, &peer);
        CHECK_EQ(covey_shutdown_write(peer), 0);
        JOIN(g);
        CHECK_EQ(h.code, COVEY_EPROTO);
        CHECK_SAYS(h.words, "ended in the handshake");
        covey_close(peer);

        g = go_half(ctx, &h, is_server, &peer);
        CHECK_EQ(covey_write(ctx, peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
        JOIN(g);
        CHECK_EQ(h.code, COVEY_ETLS);
        CHECK_SAYS(h.words, "does not speak TLS");
        covey_close(peer);
    }
}

struct pump {
    covey_conn *from, *to;
};

/* Byte by byte, until it is cancelled. */
static int dribble(covey_ctx *ctx, void *arg)
{
    const struct pump *p = arg;
    char byte;

    while (covey_read(ctx, p->from, &byte, 1) == 1 && covey_write(ctx, p->to, &byte, 1) == 1) {
    }
    return 0;
}

TLS_TEST(a_handshake_that_dribbles_in_byte_by_byte_succeeds)
{
    covey_group *g = covey_group_new(ctx), *middle = covey_group_new(ctx);
    covey_conn *a, *b;
    struct pair p = {0};

    /* Client - a ... b - server, with tasks of ours in the middle. */
    tcp_pair(ctx, &p.client, &a);
    tcp_pair(ctx, &b, &p.server);
    p.client_config = world.client;
    p.server_config = world.server;
    struct half h = {.c = p.client};
    GO(g, shake_half, &h);
    GO(g, shake_as_server, &p);
    struct pump there = {a, b}, back = {b, a};
    GO(middle, dribble, &there);
    GO(middle, dribble, &back);
    JOIN(g);
    covey_group_cancel(middle, 0);
    JOIN(middle);
    CHECK_EQ(h.code, 0);
    CHECK_EQ(p.server_code, 0);
    covey_close(h.c);
    covey_close(p.server);
    covey_close(a);
    covey_close(b);
}

/* ---- configs
 * ------------------------------------------------------------------------------------- */

static void check_bad(const covey_tls_options *opts, int code, const char *words)
{
    covey_tls_config *config;

    CHECK_EQ(covey_tls_config_new(&config, opts), code);
    CHECK_SAYS(covey_errmsg(), words);
}

TLS_TEST(what_cannot_be_used_is_told)
{
    covey_tls_identity id = {.cert_file = "/no/such/cert.pem"};
    covey_tls_options opts = {.identities = &id, .identity_count = 1};

    check_bad(&opts, -ENOENT, "/no/such/cert.pem: no such file");
    id = (covey_tls_identity){0};
    check_bad(&opts, -EINVAL, "neither a file nor a text");
    id = (covey_tls_identity){.cert_pem = "nonsense", .key_pem = "nonsense"};
    check_bad(&opts, COVEY_ETLS, "no certificate in text");
    id = identity_of(&world.shop);
    id.key_pem = "nonsense";
    check_bad(&opts, COVEY_ETLS, "no private key in text");
    id.key_pem = world.other.key_pem;
    check_bad(&opts, COVEY_ETLS, "the key is not the certificate's");
    check_bad(&(covey_tls_options){.ca_file = "/no/such/ca.pem"}, -ENOENT, "/no/such/ca.pem");
    check_bad(&(covey_tls_options){.ca_pem = ""}, COVEY_ETLS, "no authority's certificate");
    check_bad(&(covey_tls_options){.alpn = "h2,,x"}, -EINVAL, "not a list of protocols");
    check_bad(&(covey_tls_options){.alpn = ","}, -EINVAL, "not a list of protocols");
    check_bad(&(covey_tls_options){.alpn = "h2,"}, -EINVAL, "not a list of protocols");
    opts = (covey_tls_options){.client_certs = COVEY_TLS_CLIENT_CERT_REQUIRE};
    check_bad(&opts, -EINVAL, "ca_file");
}

TLS_TEST(a_handshake_without_what_it_needs_is_refused_and_closed)
{
    covey_conn *a, *b;
    char byte;

    tcp_pair(ctx, &a, &b);
    CHECK_EQ(covey_tls_client(ctx, &a, world.client, NULL), -EINVAL);
    CHECK(a == NULL);
    CHECK_EQ(covey_tls_server(ctx, &b, world.client), -EINVAL); /* it has no certificate */
    CHECK(b == NULL);
    tcp_pair(ctx, &a, &b);
    CHECK_EQ(covey_tls_client(ctx, &a, NULL, "shop.test"), -EINVAL);
    CHECK_EQ(covey_read(ctx, b, &byte, 1), 0);
    CHECK_EQ(covey_tls_server(ctx, &b, NULL), -EINVAL);
    tcp_pair(ctx, &a, &b);
    CHECK_EQ(covey_tls_client(ctx, &a, world.client, ""), -EINVAL);
    covey_close(b);
}

TLS_TEST(files_serve_as_well_as_text)
{
    char path[] = "/tmp/covey-tls-XXXXXX";
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");

    CHECK(out);
    CHECK(fputs(world.shop.cert_pem, out) >= 0);
    CHECK(fputs(world.authority.cert_pem, out) >= 0); /* the rest of the chain */
    CHECK(fputs(world.shop.key_pem, out) >= 0);
    CHECK_EQ(fclose(out), 0);
    covey_tls_identity id = {.cert_file = path};
    covey_tls_options opts = {.identities = &id, .identity_count = 1};
    struct pair p = {.server_config = config_make(&opts)};
    opts = (covey_tls_options){.ca_file = path};
    p.client_config = config_make(&opts);
    CHECK_EQ(unlink(path), 0);
    shake_well(ctx, &p);
    say(ctx, p.client, p.server, "hello");
    pair_close(&p);
    covey_tls_config_unref(p.client_config);
    covey_tls_config_unref(p.server_config);
}
