/* Whether two arrays share an element. */
#ifndef BN_OVERLAP_H
#define BN_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>

/* Rows of `width` bytes, `stride` bytes apart, stride >= width > 0. Without rows, or with start NULL, it is empty. */
typedef struct bn_span {
    const void *start;
    size_t rows, stride, width;
} bn_span;

bool bn_spans_share(bn_span a, bn_span b);

bool bn_spans_equal(bn_span a, bn_span b);

#endif
