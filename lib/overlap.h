/* Whether arrays share an element. */
#ifndef BN_OVERLAP_H
#define BN_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>

/* Rows of `width` bytes, `stride` bytes apart, stride >= width. Without rows, without width or with start NULL it is
 * empty. */
typedef struct bn_span {
    const void *start;
    size_t rows, stride, width;
} bn_span;

enum { BN_ARRAYS_MOST = 9 }; /* inference: 2 written, 5 read; training 6 and 3; backward 4 and 5 */

typedef struct bn_arrays {
    bn_span spans[BN_ARRAYS_MOST];
    int count, written; /* the written ones come first */
} bn_arrays;

static inline void bn_arrays_add(bn_arrays *a, const void *start, size_t rows, size_t stride, size_t width)
{
    a->spans[a->count++] = (bn_span){start, rows, stride, width};
}

/* Whether a written array shares an element with another one. The first may be array number `same`, exactly. */
bool bn_arrays_overlap(const bn_arrays *arrays, int same);

#endif
