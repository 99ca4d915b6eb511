#include "arrays.h"

#include "support/random.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, HUGE_PAGE = 2 << 20 };

void *array_create(size_t bytes, int threads)
{
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : PAGE;
    const size_t whole = (bytes / align + 1) * align;
    char *a = aligned_alloc(align, whole);
    if (!a) {
        fprintf(stderr, "bnorm-bench: no memory for %zu bytes\n", whole);
        exit(1);
    }
    if (align == HUGE_PAGE) madvise(a, whole, MADV_HUGEPAGE);
    const size_t pages = whole / PAGE;
    (void)threads; /* unused in a build without OpenMP */
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t p = 0; p < pages; p++) memset(a + p * PAGE, 0, PAGE);
    return a;
}

void array_destroy(void *array) { free(array); }

/* A uniform variable on [-1, 1) has mean 0 and standard deviation 1 / sqrt(3). */
static double draw(size_t i, double mean, double deviation, unsigned seed)
{
    return mean + deviation * 1.7320508075688772 * random_uniform(seed, i);
}

void fill(bnorm_dtype type, void *a, size_t count, double mean, double deviation, unsigned seed)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) type_put(type, a, i, draw(i, mean, deviation, seed));
}
