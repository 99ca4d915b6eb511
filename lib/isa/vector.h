/* Vector operations, written once with the compiler's vector types. A set's header defines
 *
 *     BN_VECTOR_BYTES   the size of a vector
 *
 * and, before or after including this file, what it does better:
 *
 *     BN_FUSED               fma(a, b, c) is one instruction
 *     BN_OWN_WIDEN           vd_widen: gcc 12 converts in halves
 *     BN_OWN_PART            vf_load_part, vf_store_part, vd_load_part, vd_store_part, vd_widen_part
 *     BN_OWN_STREAM          vf_stream, vd_stream, bn_stream_fence: stores that pass the cache by
 *
 *     vd   VD doubles      vf   VF = 2 VD floats      vh   VD floats, half a vector
 *
 * No operation rounds otherwise than its scalar form, so all sets give the same bits. */
#ifndef BN_VECTOR_H
#define BN_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BN_INLINE static inline __attribute__((always_inline, unused))

typedef double vd __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef float vf __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef float vh __attribute__((vector_size(BN_VECTOR_BYTES / 2)));

enum { VD = BN_VECTOR_BYTES / 8, VF = BN_VECTOR_BYTES / 4 };

BN_INLINE vd vd_zero(void) { return (vd){0}; }
BN_INLINE vd vd_load(const double *p)
{
    vd v;
    memcpy(&v, p, sizeof v);
    return v;
}
BN_INLINE void vd_store(double *p, vd v) { memcpy(p, &v, sizeof v); }
BN_INLINE vf vf_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
BN_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
#ifndef BN_OWN_WIDEN
BN_INLINE vd vd_widen(const float *p)
{
    vh v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vd);
}
#endif

/* Asks for the cache lines of [p, p + bytes). The address need not exist. */
BN_INLINE void bn_fetch(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)p + i);
}

/* a * a + c, for an a whose square is exact in double (any float): fused and unfused agree. */
BN_INLINE vd vd_add_exact_square(vd a, vd c)
{
#ifdef BN_FUSED
    return bn_fma(a, a, c);
#else
    return a * a + c;
#endif
}

/* The first n of a vector; what lies beyond is neither read nor written, and reads as 0. */
#ifndef BN_OWN_PART
BN_INLINE vf vf_load_part(const float *p, size_t n)
{
    vf v = {0};
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
BN_INLINE vd vd_load_part(const double *p, size_t n)
{
    vd v = {0};
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
BN_INLINE vd vd_widen_part(const float *p, size_t n)
{
    vd v = {0};
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
BN_INLINE void vf_store_part(float *p, vf v, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = v[i];
}
BN_INLINE void vd_store_part(double *p, vd v, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = v[i];
}
#endif

/* To an address that is a multiple of BN_VECTOR_BYTES. */
#ifndef BN_OWN_STREAM
BN_INLINE void vf_stream(float *p, vf v) { vf_store(p, v); }
BN_INLINE void vd_stream(double *p, vd v) { vd_store(p, v); }
BN_INLINE void bn_stream_fence(void) {}
#endif

#endif
