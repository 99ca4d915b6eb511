/* x86-64-v4 */
#include <immintrin.h>

#define BN_VECTOR_BYTES 64
#define BN_OWN_WIDEN
#define BN_OWN_HALF
#define BN_OWN_PART
#define BN_OWN_WORDS
#define BN_OWN_UPPER
#define BN_FROM_MEMORY
#define BN_OWN_STREAM
#define BN_OWN_ZIP
#define bn_fma(a, b, c) ((vd)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
/* As in avx2.h: moments of float in a core's own caches are 1.03 to 1.11 times as fast, gradient sums 1.01 to 1.06 (Zen
 * 4). Intel's 512 bits wide add and multiply on the same two ports (not measured). A Zen 4 takes 512 bits in halves; by
 * AVX2's kernels, of twice the instructions, sums of what is in cache were 0.93 to 1.28 times as fast, but at other
 * times 0.67 to 0.95, when loops of 256 bits were slower and those of 512 were not: another thread
 * had the core too, it seems. */
#define bn_minus(a, b) ((vd)_mm512_fmsub_pd((__m512d)(a), _mm512_set1_pd(1), (__m512d)(b)))
#define bn_plus(a, b)  ((vd)_mm512_fmadd_pd((__m512d)(a), _mm512_set1_pd(1), (__m512d)(b)))
#include "isa/vector.h"

BN_INLINE vd vd_of_vh(vh a) { return (vd)_mm512_cvtps_pd((__m256)a); }
BN_INLINE vu vu_of_vs(vs a) { return (vu)_mm512_cvtepu16_epi32((__m256i)a); }
BN_INLINE vuh vuh_of_vsh(vsh a) { return (vuh)_mm256_cvtepu16_epi32((__m128i)a); }
BN_INLINE vs vs_of_vu(vu a) { return (vs)_mm512_cvtepi32_epi16((__m512i)a); }

/* The mask comes last, for the first operand is overwritten. */
BN_INLINE vw vw_of_halves(vu low, vu high)
{
    return (vw)_mm512_ternarylogic_epi32((__m512i)low, (__m512i)high, _mm512_set1_epi32(0xffff), 0xe4);
}
BN_INLINE vw vw_less(vw a, vw b) { return (vw)_mm512_subs_epu16((__m512i)a, (__m512i)b); }

/* Of each 128 bits unpacking takes the lower four words, or the upper ones: so that fours come out in order, they are
 * moved there. */
BN_INLINE void bn_put_upper_halves(float *to, const uint16_t *p)
{
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), zero = _mm512_setzero_si512();
    const __m512i words = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(p));
    vf_store(to, (vf)_mm512_unpacklo_epi16(zero, words));
    vf_store(to + VF, (vf)_mm512_unpackhi_epi16(zero, words));
}
BN_INLINE size_t bn_place_of_upper_halves(size_t i) { return i; }

BN_INLINE vd vd_zip_low(vd a, vd b)
{
    return (vd)_mm512_permutex2var_pd((__m512d)a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), (__m512d)b);
}
BN_INLINE vd vd_zip_high(vd a, vd b)
{
    return (vd)_mm512_permutex2var_pd((__m512d)a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), (__m512d)b);
}

BN_INLINE vf vf_of_half(vs a) { return (vf)_mm512_cvtph_ps((__m256i)a); }
BN_INLINE vh vh_of_half(vsh a) { return (vh)_mm256_cvtph_ps((__m128i)a); }
BN_INLINE vs half_of_vf(vf a) { return (vs)_mm512_cvtps_ph((__m512)a, _MM_FROUND_TO_NEAREST_INT); }

BN_INLINE __mmask16 first(size_t n) { return (__mmask16)((1u << n) - 1); }

BN_INLINE vf vf_load_part(const float *p, size_t n) { return (vf)_mm512_maskz_loadu_ps(first(n), p); }
BN_INLINE vd vd_load_part(const double *p, size_t n) { return (vd)_mm512_maskz_loadu_pd((__mmask8)first(n), p); }
BN_INLINE vh vh_load_part(const float *p, size_t n) { return (vh)_mm256_maskz_loadu_ps((__mmask8)first(n), p); }
BN_INLINE vs vs_load_part(const uint16_t *p, size_t n) { return (vs)_mm256_maskz_loadu_epi16(first(n), p); }
BN_INLINE vsh vsh_load_part(const uint16_t *p, size_t n) { return (vsh)_mm_maskz_loadu_epi16((__mmask8)first(n), p); }
BN_INLINE void vf_store_part(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, first(n), (__m512)v); }
BN_INLINE void vd_store_part(double *p, vd v, size_t n) { _mm512_mask_storeu_pd(p, (__mmask8)first(n), (__m512d)v); }
BN_INLINE void vs_store_part(uint16_t *p, vs v, size_t n) { _mm256_mask_storeu_epi16(p, first(n), (__m256i)v); }

BN_INLINE vw vw_load_part(const uint16_t *p, size_t n)
{
    return (vw)_mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), p);
}
BN_INLINE void vw_store_part(uint16_t *p, vw v, size_t n)
{
    _mm512_mask_storeu_epi16(p, (__mmask32)((1ull << n) - 1), (__m512i)v);
}

BN_INLINE void vf_stream(float *p, vf v) { _mm512_stream_ps(p, (__m512)v); }
BN_INLINE void vd_stream(double *p, vd v) { _mm512_stream_pd(p, (__m512d)v); }
BN_INLINE void vs_stream(uint16_t *p, vs v) { _mm256_stream_si256((__m256i *)(void *)p, (__m256i)v); }
BN_INLINE void bn_stream_fence(void) { _mm_sfence(); }
