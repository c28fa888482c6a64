/* SPDX-License-Identifier: MIT
 * proxy.c - see proxy.h. */
#define _GNU_SOURCE
#include "proxy.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            perror("proxy: " #condition);                                                          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct link {
    /* Immutable. */
    struct proxy *proxy;
    int sockets[2]; /* by direction: where its bytes go */

    /* Guarded by the proxy's mutex. */
    struct proxy_rule rule;
    long passed[2];
    int pumps; /* that run; the last frees it */
    struct link *next;
};

union place {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in tcp;
};

struct proxy {
    /* Immutable. */
    char folder[64]; /* of here; "" for TCP */
    union place here, there;
    socklen_t place_size;
    int listener;
    pthread_t acceptor;

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    struct link *links;
    struct proxy_rule rule_new;
    long passed[2];
    int made, stalling;
    bool is_over;
};

struct pump {
    struct link *link;
    enum proxy_direction direction;
};

static void end_locked(struct link *l)
{
    l->rule = (struct proxy_rule){.action = PROXY_CUT};
    (void)shutdown(l->sockets[PROXY_UP], SHUT_RDWR);
    (void)shutdown(l->sockets[PROXY_DOWN], SHUT_RDWR);
    (void)pthread_cond_broadcast(&l->proxy->changed);
}

