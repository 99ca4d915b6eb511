/* x86-64-v3 */
#include <immintrin.h>

#define BN_VECTOR_BYTES 32
#define BN_OWN_WIDEN
#define BN_OWN_HALF
#define BN_OWN_PART
#define BN_OWN_WORDS
#define BN_OWN_UPPER
#define BN_FROM_MEMORY
#define BN_OWN_STREAM
#define BN_OWN_ZIP
#define bn_fma(a, b, c) ((vd)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
/* Zen adds and converts on two ports and multiplies on two others. By bn_minus gradient sums of long runs in the first
 * cache take 8.6 cycles instead of 10.3 for 16 values (Zen 3), by bn_plus as well they are 1.0 to 1.09 times as fast as
 * that (Zen 4). clang makes them a subtraction and an addition again. */
#define bn_minus(a, b) ((vd)_mm256_fmsub_pd((__m256d)(a), _mm256_set1_pd(1), (__m256d)(b)))
#define bn_plus(a, b)  ((vd)_mm256_fmadd_pd((__m256d)(a), _mm256_set1_pd(1), (__m256d)(b)))
#include "isa/vector.h"

BN_INLINE __m128i bn_low(vsh a) { return _mm_cvtsi64_si128((long long)a); }

BN_INLINE vd vd_of_vh(vh a) { return (vd)_mm256_cvtps_pd((__m128)a); }
BN_INLINE vu vu_of_vs(vs a) { return (vu)_mm256_cvtepu16_epi32((__m128i)a); }
BN_INLINE vuh vuh_of_vsh(vsh a) { return (vuh)_mm_cvtepu16_epi32(bn_low(a)); }
BN_INLINE vs vs_of_vu(vu a)
{
    const __m256i v = (__m256i)a;
    return (vs)_mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

BN_INLINE vw vw_of_halves(vu low, vu high) { return (vw)_mm256_blend_epi16((__m256i)low, (__m256i)high, 0xaa); }
BN_INLINE vw vw_less(vw a, vw b) { return (vw)_mm256_subs_epu16((__m256i)a, (__m256i)b); }

/* Within each half of the vector: the second group of four comes third. */
BN_INLINE void bn_put_upper_halves(float *to, const uint16_t *p)
{
    const __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)p), zero = _mm256_setzero_si256();
    vf_store(to, (vf)_mm256_unpacklo_epi16(zero, words));
    vf_store(to + VF, (vf)_mm256_unpackhi_epi16(zero, words));
}
BN_INLINE size_t bn_place_of_upper_halves(size_t i) { return (i & ~(size_t)12) | (i & 4) << 1 | (i & 8) >> 1; }

BN_INLINE vd vd_zip_low(vd a, vd b)
{
    return (vd)_mm256_permute2f128_pd(_mm256_unpacklo_pd((__m256d)a, (__m256d)b),
                                      _mm256_unpackhi_pd((__m256d)a, (__m256d)b), 0x20);
}
BN_INLINE vd vd_zip_high(vd a, vd b)
{
    return (vd)_mm256_permute2f128_pd(_mm256_unpacklo_pd((__m256d)a, (__m256d)b),
                                      _mm256_unpackhi_pd((__m256d)a, (__m256d)b), 0x31);
}

BN_INLINE vf vf_of_half(vs a) { return (vf)_mm256_cvtph_ps((__m128i)a); }
BN_INLINE vh vh_of_half(vsh a) { return (vh)_mm_cvtph_ps(bn_low(a)); }
BN_INLINE vs half_of_vf(vf a) { return (vs)_mm256_cvtps_ph((__m256)a, _MM_FROUND_TO_NEAREST_INT); }

