// An open-loop load: requests start at fixed times whatever the answers do, and each is timed from when it should have
// started, so that a server that stalls cannot hide it by slowing its clients down.
//
//   openloop PORT REQUEST_FILE RATE SECONDS CONNECTIONS
//
// REQUEST_FILE holds one whole HTTP/1.1 request. Prints one line of JSON; latencies are microseconds to the last byte.
// `refused` are answers of 503 with a `retry-after`; `failed` is what is neither that nor 200.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 8192, BUFFER = 1 << 16 };

typedef struct {
    int fd, length;
    long long started_ns; // when the request should have started; 0: idle
    char buffer[BUFFER];
} Connection;

typedef struct {
    long long *us;
    long count;
} Latencies;

static Connection *connections[MAX_CONNECTIONS];
static int idle[MAX_CONNECTIONS], idle_count; // the last one that became idle is the next to be used
static char request[BUFFER];
static int request_length, port, epoll;
static Latencies done, refused;
static long failed;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void open_connection(Connection *c, int slot) {
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    c->length = 0;
    c->started_ns = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) { perror("openloop: connect"); exit(1); }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.u32 = slot});
}

static void reopen(int slot) {
    close(connections[slot]->fd);
    open_connection(connections[slot], slot);
}

static int is_complete(Connection *c) {
    c->buffer[c->length] = 0;
    char *end = memmem(c->buffer, c->length, "\r\n\r\n", 4);
    if (!end) return 0;
    char *field = strcasestr(c->buffer, "\r\ncontent-length:");
    if (field && field < end) return c->length - (end + 4 - c->buffer) >= atoi(field + 17);
    return c->length >= 5 && !memcmp(c->buffer + c->length - 5, "0\r\n\r\n", 5);
}

static void start(long long due) {
    int slot = idle[--idle_count];
    Connection *c = connections[slot];
    c->started_ns = due;
    c->length = 0;
    if (send(c->fd, request, request_length, MSG_NOSIGNAL) == request_length) return;
    failed++;
    reopen(slot);
    idle[idle_count++] = slot;
}

static void note(Connection *c) {
    Latencies *kind = NULL;
    if (!memcmp(c->buffer, "HTTP/1.1 200", 12)) kind = &done;
    else if (!memcmp(c->buffer, "HTTP/1.1 503", 12) && strcasestr(c->buffer, "\r\nretry-after: ")) kind = &refused;
    if (kind) kind->us[kind->count++] = now_ns() - c->started_ns;
    else failed++;
}

static void readable(int slot) {
    Connection *c = connections[slot];
    ssize_t got = recv(c->fd, c->buffer + c->length, BUFFER - 1 - c->length, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (c->started_ns) {
            failed++;
            idle[idle_count++] = slot;
        }
        reopen(slot);
        return;
    }
    c->length += got;
    if (!is_complete(c)) return;
    note(c);
    c->started_ns = 0;
    idle[idle_count++] = slot;
}

static int ascending(const void *a, const void *b) {
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

static double percentile(const Latencies *of, double p) {
    return of->count ? of->us[(long)((of->count - 1) * p)] / 1e3 : 0;
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: openloop PORT REQUEST_FILE RATE SECONDS CONNECTIONS\n"), 2;
    port = atoi(argv[1]);
    FILE *file = fopen(argv[2], "rb");
    if (!file) return perror(argv[2]), 1;
    request_length = fread(request, 1, sizeof request, file);
    double rate = atof(argv[3]);
    long total = (long)(rate * atof(argv[4])), sent = 0;
    int count = atoi(argv[5]);
    if (count > MAX_CONNECTIONS) count = MAX_CONNECTIONS;
    prctl(PR_SET_TIMERSLACK, 1);
    epoll = epoll_create1(0);
    for (int i = count - 1; i >= 0; i--) {
        open_connection(connections[i] = malloc(sizeof(Connection)), i);
        idle[idle_count++] = i;
    }
    done.us = malloc(sizeof(long long) * total);
    refused.us = malloc(sizeof(long long) * total);
    long long begin = now_ns() + 50000000, give_up = begin + (long long)(total / rate * 1e9) + 10000000000LL;
    while (done.count + refused.count + failed < total && now_ns() < give_up) {
        long long due = begin + (long long)(sent / rate * 1e9), wait = due - now_ns();
        // No more than a few in a row: answers that are here are read first, or their time would be the generator's own.
        for (int burst = 0; burst < 8 && sent < total && wait <= 0 && idle_count; burst++) {
            start(due);
            sent++;
            due = begin + (long long)(sent / rate * 1e9);
            wait = due - now_ns();
        }
        if (sent == total || !idle_count) wait = 100000000;
        if (wait < 0) wait = 0;
        struct epoll_event events[64];
        struct timespec sleep = {wait / 1000000000, wait % 1000000000};
        int n = epoll_pwait2(epoll, events, 64, &sleep, NULL);
        for (int i = 0; i < n; i++) readable(events[i].data.u32);
    }
    qsort(done.us, done.count, sizeof *done.us, ascending);
    qsort(refused.us, refused.count, sizeof *refused.us, ascending);
    printf("{\"done\": %ld, \"refused\": %ld, \"failed\": %ld, "
           "\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
           "\"refused_p50_us\": %.1f, \"refused_p99_us\": %.1f, \"refused_max_us\": %.1f}\n",
           done.count, refused.count, total - done.count - refused.count,
           percentile(&done, .5), percentile(&done, .9), percentile(&done, .99), percentile(&done, 1),
           percentile(&refused, .5), percentile(&refused, .99), percentile(&refused, 1));
}
