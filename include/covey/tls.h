/* SPDX-License-Identifier: MIT
 * covey/tls.h - TLS over a connection (library libcovey-tls on OpenSSL 3, not part of <covey.h>).
 *
 * covey_tls_client() and covey_tls_server() turn a covey_conn into one that speaks TLS, for the
 * calls of covey/net.h; as there, one task may read while another writes. TLS 1.2 or later; no
 * renegotiation, no compression. The peer is verified unless told otherwise: chain, dates, name.
 *
 * COVEY_ETLS: a certificate was not accepted, by this side or the other, the two do not agree, or
 * what came is no TLS. COVEY_EPROTO: the stream ended without the peer's goodbye (close_notify), so
 * what was read may have been cut short; a clean end reads as 0. Other failures are those of the
 * connection below. The words say why: "tls example.org: certificate has expired".
 *
 * A task that does TLS needs a stack of 64 KiB or more. */
#ifndef COVEY_TLS_H
#define COVEY_TLS_H

#include <covey/defs.h>
#include <covey/net.h>

COVEY_BEGIN

/* A certificate and its key, from files or from text; PEM. */
typedef struct covey_tls_identity {
    const char *cert_file; /* the own certificate first, then the intermediate ones */
    const char *key_file;  /* not encrypted; NULL: it is in cert_file */
    const char *cert_pem;  /* the same as text; NULL: the files are read */
    const char *key_pem;   /* NULL: it is in cert_pem */
} covey_tls_identity;

/* What a server wants of its clients. */
typedef enum covey_tls_client_certs {
    COVEY_TLS_CLIENT_CERT_NONE,
    COVEY_TLS_CLIENT_CERT_ASK,    /* verified if there is one; covey_tls_info says */
    COVEY_TLS_CLIENT_CERT_REQUIRE /* without one the handshake fails */
} covey_tls_client_certs;

typedef struct covey_tls_options {
    /* Who we are: a server has at least one, and shows the first whose names match the one that the
     * client asks for (SNI), else the first. A client shows the first, if a server asks. */
    const covey_tls_identity *identities;
    size_t identity_count;

    /* Whom to trust; both NULL: the system's authorities. Both given: both are trusted. */
    const char *ca_file;                 /* PEM, any number of certificates */
    const char *ca_pem;                  /* the same as text */
    bool insecure;                       /* client: accept any certificate */
    covey_tls_client_certs client_certs; /* server; needs ca_file or ca_pem */

    const char *alpn;   /* protocols by preference, "h2,http/1.1"; NULL: none. A server's order
                           counts; a client that offers others only is refused */
    bool tls13;         /* TLS 1.3 or later */
    bool no_resumption; /* neither keep sessions (client, by host) nor give tickets (server) */
} covey_tls_options;

/* The options as both sides use them, read and checked once. Shared and counted; any thread. */
typedef struct covey_tls_config covey_tls_config;

/* *config is owned: covey_tls_config_unref(). opts (NULL: defaults, for a client) is borrowed for
 * the call. Reads files at once: in covey_blocking() if they may be slow. Does not switch.
 * -EINVAL: opts contradict themselves; -ENOENT, -EACCES, ...: of a file; COVEY_ETLS: a certificate
 * or key that cannot be used, or do not belong together; -ENOMEM. */
COVEY_API int covey_tls_config_new(covey_tls_config **config, const covey_tls_options *opts);
/* Puts others in the place of its options: handshakes that begin from now on use them, connections
 * that are open are left alone; sessions begin anew. On failure, as above, all stays as it was. */
COVEY_API int covey_tls_config_update(covey_tls_config *config, const covey_tls_options *opts);
COVEY_API covey_tls_config *covey_tls_config_ref(covey_tls_config *config);
/* NULL is allowed. Connections that use it hold what they need themselves. */
COVEY_API void covey_tls_config_unref(covey_tls_config *config);

/* The handshake: *c, which is taken, becomes the TLS connection above it. On failure, also of ctx,
 * it is closed, and *c NULL. host is the name (or numeric address) that the server's certificate
 * must be for, and is asked for; NULL is -EINVAL unless the config is insecure. May switch.
 *
 * covey_close() of the result says goodbye if the kernel has room for it, else in a task of its own
 * within a second; but not after a write that failed. As with any socket, who only writes should
 * end with covey_shutdown_write() and a read to the end: what comes after a close makes the kernel
 * reset the connection. covey_shutdown_write() says it, and waits up
 * to a second: the peer reads the end of the stream, and reading goes on. */
COVEY_API int covey_tls_client(covey_ctx *ctx, covey_conn **c, covey_tls_config *config,
                               const char *host);
COVEY_API int covey_tls_server(covey_ctx *ctx, covey_conn **c, covey_tls_config *config);
/* covey_tls_server() as what wraps an HTTP server's connections (covey/http_server.h); config is a
 * covey_tls_config. *protocol is what ALPN came to. */
COVEY_API int covey_tls_wrap(covey_ctx *ctx, covey_conn **c, const char **protocol, void *config);
/* covey_shutdown_write() under a context. 0 too if it was said before; -EINVAL: not TLS. May
 * switch. */
COVEY_API int covey_tls_shutdown(covey_ctx *ctx, covey_conn *c);

/* What the handshake came to. No text is NULL. */
typedef struct covey_tls_info {
    const char *version;      /* "TLSv1.3" */
    const char *cipher;       /* "TLS_AES_256_GCM_SHA384" */
    const char *alpn;         /* "h2"; "": none was agreed on */
    const char *server_name;  /* what the client asked for; "": nothing */
    const char *peer_subject; /* of the peer's certificate, "CN=alice,O=Shop"; "": it showed none */
    bool is_resumed;          /* of an earlier session, without certificates */
} covey_tls_info;

/* Valid as long as c; NULL: not TLS. Does not switch. */
COVEY_API const covey_tls_info *covey_tls_info_of(const covey_conn *c);

COVEY_END
#endif
