/* Vector operations, written once with the compiler's vector types. A set's header defines
 *
 *     BN_VECTOR_BYTES   the size of a vector
 *
 * and, before or after including this file, what it does better:
 *
 *     bn_fma(a, b, c)  a * b + c in one instruction
 *     bn_minus(a, b)   a - b, and
 *     bn_plus(a, b)    a + b by another instruction, see vd_minus
 *     BN_OWN_WIDEN   vd_of_vh, vu_of_vs, vuh_of_vsh, vs_of_vu: gcc 12 converts in halves
 *     BN_OWN_HALF    vf_of_half, vh_of_half, half_of_vf
 *     BN_OWN_PART    load_part of all, and store_part of vf, vd, vs and vw
 *     BN_OWN_ZIP     vd_zip_low, vd_zip_high: vectors of more than two doubles have to
 *     BN_OWN_STREAM  vf_stream, vd_stream, vs_stream, bn_stream_fence: stores that pass the cache by
 *
 * and, for dtypes of 16 bits,
 *
 *     BN_FROM_MEMORY floats in memory become doubles in fewer operations than those in registers
 *     BN_OWN_UPPER   bn_put_upper_halves(to, p) puts 2 VF words of 16 bits, as the upper halves of floats, into memory,
 *                    where those from i on, a multiple of VD, begin at bn_place_of_upper_halves(i)
 *     BN_OWN_WORDS   vw_of_halves(a, b): the lower halves of a's words of 32 bits, the upper halves of b's;
 *                    vw_less(a, b): a - b, or 0 where that is below
 *
 *     vd   VD doubles      vf   VF = 2 VD floats      vu    VF words of 32 bits      vs    VF words of 16 bits
 *                          vh   VD floats             vuh   VD words of 32 bits      vsh   VD words of 16 bits
 *     vl   VD integers     vi   VF integers           vw   2 VF words of 16 bits
 *
 * No operation rounds otherwise than its scalar form, so all sets give the same bits. */
#ifndef BN_VECTOR_H
#define BN_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BN_INLINE static inline __attribute__((always_inline, unused))

/* Before a loop that is to be unrolled as a whole. clang takes 11 KB more of the stack for it with small vectors. */
#if defined(__clang__) && BN_VECTOR_BYTES < 32
#define BN_UNROLL
#else
#define BN_UNROLL _Pragma("GCC unroll 8")
#endif

typedef double vd __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef float vf __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef float vh __attribute__((vector_size(BN_VECTOR_BYTES / 2)));
typedef int64_t vl __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef uint32_t vu __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef uint32_t vuh __attribute__((vector_size(BN_VECTOR_BYTES / 2)));
typedef uint16_t vw __attribute__((vector_size(BN_VECTOR_BYTES)));
typedef uint16_t vs __attribute__((vector_size(BN_VECTOR_BYTES / 2)));
typedef uint16_t vsh __attribute__((vector_size(BN_VECTOR_BYTES / 4)));

enum { VD = BN_VECTOR_BYTES / 8, VF = BN_VECTOR_BYTES / 4 };

/* ---- loads and stores, of any alignment; the first n of a vector: what lies beyond is neither read nor written, and
 * reads as 0 ---- */

#define BN_LOAD(v, element)                                                                                            \
    BN_INLINE v v##_load(const element *p)                                                                             \
    {                                                                                                                  \
        v a;                                                                                                           \
        memcpy(&a, p, sizeof a);                                                                                       \
        return a;                                                                                                      \
    }
#define BN_STORE(v, element)                                                                                           \
    BN_INLINE void v##_store(element *p, v a) { memcpy(p, &a, sizeof a); }
#define BN_LOAD_PART(v, element)                                                                                       \
    BN_INLINE v v##_load_part(const element *p, size_t n)                                                              \
    {                                                                                                                  \
        v a = {0};                                                                                                     \
        for (size_t i = 0; i < n; i++) a[i] = p[i];                                                                    \
        return a;                                                                                                      \
    }
#define BN_STORE_PART(v, element)                                                                                      \
    BN_INLINE void v##_store_part(element *p, v a, size_t n)                                                           \
    {                                                                                                                  \
        for (size_t i = 0; i < n; i++) p[i] = a[i];                                                                    \
    }

BN_LOAD(vd, double)
BN_LOAD(vf, float)
BN_LOAD(vh, float)
BN_LOAD(vs, uint16_t)
BN_LOAD(vsh, uint16_t)
BN_LOAD(vw, uint16_t)
BN_STORE(vd, double)
BN_STORE(vf, float)
BN_STORE(vs, uint16_t)
BN_STORE(vw, uint16_t)
#ifndef BN_OWN_PART
BN_LOAD_PART(vd, double)
BN_LOAD_PART(vf, float)
BN_LOAD_PART(vh, float)
BN_STORE_PART(vd, double)
BN_STORE_PART(vf, float)
BN_LOAD_PART(vs, uint16_t)
BN_LOAD_PART(vsh, uint16_t)
BN_LOAD_PART(vw, uint16_t)
BN_STORE_PART(vs, uint16_t)
BN_STORE_PART(vw, uint16_t)
#endif

