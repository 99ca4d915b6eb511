/* Compiled at baseline flags: nothing here may need what it asks for. */
#include "isa/select.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum { EAX, EBX, ECX, EDX };

/* What the x86-64 psABI lists for the microarchitecture levels v3 and v4, beyond v2. */
static const struct {
    int level;
    unsigned leaf;
    int reg, bit;
} needs[] = {
    {3, 1, ECX, 12},          /* FMA */
    {3, 1, ECX, 22},          /* MOVBE */
    {3, 1, ECX, 27},          /* OSXSAVE */
    {3, 1, ECX, 28},          /* AVX */
    {3, 1, ECX, 29},          /* F16C */
    {3, 7, EBX, 3},           /* BMI1 */
    {3, 7, EBX, 5},           /* AVX2 */
    {3, 7, EBX, 8},           /* BMI2 */
    {3, 0x80000001u, ECX, 5}, /* LZCNT */
    {4, 7, EBX, 16},          /* AVX512F */
    {4, 7, EBX, 17},          /* AVX512DQ */
    {4, 7, EBX, 28},          /* AVX512CD */
    {4, 7, EBX, 30},          /* AVX512BW */
    {4, 7, EBX, 31},          /* AVX512VL */
};

/* The registers that the operating system saves (XCR0). */
static uint64_t saved_state(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_level(int level)
{
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        unsigned r[4] = {0};
        if (needs[i].level > level) continue;
        if (!__get_cpuid_count(needs[i].leaf, 0, &r[EAX], &r[EBX], &r[ECX], &r[EDX])) return false;
        if (!(r[needs[i].reg] >> needs[i].bit & 1)) return false;
    }
    const uint64_t state = level == 4 ? 0xe6 : 0x06; /* SSE, AVX; and masks, upper halves, upper registers */
    return (saved_state() & state) == state;
}

bool bn_machine_has(const char *isa)
{
    if (strcmp(isa, "avx512") == 0) return has_level(4);
    if (strcmp(isa, "avx2") == 0) return has_level(3);
    return strcmp(isa, "generic") == 0;
}

#elif defined(__aarch64__)

bool bn_machine_has(const char *isa) { return strcmp(isa, "neon") == 0 || strcmp(isa, "generic") == 0; }

#else

bool bn_machine_has(const char *isa) { return strcmp(isa, "generic") == 0; }

#endif
