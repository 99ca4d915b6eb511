#include "overlap.h"

#include <stdint.h>

static bool empty(bn_span s) { return !s.start || s.rows == 0 || s.width == 0; }

/* Unsigned: the end of the largest array lies beyond INTPTR_MAX. */
static uintptr_t first(bn_span s) { return (uintptr_t)s.start; }
static uintptr_t past(bn_span s) { return first(s) + ((s.rows - 1) * s.stride + s.width); }

/* With equal strides, where b begins no earlier than a: `place` bytes after a's row number `row` does, or would. It can
 * meet that row or the next, and b's later rows stand to a's later rows alike. */
static bool share_alike(bn_span a, bn_span b)
{
    const size_t apart = first(b) - first(a), row = apart / a.stride, place = apart % a.stride;
    return (row < a.rows && place < a.width) || (row + 1 < a.rows && a.stride - place < b.width);
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

/* Of two that are not empty and whose ends leave it open. */
static bool share(bn_span a, bn_span b)
{
    if (a.stride != b.stride) return share_by_walking(a, b);
    return first(a) <= first(b) ? share_alike(a, b) : share_alike(b, a);
}

static bool equal(bn_span a, bn_span b)
{
    return a.start == b.start && a.rows == b.rows && a.stride == b.stride && a.width == b.width;
}

/* Ends are found once an array, not once a pair: that was a fifth of the time of 200 x 3. Most arrays are apart from
 * all others, so that is asked first, without branches: it saves 30 ns. An empty one ends before it begins. */
bool bn_arrays_overlap(const bn_arrays *a, int same)
{
    uintptr_t from[BN_ARRAYS_MOST], to[BN_ARRAYS_MOST];

    for (int i = 0; i < a->count; i++) {
        from[i] = empty(a->spans[i]) ? UINTPTR_MAX : first(a->spans[i]);
        to[i] = empty(a->spans[i]) ? 0 : past(a->spans[i]);
    }
    for (int i = 0; i < a->written; i++) {
        bool met = false;
        for (int j = i + 1; j < a->count; j++) met |= (from[i] < to[j]) & (from[j] < to[i]);
        for (int j = i + 1; met && j < a->count; j++) {
            if (from[i] >= to[j] || from[j] >= to[i]) continue;
            if (i == 0 && j == same && equal(a->spans[i], a->spans[j])) continue;
            if (share(a->spans[i], a->spans[j])) return true;
        }
    }
    return false;
}
