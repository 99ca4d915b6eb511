#include "isa/select.h"
#include "bnorm/bnorm.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* BN_SETS comes from the build: SET(name) for each set that was built, best first. */
#define SET(isa)                                                                                                       \
    extern const bn_kernels bn_kernels_f32_##isa, bn_kernels_f64_##isa, bn_kernels_bf16_##isa, bn_kernels_f16_##isa;
BN_SETS
#undef SET

#define SET(isa)                                                                                                       \
    {#isa,                                                                                                             \
     {[BNORM_F32] = &bn_kernels_f32_##isa,                                                                             \
      [BNORM_F64] = &bn_kernels_f64_##isa,                                                                             \
      [BNORM_BF16] = &bn_kernels_bf16_##isa,                                                                           \
      [BNORM_F16] = &bn_kernels_f16_##isa}},
static const struct {
    const char *name;
    const bn_kernels *kernels[BNORM_F16 + 1];
} sets[] = {BN_SETS};
#undef SET

enum { SETS = sizeof sets / sizeof *sets };

enum { UNDECIDED = -1, UNKNOWN = SETS };

/* Where in sets to begin: at what BNORM_ISA asks for, at the best for a set of another machine. */
static int first_allowed(const char *asked)
{
    static const char *const known[] = {"generic", "avx2", "avx512", "neon"};

    for (int i = 0; i < SETS; i++)
        if (strcmp(sets[i].name, asked) == 0) return i;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], asked) == 0) return 0;
    return UNKNOWN;
}

static int choose(void)
{
    const char *const asked = getenv("BNORM_ISA");
    int i = asked && *asked ? first_allowed(asked) : 0;

    while (i + 1 < SETS && !bn_machine_has(sets[i].name)) i++;
    return i;
}

/* Threads that race here decide alike. */
static int decided(void)
{
    static atomic_int choice = UNDECIDED;
    int c = atomic_load_explicit(&choice, memory_order_relaxed);

    if (c == UNDECIDED) {
        c = choose();
        atomic_store_explicit(&choice, c, memory_order_relaxed);
    }
    return c;
}

const char *bn_isa_in_use(void)
{
    const int c = decided();
    return c == UNKNOWN ? NULL : sets[c].name;
}

const bn_kernels *bn_kernels_in_use(int dtype) { return sets[decided()].kernels[dtype]; }
