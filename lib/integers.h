/* What counts of rows, columns and bytes are worked out with, and the bits of a double. */
#ifndef BN_INTEGERS_H
#define BN_INTEGERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    LINE = 64,  /* bytes of a cache line, which no two threads should write */
    PAGE = 4096 /* bytes */
};

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
static inline size_t round_up(size_t a, size_t b) { return divide_up(a, b) * b; }

static inline uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* Of so many bytes a value, which is a power of two: no division. */
static inline size_t values_in(size_t bytes, size_t value) { return bytes >> __builtin_ctzll(value); }

/* Arrays of whole vectors that begin so have none across two lines, and those of whole lines share none. */
static inline bool begins_line(const void *p) { return (uintptr_t)p % LINE == 0; }

/* Where the first one at p or beyond begins, LINE - 1 bytes further at most. */
static inline void *line_from(void *p) { return (char *)p + -(uintptr_t)p % LINE; }

/* How often so many bytes have to stand side by side, a power of two, to make whole cache lines. */
static inline size_t times_to_line(size_t bytes)
{
    const size_t either = bytes | LINE, shared = either & (0 - either); /* the largest power of two that divides both */
    return LINE / shared;
}

#endif
