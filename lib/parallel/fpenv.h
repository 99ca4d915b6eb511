/* The floating-point control word: a caller, or OpenMP's workers, may have set flush-to-zero or another rounding. */
#ifndef BN_FPENV_H
#define BN_FPENV_H

#include <stdint.h>

#if defined(__SSE__)
#include <xmmintrin.h>

typedef unsigned bn_fpenv;

/* 0x1f80: exceptions masked, to nearest, no flush-to-zero, no denormals-are-zero. */
static inline bn_fpenv bn_fpenv_enter(void)
{
    const bn_fpenv before = _mm_getcsr();
    _mm_setcsr(0x1f80);
    return before;
}
static inline void bn_fpenv_leave(bn_fpenv before) { _mm_setcsr(before); }

#elif defined(__aarch64__)

typedef uint64_t bn_fpenv;

/* FPCR 0: to nearest, FZ, FZ16 and AHP off. */
static inline void bn_fpcr(uint64_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
static inline bn_fpenv bn_fpenv_enter(void)
{
    bn_fpenv before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    bn_fpcr(0);
    return before;
}
static inline void bn_fpenv_leave(bn_fpenv before) { bn_fpcr(before); }

#else
#include <fenv.h>

typedef int bn_fpenv;

static inline bn_fpenv bn_fpenv_enter(void)
{
    const bn_fpenv before = fegetround();
    fesetround(FE_TONEAREST);
    return before;
}
static inline void bn_fpenv_leave(bn_fpenv before) { fesetround(before); }

#endif
#endif
