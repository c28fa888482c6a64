/* SPDX-License-Identifier: MIT
 * echo_load.c - the load of row 18: connections that each send a message, wait for its echo, check
 * it, and send the next, driven by one epoll loop.
 *
 *     echo_load PORT SERVER_PID WORKERS CONNECTIONS REQUESTS BYTES [IDLE]
 *
 * A tenth of REQUESTS warms up. It then prints, a request: the processor time of the server process
 * (read from its clock, so every server is measured alike), its own, their quotient, and the rate.
 * The quotient is steadier than either.
 *
 * IDLE more connections are opened first, make one request each, and are left alone: as many as the
 * descriptor limit, raised to its hard maximum, allows. For them it prints how many there are, the
 * server's time for each (accepting it and its one request), and its memory for each: resident and
 * page tables, without the kernel's share. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BYTES_MAX = 512 };

struct conn {
    int fd;
    uint64_t sent; /* messages */
    size_t got;    /* bytes of the present echo */
};

static int epoll;
static size_t message_len;
static uint64_t requests_left, echoes_left;

static void require(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "echo_load: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static double seconds(clockid_t id)
{
    struct timespec t;
    require(clock_gettime(id, &t) == 0, "clock of the server");
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int dial(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    require(connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Every message differs from the one before it and from the other connections'. */
static void fill(const struct conn *c, char *message)
{
    memset(message, 'a' + (int)(c->sent % 26), message_len);
    memcpy(message, &c->fd, sizeof c->fd);
}

static void send_next(struct conn *c)
{
    if (requests_left == 0) {
        return;
    }
    requests_left--;
    c->sent++;
    c->got = 0;
    char message[BYTES_MAX];
    fill(c, message);
    require(write(c->fd, message, message_len) == (ssize_t)message_len, "write");
}

static void receive(struct conn *c)
{
    char buf[BYTES_MAX], message[BYTES_MAX];
    ssize_t n = read(c->fd, buf, message_len - c->got);
    require(n > 0, "read");
    fill(c, message);
    require(memcmp(buf, message + c->got, (size_t)n) == 0, "the echo differs");
    c->got += (size_t)n;
    if (c->got == message_len) {
        echoes_left--;
        send_next(c);
    }
}

static void run_load(struct conn *conns, int count, uint64_t requests)
{
    requests_left = echoes_left = requests;
    for (int i = 0; i < count; i++) {
        send_next(&conns[i]);
    }
    while (echoes_left > 0) {
        struct epoll_event events[128];
        int n = epoll_wait(epoll, events, 128, 10000);
        require(n > 0, "no echo within 10 s");
        for (int i = 0; i < n; i++) {
            receive(events[i].data.ptr);
        }
    }
}

/* Resident bytes plus the bytes of page tables of a process. */
static double memory_of(const char *pid)
{
    static const char *const files[] = {"smaps_rollup", "status"}, *const labels[] = {"Rss:",
                                                                                      "VmPTE:"};
    double bytes = 0;
    for (int i = 0; i < 2; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%s/%s", pid, files[i]);
        FILE *f = fopen(path, "r");
        require(f != NULL, path);
        while (fgets(line, sizeof line, f) != NULL) {
            if (strncmp(line, labels[i], strlen(labels[i])) == 0) {
                bytes += 1024.0 * (double)strtoull(line + strlen(labels[i]), NULL, 10);
            }
        }
        fclose(f);
    }
    return bytes;
}

/* How many of wanted idle connections the limit on descriptors leaves room for. */
static int idle_max(int wanted, int busy)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    int64_t room = (int64_t)limit.rlim_cur - busy - 64; /* the server needs a few for itself */
    return room < 0 ? 0 : room < wanted ? (int)room : wanted;
}

static void open_idle(int port, int count, int workers, const char *pid, clockid_t server)
{
    double cpu = seconds(server), memory = memory_of(pid);
    for (int i = 0; i < count; i++) {
        struct conn c = {.fd = dial(port)};
        requests_left = echoes_left = 1;
        send_next(&c);
        while (echoes_left > 0) {
            receive(&c);
        }
    }
    printf("echo_idle %d %d connections\n", workers, count);
    printf("echo_accept %d %.1f ns\n", workers, (seconds(server) - cpu) / count * 1e9);
    printf("echo_memory %d %.1f B\n", workers, (memory_of(pid) - memory) / count);
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr,
                "usage: echo_load PORT SERVER_PID WORKERS CONNECTIONS REQUESTS BYTES [IDLE]\n");
        return 2;
    }
    int port = atoi(argv[1]), workers = atoi(argv[3]), count = atoi(argv[4]);
    uint64_t requests = strtoull(argv[5], NULL, 10);
    message_len = strtoull(argv[6], NULL, 10);
    clockid_t server;
    errno = clock_getcpuclockid(atoi(argv[2]), &server);
    require(errno == 0, "clock of the server");
    if (count < 1 || requests < 10 || message_len < sizeof(int) || message_len > BYTES_MAX) {
        fprintf(stderr, "echo_load: a count is out of range\n");
        return 2;
    }
    int idle = idle_max(argc > 7 ? atoi(argv[7]) : 0, count);
    if (idle > 0) {
        open_idle(port, idle, workers, argv[2], server);
    }

    epoll = epoll_create1(0);
    struct conn *conns = calloc((size_t)count, sizeof *conns);
    require(conns != NULL, "memory");
    for (int i = 0; i < count; i++) {
        conns[i].fd = dial(port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};
        require(epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &event) == 0, "epoll_ctl");
    }
    run_load(conns, count, requests / 10);

    double wall = seconds(CLOCK_MONOTONIC);
    double own_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), server_cpu = seconds(server);
    run_load(conns, count, requests);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    own_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - own_cpu;
    server_cpu = seconds(server) - server_cpu;

    printf("echo %d %.1f ns\n", workers, server_cpu / (double)requests * 1e9);
    printf("echo_load %d %.1f ns\n", workers, own_cpu / (double)requests * 1e9);
    printf("echo_quotient %d %.4f ratio\n", workers, server_cpu / own_cpu);
    printf("echo_rate %d %.0f requests/s\n", workers, (double)requests / wall);
    return 0;
}
