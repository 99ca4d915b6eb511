#include "allocation.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Threads of the library may allocate too. */
static atomic_int count, fail_from;

void allocation_fail_from(int n)
{
    atomic_store(&count, 0);
    atomic_store(&fail_from, n);
}

int allocation_count(void) { return atomic_load(&count); }

static bool refused(void)
{
    const int number = atomic_fetch_add(&count, 1) + 1, from = atomic_load(&fail_from);
    return from != 0 && number >= from;
}

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__real_aligned_alloc(size_t, size_t);
int __real_posix_memalign(void **, size_t, size_t);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **result, size_t alignment, size_t size);

void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t number, size_t size) { return refused() ? NULL : __real_calloc(number, size); }

void *__wrap_realloc(void *old, size_t size) { return refused() ? NULL : __real_realloc(old, size); }

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **result, size_t alignment, size_t size)
{
    return refused() ? ENOMEM : __real_posix_memalign(result, alignment, size);
}
