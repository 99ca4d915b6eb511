#include "probes.h"

#include <stdatomic.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_thread_num(void) { return 0; }
static int omp_get_num_threads(void) { return 1; }
#endif

extern const probe_kernels probe_kernels_generic, probe_kernels_avx2, probe_kernels_avx512;

static const probe_kernels *best_kernels(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return &probe_kernels_avx512;
    if (__builtin_cpu_supports("avx2")) return &probe_kernels_avx2;
#endif
    return &probe_kernels_generic;
}

const char *probe_isa(void) { return best_kernels()->name; }

const char *probe_name(probe_kind kind)
{
    static const char *const names[PROBES] = {"read",         "read_two", "copy",         "copy_string", "copy_stream",
                                              "write_stream", "triad",    "triad_stream", "copy_two",    "memcpy"};
    return names[kind];
}

/* memcpy does this for middle sizes, on x86 machines that are good at it. */
static void copy_string(void *to, const void *from, size_t lines)
{
#if defined(__x86_64__)
    size_t bytes = 64 * lines;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
    best_kernels()->copy(to, from, lines);
#endif
}

static void run_lines(const probe *p, size_t from, size_t lines)
{
    const probe_kernels *k = best_kernels();
    const char *a = (const char *)p->a + 64 * from, *b = p->b ? (const char *)p->b + 64 * from : NULL;
    char *to = (char *)p->to + 64 * from;
    switch (p->kind) {
    case PROBE_READ: k->read(a, lines); break;
    case PROBE_READ_TWO: k->read_two(a, b, lines); break;
    case PROBE_COPY: k->copy(to, a, lines); break;
    case PROBE_COPY_STRING: copy_string(to, a, lines); break;
    case PROBE_COPY_STREAM: k->copy_stream(to, a, lines); break;
    case PROBE_WRITE_STREAM: k->write_stream(to, lines); break;
    case PROBE_TRIAD: k->triad(to, a, b, lines); break;
    case PROBE_TRIAD_STREAM: k->triad_stream(to, a, b, lines); break;
    case PROBE_COPY_TWO:
        copy_string(to, a, lines);
        copy_string(to, b, lines);
        break;
    case PROBE_MEMCPY:
        memcpy(to, a, 64 * lines);
        if (b) memcpy(to, b, 64 * lines);
        break;
    case PROBES: break;
    }
}

/* Arrays are whole pages, so the last line may be touched as a whole. */
void probe_run(const probe *p)
{
    const size_t lines = (p->bytes + 63) / 64;
    if (p->threads == 1) {
        run_lines(p, 0, lines);
        return;
    }
#pragma omp parallel num_threads(p->threads)
    {
        const size_t t = (size_t)omp_get_thread_num(), team = (size_t)omp_get_num_threads();
        const size_t from = lines * t / team, to = lines * (t + 1) / team;
        run_lines(p, from, to - from);
    }
}

#ifdef _OPENMP

/* Odd for the second thread, even for the first, each of which waits for its own. */
static void pass_word(atomic_int *word, int first, int last)
{
    for (int i = first; i <= last; i += 2) {
        while (atomic_load_explicit(word, memory_order_acquire) != i) {
        }
        atomic_store_explicit(word, i + 1, memory_order_release);
    }
}

void probe_round_trips(int threads)
{
    static _Alignas(128) atomic_int word;
    word = 0;
#pragma omp parallel num_threads(threads)
    {
        const int t = omp_get_thread_num();
        if (omp_get_num_threads() > 1 && t < 2) pass_word(&word, t, 2 * ROUND_TRIPS - 2 + t);
    }
}

#else
void probe_round_trips(int threads) { (void)threads; }
#endif
