/* SPDX-License-Identifier: MIT
 * tls_echo.c - a server and its clients talk TLS; the certificate is renewed while they do.
 *
 * Each connection is a task on either side, and none outlives the group it was started in. It shows
 * that a client refuses a server of another name, that a second visit resumes the first, and that a
 * renewed certificate is used without a restart; and says how many handshakes and megabytes a
 * second this machine does, both ends counted.
 *
 * The certificate is made with the command openssl; without that there is nothing to show. */
#include "example.h"

#include <covey/tls.h>
#include <stdio.h>
#include <unistd.h>

static int64_t connections = 100, megabytes = 64;

static const struct example_option options[] = {
    {"--connections", &connections, "connections, one after the other"},
    {"--megabytes", &megabytes, "megabytes sent over one of them"},
};

static char folder[] = "/tmp/tls-echo-XXXXXX";
static char cert_file[64], key_file[64];

/* ---- the server
 * ---------------------------------------------------------------------------------- */

struct server {
    covey_listener *listener;
    covey_tls_config *config;
};

struct visit {
    covey_conn *conn;
    covey_tls_config *config;
};

static int echo(covey_ctx *ctx, void *arg)
{
    struct visit *v = arg;
    char buf[16384];
    ssize_t n;

    /* A client that does not finish its handshake is not waited for for ever. */
    covey_ctx *soon = covey_ctx_with_timeout(ctx, 10 * COVEY_SEC);
    int err = covey_tls_server(soon, &v->conn, v->config);
    covey_ctx_unref(soon);
    if (err < 0) {
        printf("server: %s\n", covey_errmsg());
        return 0; /* one client's failure is not the server's */
    }
    while ((n = covey_read(ctx, v->conn, buf, sizeof(buf))) > 0 &&
           covey_write(ctx, v->conn, buf, (size_t)n) == n) {
    }
    covey_close(v->conn);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_group *group = covey_group_new(ctx);
    struct visit v = {.config = s->config};

    while (covey_accept(ctx, s->listener, &v.conn) == 0) {
        if (covey_group_go_copy(group, echo, &v, sizeof(v)) < 0) {
            covey_close(v.conn);
        }
    }
    return covey_group_wait(group);
}

/* ---- the clients
 * --------------------------------------------------------------------------------- */

static int connect_to(covey_ctx *ctx, const struct server *s, covey_tls_config *client,
                      const char *host, covey_conn **c)
{
    int err = covey_dial(ctx, c, covey_listener_addr(s->listener));

    return err < 0 ? err : covey_tls_client(ctx, c, client, host);
}

/* Says a few words, so that the server's ticket is read too; whether an earlier visit was resumed.
 */
static bool visit(covey_ctx *ctx, const struct server *s, covey_tls_config *client)
{
    covey_conn *c;
    char buf[5];

    if (connect_to(ctx, s, client, "localhost", &c) < 0) {
        return expect(false, "connected: %s", covey_errmsg());
    }
    bool is_resumed = covey_tls_info_of(c)->is_resumed;
    (void)covey_write(ctx, c, "hello", 5);
    (void)covey_read_full(ctx, c, buf, 5);
    covey_close(c);
    return is_resumed;
}

static covey_tls_config *client_config(bool resumes)
{
    covey_tls_options opts = {.ca_file = cert_file, .no_resumption = !resumes};
    covey_tls_config *config = NULL;

    if (covey_tls_config_new(&config, &opts) < 0) {
        expect(false, "a client's config: %s", covey_errmsg());
    }
    return config;
}

static void count_handshakes(covey_ctx *ctx, const struct server *s, bool resumes)
{
    covey_tls_config *client = client_config(resumes);
    int64_t resumed = 0, start = covey_now();

    for (int64_t i = 0; i < connections; i++) {
        covey_conn *c;
        char b;
        if (connect_to(ctx, s, client, "localhost", &c) == 0) {
            resumed += covey_tls_info_of(c)->is_resumed;
            (void)covey_write(ctx, c, "x", 1);
            (void)covey_read(ctx, c, &b, 1);
            covey_close(c);
        }
    }
    double took = (double)(covey_now() - start) / (double)COVEY_SEC;
    printf("%.0f %s handshakes/s\n", (double)connections / took, resumes ? "resumed" : "full");
    expect(resumed == (resumes ? connections - 1 : 0), "%lld of %lld were resumed",
           (long long)resumed, (long long)connections);
    covey_tls_config_unref(client);
}

