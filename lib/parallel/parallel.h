/* Runs a function on a team of threads: the only room that knows OpenMP. openmp.c and serial.c define the same. */
#ifndef BN_PARALLEL_H
#define BN_PARALLEL_H

#include <stddef.h>

typedef void bn_body(void *context, size_t thread, size_t team);

/* The most threads that a call may use: `asked`, or OpenMP's default for 0; 1 inside a parallel region and in
 * a forked child, where the parent's team is not; never more than the larger of 16 and twice the processors. */
size_t bn_threads_most(int asked);

/* Runs body(context, thread, team) for each thread of a team of at most `threads`; the team may be smaller. Each runs
 * in round-to-nearest without flush-to-zero or denormals-are-zero, and puts back what it found. */
void bn_parallel(size_t threads, bn_body *body, void *context);

/* Called by all threads of a body's team. */
void bn_barrier(size_t team);

/* n * part / parts, without a product that may be too large. The ends apart, for small calls: divisions are slow. */
static inline size_t fraction(size_t n, size_t part, size_t parts)
{
    if (part == 0) return 0;
    return part == parts ? n : n / parts * part + n % parts * part / parts;
}

typedef struct range {
    size_t from, to;
} range;

/* The share of one thread in n things. */
static inline range share(size_t n, size_t thread, size_t team)
{
    return (range){fraction(n, thread, team), fraction(n, thread + 1, team)};
}

/* The team of this thread's last bn_parallel: for tests. */
int bn_last_team(void);

#endif
