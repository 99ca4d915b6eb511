#include "overlap.h"

#include <stdint.h>

static bool empty(bn_span s) { return !s.start || s.rows == 0 || s.width == 0; }

/* Unsigned: the end of the largest array lies beyond INTPTR_MAX. */
static uintptr_t first(bn_span s) { return (uintptr_t)s.start; }
static uintptr_t past(bn_span s) { return first(s) + ((s.rows - 1) * s.stride + s.width); }

/* With equal strides row j of b lies at row 0 of a + delta + j * stride, and only the difference k of two row numbers
 * matters: is there a k in [-(a.rows - 1), b.rows - 1] with -b.width < delta + k * stride < a.width? */
static bool share_alike(bn_span a, bn_span b)
{
    const intptr_t stride = (intptr_t)a.stride, delta = (intptr_t)(first(b) - first(a));
    const intptr_t low = -(intptr_t)b.width - delta; /* k * stride must exceed this */
    intptr_t k = low / stride - (low % stride < 0) + 1;

    if (k < -(intptr_t)(a.rows - 1)) k = -(intptr_t)(a.rows - 1);
    return k <= (intptr_t)(b.rows - 1) && delta + k * stride < (intptr_t)a.width;
}

/* Rows of both in the order of their addresses. */
static bool share_by_walking(bn_span a, bn_span b)
{
    size_t i = 0, j = 0;

    while (i < a.rows && j < b.rows) {
        const uintptr_t ra = first(a) + i * a.stride, rb = first(b) + j * b.stride;
        const uintptr_t end_a = ra + a.width, end_b = rb + b.width;
        if (ra < end_b && rb < end_a) return true;
        if (end_a <= rb)
            i++;
        else
            j++;
    }
    return false;
}

bool bn_spans_share(bn_span a, bn_span b)
{
    if (empty(a) || empty(b) || first(a) >= past(b) || first(b) >= past(a)) return false;
    if (a.rows == 1 || b.rows == 1 || a.stride != b.stride) return share_by_walking(a, b);
    return share_alike(a, b);
}

bool bn_spans_equal(bn_span a, bn_span b)
{
    return a.start == b.start && a.rows == b.rows && a.stride == b.stride && a.width == b.width;
}