struct stream {
    covey_conn *c;
    int64_t left;
};

static int send_all(covey_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    static char buf[65536];

    for (; s->left > 0; s->left -= (int64_t)sizeof(buf)) {
        if (covey_write(ctx, s->c, buf, sizeof(buf)) < 0) {
            return covey_errcode();
        }
    }
    return covey_shutdown_write(s->c);
}

/* Sends and receives at once, on one connection, from two tasks. */
static void count_megabytes(covey_ctx *ctx, const struct server *s)
{
    covey_tls_config *client = client_config(true);
    covey_group *group = covey_group_new(ctx);
    struct stream out = {.left = megabytes << 20};
    static char buf[65536];
    int64_t came = 0;
    ssize_t n;

    if (expect(connect_to(ctx, s, client, "localhost", &out.c) == 0, "connected")) {
        int64_t start = covey_now();
        covey_group_go(group, send_all, &out);
        while ((n = covey_read(ctx, out.c, buf, sizeof(buf))) > 0) {
            came += n;
        }
        double took = (double)(covey_now() - start) / (double)COVEY_SEC;
        printf("%.0f MB/s each way\n", (double)megabytes / took);
    }
    expect(covey_group_wait(group) == 0 && came == megabytes << 20, "all bytes came back");
    covey_close(out.c);
    covey_tls_config_unref(client);
}

/* ---- all of it
 * ----------------------------------------------------------------------------------- */

static int make_certificate(covey_ctx *ctx, void *arg)
{
    char command[512];

    (void)ctx;
    (void)snprintf(command, sizeof(command),
                   "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 "
                   "-subj '/CN=%s' -addext subjectAltName=DNS:localhost -keyout %s -out %s "
                   "2>/dev/null",
                   (const char *)arg, key_file, cert_file);
    return system(command) == 0 ? 0 : -ENOENT;
}

static void show(covey_ctx *ctx, struct server *s, const covey_tls_options *opts)
{
    covey_tls_config *client = client_config(true);
    covey_conn *c;

    int err = connect_to(ctx, s, client, "elsewhere", &c);
    expect(err == COVEY_ETLS, "refused: %s", covey_errmsg());
    expect(!visit(ctx, s, client), "a first visit is a full handshake");
    expect(visit(ctx, s, client), "a second one is resumed");
    count_handshakes(ctx, s, false);
    count_handshakes(ctx, s, true);
    count_megabytes(ctx, s);

    if (covey_blocking(ctx, make_certificate, "renewed") == 0) {
        expect(covey_tls_config_update(s->config, opts) == 0, "the certificate was renewed");
        expect(connect_to(ctx, s, client, "localhost", &c) == COVEY_ETLS,
               "who trusts only the old one refuses the new");
        covey_tls_config *fresh = client_config(true);
        expect(!visit(ctx, s, fresh), "who trusts the new one is served");
        covey_tls_config_unref(fresh);
    }
    covey_tls_config_unref(client);
}

static int run(covey_ctx *ctx, void *arg)
{
    covey_tls_identity id = {.cert_file = cert_file, .key_file = key_file};
    covey_tls_options opts = {.identities = &id, .identity_count = 1};
    struct server s = {0};

    (void)arg;
    int err = covey_blocking(ctx, make_certificate, "first");
    if (err < 0) {
        printf("no certificate: is the command openssl there?\n");
        return 0;
    }
    err = covey_tls_config_new(&s.config, &opts);
    if (err == 0) {
        err = covey_listen(&s.listener, "tcp://127.0.0.1:0", NULL);
    }
    if (err == 0) {
        covey_group *group = covey_group_new(ctx);
        covey_group_go(group, serve, &s);
        show(ctx, &s, &opts);
        covey_listener_close(s.listener);
        err = covey_group_wait(group);
    }
    covey_tls_config_unref(s.config);
    return err;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "TLS between a server and its clients.", options, 2);
    if (!mkdtemp(folder)) {
        return 1;
    }
    (void)snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", folder);
    (void)snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    int err = covey_run(run, NULL);
    (void)unlink(cert_file);
    (void)unlink(key_file);
    (void)rmdir(folder);
    return example_result(err);
}
