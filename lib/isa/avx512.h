/* x86-64-v4 */
#include <immintrin.h>

#define BN_VECTOR_BYTES 64
#define BN_FUSED
#define BN_OWN_WIDEN
#define BN_OWN_PART
#define BN_OWN_STREAM
#define bn_fma(a, b, c) ((vd)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#include "isa/vector.h"

BN_INLINE vd vd_widen(const float *p) { return (vd)_mm512_cvtps_pd(_mm256_loadu_ps(p)); }

BN_INLINE __mmask16 first(size_t n) { return (__mmask16)((1u << n) - 1); }

BN_INLINE vf vf_load_part(const float *p, size_t n) { return (vf)_mm512_maskz_loadu_ps(first(n), p); }
BN_INLINE vd vd_load_part(const double *p, size_t n) { return (vd)_mm512_maskz_loadu_pd((__mmask8)first(n), p); }
BN_INLINE vd vd_widen_part(const float *p, size_t n)
{
    return (vd)_mm512_cvtps_pd(_mm256_maskz_loadu_ps((__mmask8)first(n), p));
}
BN_INLINE void vf_store_part(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, first(n), (__m512)v); }
BN_INLINE void vd_store_part(double *p, vd v, size_t n) { _mm512_mask_storeu_pd(p, (__mmask8)first(n), (__m512d)v); }

BN_INLINE void vf_stream(float *p, vf v) { _mm512_stream_ps(p, (__m512)v); }
BN_INLINE void vd_stream(double *p, vd v) { _mm512_stream_pd(p, (__m512d)v); }
BN_INLINE void bn_stream_fence(void) { _mm_sfence(); }
