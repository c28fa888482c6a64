/* SPDX-License-Identifier: MIT
 * tls_pair.h - what the tests of TLS share: an authority with some certificates, configs, and two
 * ends of a connection that shake hands. */
#ifndef CVY_TLS_PAIR_H
#define CVY_TLS_PAIR_H

#include "support.h"
#include "tcp_pair.h"
#include "tls_certs.h"

#include <covey/tls.h>

/* What a test may use; made by world_make(). */
static struct world {
    struct cert authority, shop, other, alice;
    covey_tls_config *client, *server; /* trusts the authority; is the shop */
} world;

static inline covey_tls_config *config_make(const covey_tls_options *opts)
{
    covey_tls_config *config;

    int code = covey_tls_config_new(&config, opts);
    if (code < 0) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, 0);
    return config;
}

static inline covey_tls_identity identity_of(const struct cert *c)
{
    return (covey_tls_identity){.cert_pem = c->cert_pem, .key_pem = c->key_pem};
}

static inline covey_tls_config *server_config(const struct cert *c)
{
    covey_tls_identity id = identity_of(c);
    covey_tls_options opts = {.identities = &id, .identity_count = 1};
    return config_make(&opts);
}

static inline covey_tls_config *client_config(const struct cert *authority)
{
    covey_tls_options opts = {.ca_pem = authority->cert_pem};
    return config_make(&opts);
}

static inline void world_make(void)
{
    struct cert *ca = &world.authority;

    cert_make(ca, &(struct cert_spec){.name = "Test authority", .is_authority = true});
    cert_make(&world.shop, &(struct cert_spec){.name = "shop.test",
                                               .alternatives = "DNS:shop.test,IP:127.0.0.1",
                                               .issuer = ca});
    cert_make(&world.other, &(struct cert_spec){.name = "other.test",
                                                .alternatives = "DNS:other.test,DNS:*.other.test",
                                                .issuer = ca});
    cert_make(&world.alice, &(struct cert_spec){.name = "alice", .issuer = ca});
    world.client = client_config(ca);
    world.server = server_config(&world.shop);
}

static inline void world_free(void)
{
    covey_tls_config_unref(world.client);
    covey_tls_config_unref(world.server);
    cert_free(&world.authority);
    cert_free(&world.shop);
    cert_free(&world.other);
    cert_free(&world.alice);
}

/* As TASK_TEST, with a world. */
#define TLS_TEST(test)                                                                             \
    static void world_##test(covey_ctx *ctx);                                                      \
    TASK_TEST(test)                                                                                \
    {                                                                                              \
        world_make();                                                                              \
        world_##test(ctx);                                                                         \
        world_free();                                                                              \
    }                                                                                              \
    static void world_##test(__attribute__((unused)) covey_ctx *ctx)

/* Two ends, and what became of their handshakes. */
struct pair {
    covey_tls_config *client_config, *server_config; /* NULL: the world's */
    const char *host;                                /* NULL: shop.test */
    covey_conn *client, *server;
    int client_code, server_code;
    char client_words[256], server_words[256];
};

static inline int shake_as_server(covey_ctx *ctx, void *arg)
{
    struct pair *p = arg;

    p->server_code = covey_tls_server(ctx, &p->server, p->server_config);
    (void)snprintf(p->server_words, sizeof(p->server_words), "%s", covey_errmsg());
    return 0;
}

/* Over ends that are there. A client may think well of a handshake that the server refuses: what it
 * reads then is its code. */
static inline void shake_over(covey_ctx *ctx, struct pair *p)
{
    covey_group *g = covey_group_new(ctx);
    char b;

    p->client_config = p->client_config ? p->client_config : world.client;
    p->server_config = p->server_config ? p->server_config : world.server;
    GO(g, shake_as_server, p);
    p->client_code =
        covey_tls_client(ctx, &p->client, p->client_config, p->host ? p->host : "shop.test");
    (void)snprintf(p->client_words, sizeof(p->client_words), "%s", covey_errmsg());
    JOIN(g);
    if (p->client_code == 0 && p->server_code < 0) {
        p->client_code = (int)covey_read(ctx, p->client, &b, 1);
        (void)snprintf(p->client_words, sizeof(p->client_words), "%s", covey_errmsg());
        covey_close(p->client);
        p->client = NULL;
    }
    CHECK_EQ(p->client == NULL, p->client_code < 0);
    CHECK_EQ(p->server == NULL, p->server_code < 0);
}

static inline void shake(covey_ctx *ctx, struct pair *p)
{
    tcp_pair(ctx, &p->client, &p->server);
    shake_over(ctx, p);
}

static inline void shake_well(covey_ctx *ctx, struct pair *p)
{
    shake(ctx, p);
    if (p->client_code < 0 || p->server_code < 0) {
        fprintf(stderr, "# client: %s; server: %s\n", p->client_words, p->server_words);
    }
    CHECK_EQ(p->client_code, 0);
    CHECK_EQ(p->server_code, 0);
}

static inline void pair_close(struct pair *p)
{
    covey_close(p->client);
    covey_close(p->server);
    p->client = p->server = NULL;
}

static inline void say(covey_ctx *ctx, covey_conn *from, covey_conn *to, const char *words)
{
    char buf[256];
    ssize_t len = (ssize_t)strlen(words);

    CHECK_EQ(covey_write(ctx, from, words, (size_t)len), len);
    CHECK_EQ(covey_read_full(ctx, to, buf, (size_t)len), len);
    CHECK(memcmp(buf, words, (size_t)len) == 0);
}

#define CHECK_SAYS(words, part)                                                                    \
    do {                                                                                           \
        if (!strstr((words), (part))) {                                                            \
            fprintf(stderr, "# \"%s\" does not say \"%s\"\n", (words), (part));                    \
        }                                                                                          \
        CHECK(strstr((words), (part)) != NULL);                                                    \
    } while (0)

#endif
