/* SPDX-License-Identifier: MIT
 * interop_test.c - the two sides of covey's TLS against others' programs: curl and openssl's
 * s_client and s_server. */
#include "../conformance/tls_pair.h"

#include <covey/tls.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- programs, run off the workers
 * --------------------------------------------------------------- */

struct program {
    char command[1024];
    char output[65536];
    int status;          /* what it exits with */
    const char *await;   /* once a line has it ... */
    covey_chan *awaited; /* ... the line is sent here, as a copy of char[256] */
};

static int run_program(covey_ctx *ctx, void *arg)
{
    struct program *p = arg;
    FILE *in = popen(p->command, "r");
    char line[256];
    size_t len = 0;

    (void)ctx;
    CHECK(in);
    while (fgets(line, sizeof(line), in)) {
        size_t n = strlen(line);
        CHECK(len + n < sizeof(p->output));
        memcpy(p->output + len, line, n + 1);
        len += n;
        if (p->await && strstr(line, p->await)) {
            p->await = NULL;
            CHECK_EQ(covey_chan_send(NULL, p->awaited, line), 0);
        }
    }
    int status = pclose(in);
    p->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return 0;
}

static int run_in_task(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_blocking(ctx, run_program, arg), 0);
    return 0;
}

static void need(const char *program)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
    if (system(command) != 0) {
        SKIP("a program is missing");
    }
}

/* The world's certificates as files; world.path is not kept: each test has its own. */
static char folder[] = "/tmp/covey-interop-XXXXXX";

static void write_file(const char *name, const char *text, const char *more)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    CHECK(out);
    CHECK(fputs(text, out) >= 0 && fputs(more, out) >= 0);
    CHECK_EQ(fclose(out), 0);
}

static void files_make(void)
{
    CHECK(mkdtemp(folder));
    write_file("ca.pem", world.authority.cert_pem, "");
    write_file("shop.pem", world.shop.cert_pem, world.shop.key_pem);
    write_file("alice.pem", world.alice.cert_pem, world.alice.key_pem);
}

static void files_remove(void)
{
    static const char *const names[] = {"ca.pem", "shop.pem", "alice.pem", "sess.pem"};
    char path[128];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    CHECK_EQ(rmdir(folder), 0);
}

/* ---- our server
 * ---------------------------------------------------------------------------------- */

struct service {
    covey_listener *l;
    covey_tls_config *config;
    int visits, failed, resumed;
    char version[16], subject[64];
};

static const char *port_of(const struct service *s)
{
    return strrchr(covey_listener_addr(s->l), ':') + 1;
}

/* A request that ends with an empty line, or one line, is answered. */
static void answer(covey_ctx *ctx, covey_conn *c)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n"
                               "hello covered\n";
    char buf[4096];
    size_t len = 0;
    ssize_t n;

    while (len < sizeof(buf) - 1 &&
           (n = covey_read(ctx, c, buf + len, sizeof(buf) - 1 - len)) > 0) {
        len += (size_t)n;
        buf[len] = '\0';
        if (strstr(buf, "\r\n\r\n")) {
            CHECK_EQ(covey_write(ctx, c, page, sizeof(page) - 1), sizeof(page) - 1);
            break;
        }
        if (strncmp(buf, "GET ", 4) != 0 && buf[len - 1] == '\n') {
            CHECK_EQ(covey_write(ctx, c, buf, len), (ssize_t)len);
            len = 0;
        }
    }
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct service *s = arg;
    covey_conn *c;

    while (covey_accept(ctx, s->l, &c) == 0) {
        s->visits++;
        if (covey_tls_server(ctx, &c, s->config) < 0) {
            s->failed++;
            continue;
        }
        const covey_tls_info *info = covey_tls_info_of(c);
        s->resumed += info->is_resumed;
        (void)snprintf(s->version, sizeof(s->version), "%s", info->version);
        (void)snprintf(s->subject, sizeof(s->subject), "%s", info->peer_subject);
        answer(ctx, c);
        covey_close(c);
    }
    return 0;
}

/* Runs a program against our server; {port} and {dir} of the command are filled in. */
static void visit(covey_ctx *ctx, struct service *s, struct program *p, const char *command)
{
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(covey_listen(&s->l, "tcp://127.0.0.1:0", NULL), 0);
    s->config = s->config ? s->config : world.server;
    GO(g, serve, s);
    /* $1: the port, $2: the folder. */
    (void)snprintf(p->command, sizeof(p->command), "set -- %s %s; %s", port_of(s), folder, command);
    CHECK_EQ(run_in_task(ctx, p), 0);
    covey_listener_close(s->l);
    JOIN(g);
}

