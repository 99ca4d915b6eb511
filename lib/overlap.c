#include "overlap.h"
#include "integers.h"

#include <stdint.h>

static bool empty(bn_span s) { return !s.start || s.rows == 0 || s.width == 0; }

/* Unsigned: the end of the largest array lies beyond INTPTR_MAX. */
static uintptr_t first(bn_span s) { return (uintptr_t)s.start; }
static uintptr_t past(bn_span s) { return first(s) + ((s.rows - 1) * s.stride + s.width); }

/* Whether k * step modulo m is in [low, high] for some k < n; step and high are below m, low is above 0. Euclid's way:
 * of the k that pass m y times, k * step - y * m is in there where y * -m modulo step is in [low, high] modulo step, if
 * that has no multiple of step; there are fewer y than k. No product exceeds the first (n - 1) * step. */
static bool hits(size_t step, size_t m, size_t low, size_t high, size_t n)
{
    while (step > 0) {
        if (step > m - step) { /* downwards, in smaller steps */
            const size_t mirrored = m - high;
            high = m - low;
            low = mirrored;
            step = m - step;
        }
        const size_t k = divide_up(low, step);
        if (k >= n) return false;
        if (k * step <= high) return true;
        const size_t rest = m % step;
        n = ((n - 1) * step - low) / m + 1;
        m = step;
        step = rest > 0 ? m - rest : 0;
        low %= m;
        high %= m;
    }
    return false;
}

/* Of two that are not empty, where b begins no earlier than a. Rows [from, to) of a lie between b's ends, so each meets
 * a row of b or falls into the gap behind one. Its last byte is `last` bytes behind the first of that row: it meets the
 * row where both widths together are more. */
static bool meet_later(bn_span a, bn_span b)
{
    const size_t apart = first(b) - first(a), both = a.width + b.width;
    const size_t from = apart < a.width ? 0 : (apart - a.width) / a.stride + 1;
    const size_t to = least(a.rows, (past(b) - first(a) - 1) / a.stride + 1);

    if (from >= to) return false;
    const size_t last = (from * a.stride + a.width - 1 - apart) % b.stride, left = b.stride - last; /* of row `from` */
    return last < both - 1 || hits(a.stride % b.stride, b.stride, left, left + both - 2, to - from);
}

static bool meet(bn_span a, bn_span b) { return first(a) <= first(b) ? meet_later(a, b) : meet_later(b, a); }

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
            if (meet(a->spans[i], a->spans[j])) return true;
        }
    }
    return false;
}