/* How many of len bytes may pass, waiting if need be; 0: the connection is cut. */
static long admit(struct link *l, enum proxy_direction d, long len)
{
    struct proxy *p = l->proxy;
    long n;

    (void)pthread_mutex_lock(&p->mutex);
    for (;;) {
        const struct proxy_rule *r = &l->rule;
        long left = r->action == PROXY_PASS || r->direction != d ? len : r->after - l->passed[d];
        n = left < len ? left : len;
        if (n > 0 || r->action != PROXY_STALL) {
            break;
        }
        p->stalling++;
        (void)pthread_cond_wait(&p->changed, &p->mutex);
        p->stalling--;
    }
    if (n > 0) {
        l->passed[d] += n;
        p->passed[d] += n;
    } else {
        n = 0;
        end_locked(l);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return n;
}

static bool pass_on(struct link *l, enum proxy_direction d, const char *bytes, long len)
{
    for (long done = 0; done < len;) {
        long n = admit(l, d, len - done);
        for (long sent = 0; sent < n;) {
            ssize_t k = send(l->sockets[d], bytes + done + sent, (size_t)(n - sent), MSG_NOSIGNAL);
            if (k <= 0) {
                return false;
            }
            sent += k;
        }
        if (n == 0) {
            return false;
        }
        done += n;
    }
    return true;
}

/* The last pump of a link frees it. */
static void leave(struct link *l)
{
    struct proxy *p = l->proxy;
    struct link **at = &p->links;

    (void)pthread_mutex_lock(&p->mutex);
    if (--l->pumps == 0) {
        while (*at != l) {
            at = &(*at)->next;
        }
        *at = l->next;
        (void)close(l->sockets[PROXY_UP]);
        (void)close(l->sockets[PROXY_DOWN]);
        free(l);
        (void)pthread_cond_broadcast(&p->changed);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

static void *run_pump(void *arg)
{
    struct pump pump = *(struct pump *)arg;
    struct link *l = pump.link;
    char bytes[16384];
    ssize_t n;

    free(arg);
    do {
        n = recv(l->sockets[!pump.direction], bytes, sizeof(bytes), 0);
    } while (n > 0 && pass_on(l, pump.direction, bytes, n));
    (void)shutdown(l->sockets[pump.direction], SHUT_WR);
    (void)shutdown(l->sockets[!pump.direction], SHUT_RD);
    leave(l);
    return NULL;
}

static void start_pump(struct link *l, enum proxy_direction direction)
{
    struct pump *pump = malloc(sizeof(*pump));
    pthread_t thread;

    MUST(pump);
    *pump = (struct pump){.link = l, .direction = direction};
    MUST(pthread_create(&thread, NULL, run_pump, pump) == 0);
    (void)pthread_detach(thread);
}

static void *run_acceptor(void *arg)
{
    struct proxy *p = arg;
    int client;

    while ((client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct link *l = calloc(1, sizeof(*l));
        int server = socket(p->there.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        MUST(l && server >= 0);
        if (connect(server, &p->there.any, p->place_size) < 0) {
            (void)close(server);
            (void)close(client);
            free(l);
            continue;
        }
        *l = (struct link){.proxy = p, .sockets = {server, client}, .pumps = 2};
        (void)pthread_mutex_lock(&p->mutex);
        p->made++;
        l->rule = p->rule_new;
        l->next = p->links;
        p->links = l;
        start_pump(l, PROXY_UP);
        start_pump(l, PROXY_DOWN);
        if (p->is_over) {
            end_locked(l);
        }
        (void)pthread_mutex_unlock(&p->mutex);
    }
    return NULL;
}

/* With its places set. */
static struct proxy *start(struct proxy *p)
{
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    p->listener = socket(p->here.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(p->listener, &p->here.any, p->place_size) == 0);
    MUST(listen(p->listener, 128) == 0);
    MUST(getsockname(p->listener, &p->here.any, &(socklen_t){sizeof(p->here)}) == 0);
    MUST(pthread_create(&p->acceptor, NULL, run_acceptor, p) == 0);
    return p;
}

struct proxy *proxy_start(const char *target)
{
    struct proxy *p = calloc(1, sizeof(*p));
    const char *name = strrchr(target, '/');

    MUST(p && name);
    (void)snprintf(p->folder, sizeof(p->folder), "/tmp/covey-proxy.XXXXXX");
    MUST(mkdtemp(p->folder));
    struct sockaddr_un *here = &p->here.local, *there = &p->there.local;
    here->sun_family = there->sun_family = AF_UNIX;
    (void)snprintf(here->sun_path, sizeof(here->sun_path), "%s%s", p->folder, name);
    (void)snprintf(there->sun_path, sizeof(there->sun_path), "%s", target);
    p->place_size = sizeof(struct sockaddr_un);
    return start(p);
}

struct proxy *proxy_start_tcp(int port)
{
    struct proxy *p = calloc(1, sizeof(*p));

    MUST(p);
    p->here.tcp.sin_family = p->there.tcp.sin_family = AF_INET;
    p->here.tcp.sin_addr.s_addr = p->there.tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->there.tcp.sin_port = htons((uint16_t)port);
    p->place_size = sizeof(struct sockaddr_in);
    return start(p);
}

void proxy_stop(struct proxy *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->is_over = true;
    for (struct link *l = p->links; l; l = l->next) {
        end_locked(l);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    (void)shutdown(p->listener, SHUT_RDWR);
    (void)pthread_join(p->acceptor, NULL);
    (void)pthread_mutex_lock(&p->mutex);
    while (p->links) {
        (void)pthread_cond_wait(&p->changed, &p->mutex);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    (void)close(p->listener);
    if (p->folder[0]) {
        (void)unlink(p->here.local.sun_path);
        (void)rmdir(p->folder);
    }
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
}

const char *proxy_folder(const struct proxy *p)
{
    return p->folder;
}

int proxy_port(const struct proxy *p)
{
    return ntohs(p->here.tcp.sin_port);
}

void proxy_set(struct proxy *p, struct proxy_rule rule)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->passed[PROXY_UP] = p->passed[PROXY_DOWN] = 0;
    for (struct link *l = p->links; l; l = l->next) {
        l->rule = rule;
        l->passed[PROXY_UP] = l->passed[PROXY_DOWN] = 0;
    }
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->mutex);
}

void proxy_set_new(struct proxy *p, struct proxy_rule rule)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->rule_new = rule;
    (void)pthread_mutex_unlock(&p->mutex);
}

long proxy_passed(struct proxy *p, enum proxy_direction direction)
{
    (void)pthread_mutex_lock(&p->mutex);
    long n = p->passed[direction];
    (void)pthread_mutex_unlock(&p->mutex);
    return n;
}

bool proxy_is_stalling(struct proxy *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    bool is_stalling = p->stalling > 0;
    (void)pthread_mutex_unlock(&p->mutex);
    return is_stalling;
}

int proxy_connections(struct proxy *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    int n = p->made;
    (void)pthread_mutex_unlock(&p->mutex);
    return n;
}