#define INTEROP_TEST(test, tool)                                                                   \
    static void files_##test(covey_ctx *ctx, struct program *p);                                   \
    TLS_TEST(test)                                                                                 \
    {                                                                                              \
        static struct program p;                                                                   \
        need(tool);                                                                                \
        files_make();                                                                              \
        files_##test(ctx, &p);                                                                     \
        files_remove();                                                                            \
    }                                                                                              \
    static void files_##test(covey_ctx *ctx, struct program *p)

INTEROP_TEST(curl_fetches_from_us, "curl")
{
    struct service s = {0};

    visit(
        ctx, &s, p,
        "curl -sS --cacert $2/ca.pem --resolve shop.test:$1:127.0.0.1 https://shop.test:$1/ 2>&1");
    CHECK_STR(p->output, "hello covered\n");
    CHECK_EQ(p->status, 0);
    CHECK_EQ(s.visits, 1);
}

INTEROP_TEST(curl_does_not_trust_us_unasked, "curl")
{
    struct service s = {0};

    visit(ctx, &s, p, "curl -sS --resolve shop.test:$1:127.0.0.1 https://shop.test:$1/ 2>&1");
    CHECK_EQ(p->status, 60);
    CHECK_EQ(s.failed, 1);
}

INTEROP_TEST(curl_shows_its_certificate, "curl")
{
    covey_tls_identity id = identity_of(&world.shop);
    covey_tls_options opts = {.identities = &id,
                              .identity_count = 1,
                              .ca_pem = world.authority.cert_pem,
                              .client_certs = COVEY_TLS_CLIENT_CERT_REQUIRE};
    struct service s = {.config = config_make(&opts)};

    visit(ctx, &s, p,
          "curl -sS --cacert $2/ca.pem --cert $2/alice.pem --resolve shop.test:$1:127.0.0.1 "
          "https://shop.test:$1/ 2>&1");
    CHECK_STR(p->output, "hello covered\n");
    CHECK_STR(s.subject, "CN=alice");
    covey_tls_config_unref(s.config);
}

#define S_CLIENT                                                                                   \
    "printf 'hello\\n' | openssl s_client -quiet -no_ign_eof -verify_return_error "                \
    "-CAfile $2/ca.pem -servername shop.test -verify_hostname shop.test -connect 127.0.0.1:$1 "

INTEROP_TEST(s_client_talks_with_us_in_both_versions, "openssl")
{
    struct service s = {0};

    visit(ctx, &s, p, S_CLIENT "-tls1_3 2>/dev/null");
    CHECK_STR(s.version, "TLSv1.3");
    visit(ctx, &s, p, S_CLIENT "-tls1_2 2>/dev/null");
    CHECK_STR(s.version, "TLSv1.2");
    visit(ctx, &s, p, S_CLIENT "-tls1_1 -cipher DEFAULT:@SECLEVEL=0 2>&1");
    CHECK(p->status != 0);
    CHECK_EQ(s.failed, 1);
}

INTEROP_TEST(s_client_resumes_a_session_of_ours, "openssl")
{
    struct service s = {0};

    visit(ctx, &s, p, S_CLIENT "-tls1_2 -sess_out $2/sess.pem 2>/dev/null");
    CHECK_EQ(p->status, 0);
    CHECK_EQ(s.resumed, 0);
    visit(ctx, &s, p, S_CLIENT "-tls1_2 -sess_in $2/sess.pem 2>/dev/null");
    CHECK_EQ(p->status, 0);
    CHECK_EQ(s.resumed, 1);
}

INTEROP_TEST(a_renegotiation_is_refused, "openssl")
{
    struct service s = {0};

    visit(ctx, &s, p,
          "printf 'R\\n' | openssl s_client -tls1_2 -CAfile $2/ca.pem -connect 127.0.0.1:$1 2>&1");
    CHECK_SAYS(p->output, "no renegotiation");
}

/* ---- a peer that changes its keys all the time
 * --------------------------------------------------- */

enum { ROUNDS = 100 };

struct changer {
    int fd;
    int rounds;
};

