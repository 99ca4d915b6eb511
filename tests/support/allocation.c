#include "allocation.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Threads of the library may allocate too. */
static atomic_int count, kept, fail_from, fail_to;

static void fail(int from, int to)
{
    atomic_store(&count, 0);
    atomic_store(&kept, 0);
    atomic_store(&fail_from, from);
    atomic_store(&fail_to, to);
}

void allocation_fail_from(int n) { fail(n, INT_MAX); }
void allocation_fail_at(int n) { fail(n, n); }
int allocation_count(void) { return atomic_load(&count); }
int allocation_kept(void) { return atomic_load(&kept); }

static bool refused(void)
{
    const int number = atomic_fetch_add(&count, 1) + 1, from = atomic_load(&fail_from);
    return from != 0 && number >= from && number <= atomic_load(&fail_to);
}

static void *counted(void *memory)
{
    if (memory) atomic_fetch_add(&kept, 1);
    return memory;
}

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__real_aligned_alloc(size_t, size_t);
int __real_posix_memalign(void **, size_t, size_t);
void __real_free(void *);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **result, size_t alignment, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size) { return refused() ? NULL : counted(__real_malloc(size)); }

void *__wrap_calloc(size_t number, size_t size) { return refused() ? NULL : counted(__real_calloc(number, size)); }

void *__wrap_realloc(void *old, size_t size)
{
    if (refused()) return NULL;
    void *const memory = __real_realloc(old, size);
    return old ? memory : counted(memory);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void **result, size_t alignment, size_t size)
{
    if (refused()) return ENOMEM;
    const int error = __real_posix_memalign(result, alignment, size);
    if (error == 0) counted(*result);
    return error;
}

void __wrap_free(void *memory)
{
    if (memory) atomic_fetch_sub(&kept, 1);
    __real_free(memory);
}
