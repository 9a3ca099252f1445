// An open-loop load: requests start at fixed times whatever the answers do, and each is timed from when it should have
// started, so that a server that stalls cannot hide it by slowing its clients down.
//
//   openloop PORT REQUEST_FILE RATE SECONDS CONNECTIONS
//
// REQUEST_FILE holds one whole HTTP/1.1 request. Prints one line of JSON; latencies are microseconds to the last byte.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, BUFFER = 1 << 17 };

typedef struct {
    int fd, length;
    long long started_ns; // when the request should have started; 0: idle
    char buffer[BUFFER];
} Connection;

static Connection *connections[MAX_CONNECTIONS];
static char request[BUFFER];
static int request_length, port, count;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void open_connection(Connection *c, int epoll, int slot) {
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    c->length = 0;
    c->started_ns = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) { perror("openloop: connect"); exit(1); }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.u32 = slot});
}

static int is_complete(Connection *c) {
    c->buffer[c->length] = 0;
    char *end = memmem(c->buffer, c->length, "\r\n\r\n", 4);
    if (!end) return 0;
    char *field = strcasestr(c->buffer, "\r\ncontent-length:");
    if (field && field < end) return c->length - (end + 4 - c->buffer) >= atoi(field + 17);
    return c->length >= 5 && !memcmp(c->buffer + c->length - 5, "0\r\n\r\n", 5);
}

static int ascending(const void *a, const void *b) {
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: openloop PORT REQUEST_FILE RATE SECONDS CONNECTIONS\n"), 2;
    port = atoi(argv[1]);
    FILE *file = fopen(argv[2], "rb");
    if (!file) return perror(argv[2]), 1;
    request_length = fread(request, 1, sizeof request, file);
    double rate = atof(argv[3]);
    long total = (long)(rate * atof(argv[4])), sent = 0, done = 0, failed = 0;
    count = atoi(argv[5]);
    if (count > MAX_CONNECTIONS) count = MAX_CONNECTIONS;
    prctl(PR_SET_TIMERSLACK, 1);
    int epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) open_connection(connections[i] = malloc(sizeof(Connection)), epoll, i);
    long long *latencies = malloc(sizeof(long long) * total), begin = now_ns() + 50000000, give_up = begin + (long long)(total / rate * 1e9) + 10000000000LL;
    int next = 0;
    while (done + failed < total && now_ns() < give_up) {
        long long due = begin + (long long)(sent / rate * 1e9), wait = due - now_ns();
        int idle = -1;
        for (int i = 0; i < count && idle < 0; i++)
            if (!connections[(next + i) % count]->started_ns) idle = (next + i) % count;
        if (sent < total && wait <= 0 && idle >= 0) {
            Connection *c = connections[idle];
            next = idle + 1;
            c->started_ns = due;
            c->length = 0;
            sent++;
            if (send(c->fd, request, request_length, MSG_NOSIGNAL) != request_length) {
                failed++;
                close(c->fd);
                open_connection(c, epoll, idle);
            }
            continue;
        }
        if (sent == total || idle < 0) wait = 100000000;
        struct epoll_event events[64];
        struct timespec sleep = {wait / 1000000000, wait % 1000000000};
        int n = epoll_pwait2(epoll, events, 64, &sleep, NULL);
        for (int i = 0; i < n; i++) {
            Connection *c = connections[events[i].data.u32];
            ssize_t got = recv(c->fd, c->buffer + c->length, BUFFER - 1 - c->length, MSG_DONTWAIT);
            if (got <= 0) {
                if (c->started_ns) failed++;
                close(c->fd);
                open_connection(c, epoll, events[i].data.u32);
                continue;
            }
            c->length += got;
            if (!is_complete(c)) continue;
            if (memcmp(c->buffer, "HTTP/1.1 200", 12)) failed++;
            else latencies[done++] = now_ns() - c->started_ns;
            c->started_ns = 0;
        }
    }
    qsort(latencies, done, sizeof *latencies, ascending);
#define PERCENTILE(p) (done ? latencies[(long)((done - 1) * (p))] / 1e3 : 0)
    printf("{\"done\": %ld, \"failed\": %ld, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           done, total - done, PERCENTILE(.5), PERCENTILE(.9), PERCENTILE(.99), PERCENTILE(1));
}