/* A lane takes part if its sign bit is set: n words of -1 from the right place on. */
static const int32_t bn_first[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

BN_INLINE __m256i first8(size_t n) { return _mm256_loadu_si256((const __m256i *)(bn_first + 8 - n)); }
BN_INLINE __m128i first4(size_t n) { return _mm_loadu_si128((const __m128i *)(bn_first + 8 - n)); }
BN_INLINE __m256i first4_wide(size_t n) { return _mm256_cvtepi32_epi64(first4(n)); }

BN_INLINE vf vf_load_part(const float *p, size_t n) { return (vf)_mm256_maskload_ps(p, first8(n)); }
BN_INLINE vd vd_load_part(const double *p, size_t n) { return (vd)_mm256_maskload_pd(p, first4_wide(n)); }
BN_INLINE vh vh_load_part(const float *p, size_t n) { return (vh)_mm_maskload_ps(p, first4(n)); }

/* In pieces: a masked store is 42 operations on Zen 3, a masked load 1 or 2 (uops.info), and 16 bits have neither. */
BN_INLINE void vf_store_part(float *p, vf v, size_t n)
{
    __m128 rest = _mm256_castps256_ps128((__m256)v);
    if (n & 8) {
        vf_store(p, v);
        return;
    }
    if (n & 4) {
        _mm_storeu_ps(p, rest);
        rest = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, rest);
        rest = _mm_movehl_ps(rest, rest);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, rest);
}

BN_INLINE void vd_store_part(double *p, vd v, size_t n)
{
    __m128d rest = _mm256_castpd256_pd128((__m256d)v);
    if (n & 4) {
        vd_store(p, v);
        return;
    }
    if (n & 2) {
        _mm_storeu_pd(p, rest);
        rest = _mm256_extractf128_pd((__m256d)v, 1);
        p += 2;
    }
    if (n & 1) _mm_store_sd(p, rest);
}

BN_INLINE vsh vsh_load_part(const uint16_t *p, size_t n)
{
    uint64_t words = n & 1 ? p[n - 1] : 0;
    uint32_t two;
    if (n & 4) return vsh_load(p);
    if (n & 2) {
        memcpy(&two, p, sizeof two);
        words = words << 32 | two;
    }
    return (vsh)words;
}

BN_INLINE vs vs_load_part(const uint16_t *p, size_t n)
{
    if (n & 8) return vs_load(p);
    const __m128i rest = bn_low(vsh_load_part(p + (n & 4), n & 3));
    return (vs)(n & 4 ? _mm_unpacklo_epi64(bn_low(vsh_load(p)), rest) : rest);
}

BN_INLINE void vs_store_part(uint16_t *p, vs v, size_t n)
{
    __m128i rest = (__m128i)v;
    if (n & 8) {
        vs_store(p, v);
        return;
    }
    if (n & 4) {
        _mm_storel_epi64((__m128i *)(void *)p, rest);
        rest = _mm_srli_si128(rest, 8);
        p += 4;
    }
    const uint32_t two = (uint32_t)_mm_cvtsi128_si32(rest);
    if (n & 2) {
        memcpy(p, &two, sizeof two);
        rest = _mm_srli_si128(rest, 4);
        p += 2;
    }
    if (n & 1) *p = (uint16_t)_mm_cvtsi128_si32(rest);
}

BN_INLINE vw vw_load_part(const uint16_t *p, size_t n)
{
    const vs low = vs_load_part(p, n < 8 ? n : 8), high = n > 8 ? vs_load_part(p + 8, n - 8) : (vs){0};
    return (vw)_mm256_set_m128i((__m128i)high, (__m128i)low);
}

BN_INLINE void vw_store_part(uint16_t *p, vw v, size_t n)
{
    vs_store_part(p, (vs)_mm256_castsi256_si128((__m256i)v), n < 8 ? n : 8);
    if (n > 8) vs_store_part(p + 8, (vs)_mm256_extracti128_si256((__m256i)v, 1), n - 8);
}

BN_INLINE void vf_stream(float *p, vf v) { _mm256_stream_ps(p, (__m256)v); }
BN_INLINE void vd_stream(double *p, vd v) { _mm256_stream_pd(p, (__m256d)v); }
BN_INLINE void vs_stream(uint16_t *p, vs v) { _mm_stream_si128((__m128i *)(void *)p, (__m128i)v); }
BN_INLINE void bn_stream_fence(void) { _mm_sfence(); }
