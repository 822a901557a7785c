// What this machine is like at the moment: memory latency and pace, loopback round trip, fsync.
//
//   calibrate FOLDER      writes its probe file there; prints one JSON document
//
// Why: figures of two runs compare only where these agree. Medians, so that a single disturbance does not show.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHASE_ENTRIES = 1 << 22, CHASE_STEPS = 1 << 21, ROUND_TRIPS = 20000, SYNCS = 200, ECHO_BYTES = 64 };

// One entry a cache line, so that each step misses: 256 MiB in all.
struct entry {
    uint32_t next;
    uint8_t pad[60];
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

struct memory {
    double load; // nanoseconds of a load that finds nothing in the processor's caches, each waiting for the last
    double line; // nanoseconds a line where 16 are asked for ahead, so that only memory's pace counts
};

static struct memory measure_memory(void) {
    struct entry *entries = aligned_alloc(2 << 20, sizeof(struct entry) * CHASE_ENTRIES);
    uint32_t *order = malloc(sizeof(uint32_t) * CHASE_ENTRIES);
    if (!entries || !order) die("memory");
    uint64_t random = 88172645463325252;
    for (uint32_t n = 0; n < CHASE_ENTRIES; n++) order[n] = n;
    for (uint32_t n = CHASE_ENTRIES - 1; n > 0; n--) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const uint32_t other = (uint32_t)(random % (n + 1)), kept = order[n];
        order[n] = order[other], order[other] = kept;
    }
    for (uint32_t n = 0; n < CHASE_ENTRIES; n++) entries[order[n]].next = order[(n + 1) % CHASE_ENTRIES];
    double loads[3], lines[3];
    volatile uint32_t end;
    uint32_t place = order[0];
    for (int round = 0; round < 3; round++) {
        double begin = now();
        for (int step = 0; step < CHASE_STEPS; step++) place = entries[place].next;
        loads[round] = (now() - begin) * 1e9 / CHASE_STEPS;
        begin = now();
        for (int step = 0; step < CHASE_STEPS; step++) {
            __builtin_prefetch(&entries[order[step + 16]]);
            place += entries[order[step]].next;
        }
        lines[round] = (now() - begin) * 1e9 / CHASE_STEPS;
        place = order[place % CHASE_ENTRIES];
        end = place;
    }
    (void)end;
    free(order);
    free(entries);
    return (struct memory){median(loads, 3), median(lines, 3)};
}

static void pin(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    sched_setaffinity(0, sizeof cores, &cores); // on one core there is nothing to pin
}

static void *echo(void *argument) {
    const int listener = *(const int *)argument, on = 1;
    char bytes[ECHO_BYTES];
    pin(0);
    const int peer = accept(listener, NULL, NULL);
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ssize_t count;
    while ((count = read(peer, bytes, sizeof bytes)) > 0) {
        if (write(peer, bytes, (size_t)count) != count) break;
    }
    close(peer);
    return NULL;
}

// Microseconds from a write of 64 bytes to their echo, from core 1 to core 0 and back.
static double loopback_microseconds(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &length)) die("loopback");
    pthread_t thread;
    if (pthread_create(&thread, NULL, echo, &listener)) die("thread");
    pin(1);
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *)&address, length)) die("connect");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    static double trips[ROUND_TRIPS];
    char bytes[ECHO_BYTES] = {0};
    for (int trip = 0; trip < ROUND_TRIPS; trip++) {
        const double begin = now();
        if (write(client, bytes, sizeof bytes) != sizeof bytes) die("write");
        for (size_t got = 0; got < sizeof bytes;) {
            const ssize_t count = read(client, bytes, sizeof bytes - got);
            if (count <= 0) die("read");
            got += (size_t)count;
        }
        trips[trip] = (now() - begin) * 1e6;
    }
    close(client);
    pthread_join(thread, NULL);
    close(listener);
    return median(trips, ROUND_TRIPS);
}

// Microseconds of fdatasync after an append of 4 KiB.
static double sync_microseconds(const char *folder) {
    char path[4096], block[4096];
    memset(block, 'x', sizeof block);
    snprintf(path, sizeof path, "%s/calibrate.tmp", folder);
    const int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (file < 0) die(path);
    static double syncs[SYNCS];
    for (int n = 0; n < SYNCS; n++) {
        if (write(file, block, sizeof block) != sizeof block) die(path);
        const double begin = now();
        if (fdatasync(file)) die(path);
        syncs[n] = (now() - begin) * 1e6;
    }
    close(file);
    unlink(path);
    return median(syncs, SYNCS);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: calibrate FOLDER\n");
        return 64;
    }
    const struct memory memory = measure_memory();
    const double loopback = loopback_microseconds(), sync = sync_microseconds(argv[1]);
    printf("{\"memoryNanoseconds\": %.1f, \"lineNanoseconds\": %.1f, ", memory.load, memory.line);
    printf("\"loopbackMicroseconds\": %.1f, \"fsyncMicroseconds\": %.1f}\n", loopback, sync);
    return 0;
}
