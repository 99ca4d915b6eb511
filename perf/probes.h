/* What the machine's memory, or its caches, allow: the same sizes and threads as the operation that is timed, and
 * nothing but loads and stores. They use the best vectors of the machine, whatever BNORM_ISA says. */
#ifndef PROBES_H
#define PROBES_H

#include <stddef.h>

typedef struct probe_kernels {
    const char *name;
    void (*read)(const void *a, size_t lines);
    void (*read_two)(const void *a, const void *b, size_t lines);
    void (*copy)(void *to, const void *a, size_t lines);
    void (*copy_stream)(void *to, const void *a, size_t lines);
    void (*write_stream)(void *to, size_t lines);
    void (*triad)(void *to, const void *a, const void *b, size_t lines);
    void (*triad_stream)(void *to, const void *a, const void *b, size_t lines);
} probe_kernels;

typedef enum probe_kind {
    PROBE_READ,         /* read x */
    PROBE_READ_TWO,     /* read x and dy */
    PROBE_COPY,         /* read x, write y, ordinary stores */
    PROBE_COPY_STRING,  /* the same by the processor's string copy (x86), which need not fetch y first */
    PROBE_COPY_STREAM,  /* the same, non-temporal stores */
    PROBE_WRITE_STREAM, /* write y, non-temporal stores */
    PROBE_TRIAD,        /* read x and dy, write dx, ordinary stores */
    PROBE_TRIAD_STREAM, /* the same, non-temporal stores */
    PROBE_COPY_TWO,     /* the same by two string copies: where the three arrays fill the first cache to the last line,
                           faster than a triad */
    PROBE_MEMCPY,       /* the C library's memcpy, x to y, or x and then dy to dx: the others have to be as fast */
    PROBES
} probe_kind;

typedef struct probe {
    probe_kind kind;
    const void *a, *b; /* b NULL: only a is read, by memcpy too */
    void *to;
    size_t bytes;
    int threads;
} probe;

const char *probe_name(probe_kind kind);

/* "avx512", "avx2" or "generic" */
const char *probe_isa(void);

void probe_run(const probe *p);

/* A word goes so many times from the first thread of a team to the second and back. Nothing where the team has one. */
enum { ROUND_TRIPS = 50 };
void probe_round_trips(int threads);

#endif
