/* The fuzzer's bytes as a row of choices. Behind the last one stand zeros, so any length will do. */
#ifndef TESTS_FUZZ_BYTES_H
#define TESTS_FUZZ_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *next, *end;
};

static inline unsigned take(struct bytes *b) { return b->next < b->end ? *b->next++ : 0; }

static inline unsigned choose(struct bytes *b, unsigned among) { return take(b) % among; }

/* One in `among`: by a byte of its own, and 0 is no. */
static inline int now_and_then(struct bytes *b, unsigned among) { return take(b) % among == among - 1; }

#define PICK(b, table) ((table)[choose(b, sizeof(table) / sizeof *(table))])

#endif