/* To an address that is a multiple of the vector's size. */
#ifndef BN_OWN_STREAM
BN_INLINE void vf_stream(float *p, vf v) { vf_store(p, v); }
BN_INLINE void vd_stream(double *p, vd v) { vd_store(p, v); }
BN_INLINE void vs_stream(uint16_t *p, vs v) { vs_store(p, v); }
BN_INLINE void bn_stream_fence(void) {}
#endif

/* ---- arithmetic and conversions ---- */

BN_INLINE vd vd_zero(void) { return (vd){0}; }

/* a[0], b[0], a[1], b[1] and so on, of the first half of the lanes; of the second. */
#ifndef BN_OWN_ZIP
_Static_assert((int)VD == 2, "wider vectors bring their own");
BN_INLINE vd vd_zip_low(vd a, vd b) { return (vd){a[0], b[0]}; }
BN_INLINE vd vd_zip_high(vd a, vd b) { return (vd){a[1], b[1]}; }
#endif

/* a * a + c, for an a whose square is exact in double (any float): fused and unfused agree. */
BN_INLINE vd vd_add_exact_square(vd a, vd c)
{
#ifdef bn_fma
    return bn_fma(a, a, c);
#else
    return a * a + c;
#endif
}

/* a - b, a + b beside many additions and conversions and few products: where these have units of their own, as
 * a * 1 - b, a * 1 + b, which round the same. */
BN_INLINE vd vd_minus(vd a, vd b)
{
#ifdef bn_minus
    return bn_minus(a, b);
#else
    return a - b;
#endif
}
BN_INLINE vd vd_plus(vd a, vd b)
{
#ifdef bn_plus
    return bn_plus(a, b);
#else
    return a + b;
#endif
}

#ifndef BN_OWN_WIDEN
BN_INLINE vd vd_of_vh(vh a) { return __builtin_convertvector(a, vd); }
BN_INLINE vu vu_of_vs(vs a) { return __builtin_convertvector(a, vu); }
BN_INLINE vuh vuh_of_vsh(vsh a) { return __builtin_convertvector(a, vuh); }
BN_INLINE vs vs_of_vu(vu a) { return __builtin_convertvector(a, vs); } /* a below 2^16 */
#endif

/* What was put there is read from there: the compiler may not keep it in registers. */
#define bn_from_memory(a) __asm__("" : "+m"(a))

/* What was read stays in a register: as an operand of two instructions it would be read twice. */
#if defined(__x86_64__) || defined(__i386__)
#define bn_in_register(a) __asm__("" : "+v"(a))
#elif defined(__aarch64__)
#define bn_in_register(a) __asm__("" : "+w"(a))
#else
#define bn_in_register(a) (void)(a)
#endif

BN_INLINE vu vu_select(vu mask, vu a, vu b) { return (mask & a) | (~mask & b); }

/* ---- IEEE half ----
 *
 * To float: the exponent is put right by a product with 2^112, which is exact, for subnormals too. */
#ifndef BN_OWN_HALF
#define BN_OF_HALF(bits, words, floats)                                                                                \
    const words magnitude = ((bits)&0x7fff) << 13;                                                                     \
    const words special = (words)(magnitude >= 0x0f800000u) & 0x7f800000u;                                             \
    return (floats)((words)((floats)magnitude * 0x1p112f) | special | ((bits)&0x8000) << 16)

BN_INLINE vf vf_of_half(vs a)
{
    const vu bits = vu_of_vs(a);
    BN_OF_HALF(bits, vu, vf);
}
BN_INLINE vh vh_of_half(vsh a)
{
    const vuh bits = vuh_of_vsh(a);
    BN_OF_HALF(bits, vuh, vh);
}
#undef BN_OF_HALF

/* To nearest even. Normal results: half of the last place is added, and the place itself where a tie is odd. Subnormal
 * results: adding 0.5 leaves their bits at the end of the sum, rounded by the addition. */
BN_INLINE vs half_of_vf(vf a)
{
    const vu sign = (vu)a >> 16 & 0x8000, magnitude = (vu)a & 0x7fffffff;
    const vu normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    const vu subnormal = (vu)((vf)magnitude + 0.5f) - 0x3f000000u;
    const vu finite = vu_select((vu)(magnitude < 0x38800000u), subnormal, normal);
    const vu special = vu_select((vu)(magnitude > 0x7f800000u), (vu){0} + 0x7e00, (vu){0} + 0x7c00);
    return vs_of_vu(sign | vu_select((vu)(magnitude >= 0x47800000u), special, finite));
}
#endif

#endif