/* OpenSSL by itself, on a socket that blocks. */
static int change_and_talk(covey_ctx *ctx, void *arg)
{
    struct changer *k = arg;
    SSL_CTX *with = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(with);
    char buf[6];

    (void)ctx;
    CHECK(ssl && SSL_set_fd(ssl, k->fd));
    CHECK_EQ(SSL_connect(ssl), 1);
    for (; k->rounds < ROUNDS; k->rounds++) {
        CHECK_EQ(SSL_key_update(ssl, k->rounds % 2 ? SSL_KEY_UPDATE_REQUESTED
                                                   : SSL_KEY_UPDATE_NOT_REQUESTED),
                 1);
        CHECK_EQ(SSL_write(ssl, "hello\n", 6), 6);
        for (int n = 0; n < 6;) {
            int part = SSL_read(ssl, buf + n, 6 - n);
            CHECK(part > 0);
            n += part;
        }
        CHECK(memcmp(buf, "hello\n", 6) == 0);
    }
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(with);
    return 0;
}

TLS_TEST(a_peer_may_change_its_keys_and_ask_for_ours)
{
    covey_group *g = covey_group_new(ctx);
    struct service s = {.config = world.server};
    struct changer k = {0};
    covey_conn *c;

    CHECK_EQ(covey_listen(&s.l, "tcp://127.0.0.1:0", NULL), 0);
    GO(g, serve, &s);
    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(s.l)), 0);
    k.fd = dup(covey_conn_fd(c));
    covey_close(c);
    CHECK_EQ(fcntl(k.fd, F_SETFL, 0), 0);
    CHECK_EQ(covey_blocking(ctx, change_and_talk, &k), 0);
    CHECK_EQ(k.rounds, ROUNDS);
    CHECK_EQ(close(k.fd), 0);
    covey_listener_close(s.l);
    JOIN(g);
}

/* ---- our client
 * ---------------------------------------------------------------------------------- */

/* Starts s_server, which turns lines around, and connects to it twice; the group ends with it. */
static covey_group *go_server(covey_ctx *ctx, struct program *p, const char *options, char *addr)
{
    covey_group *g = covey_group_new(ctx);
    char line[256];

    p->await = "ACCEPT ";
    p->awaited = covey_chan_new(sizeof(line), 1);
    (void)snprintf(p->command, sizeof(p->command),
                   "openssl s_server -accept 127.0.0.1:0 -naccept 2 -rev -cert %s/shop.pem %s "
                   "</dev/null 2>&1",
                   folder, options);
    GO(g, run_in_task, p);
    CHECK_EQ(covey_chan_recv(ctx, p->awaited, line), 0);
    line[strcspn(line, "\r\n")] = '\0';
    (void)snprintf(addr, 64, "tcp://127.0.0.1%s", strrchr(line, ':'));
    return g;
}

static bool turn_around(covey_ctx *ctx, const char *addr, covey_tls_config *config)
{
    covey_conn *c;
    char buf[6];

    CHECK_EQ(covey_dial(ctx, &c, addr), 0);
    int code = covey_tls_client(ctx, &c, config, "shop.test");
    if (code < 0) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, 0);
    CHECK_EQ(covey_write(ctx, c, "hello\n", 6), 6);
    CHECK_EQ(covey_read_full(ctx, c, buf, 6), 6);
    CHECK(memcmp(buf, "olleh\n", 6) == 0);
    bool is_resumed = covey_tls_info_of(c)->is_resumed;
    covey_close(c);
    return is_resumed;
}

static void check_server(covey_ctx *ctx, struct program *p, const char *options)
{
    char addr[64];
    covey_group *g = go_server(ctx, p, options, addr);

    CHECK(!turn_around(ctx, addr, world.client));
    CHECK(turn_around(ctx, addr, world.client));
    JOIN(g);
    CHECK_EQ(p->status, 0);
    covey_chan_unref(p->awaited);
}

INTEROP_TEST(we_talk_with_s_server_and_resume, "openssl")
{
    check_server(ctx, p, "-tls1_3");
}

INTEROP_TEST(we_talk_with_s_server_of_an_older_version_and_resume, "openssl")
{
    check_server(ctx, p, "-tls1_2");
}

INTEROP_TEST(s_server_sees_our_certificate, "openssl")
{
    covey_tls_identity id = identity_of(&world.alice);
    covey_tls_options opts = {
        .identities = &id, .identity_count = 1, .ca_pem = world.authority.cert_pem};
    covey_tls_config *config = config_make(&opts);
    char addr[64], options[128];

    (void)snprintf(options, sizeof(options), "-Verify 1 -verify_return_error -CAfile %s/ca.pem",
                   folder);
    covey_group *g = go_server(ctx, p, options, addr);
    (void)turn_around(ctx, addr, config);
    (void)turn_around(ctx, addr, config);
    JOIN(g);
    CHECK_EQ(p->status, 0);
    covey_chan_unref(p->awaited);
    covey_tls_config_unref(config);
}
