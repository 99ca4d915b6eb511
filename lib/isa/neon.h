/* AArch64's vectors, 2 doubles wide. fma is one instruction; there is no store that passes the cache by. */
#include <arm_neon.h>

#define BN_VECTOR_BYTES 16
#define BN_OWN_HALF
#define bn_fma(a, b, c) ((vd)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#include "isa/vector.h"

BN_INLINE vf vf_of_half(vs a) { return (vf)vcvt_f32_f16((float16x4_t)a); }
BN_INLINE vh vh_of_half(vsh a)
{
    vs twice;
    memcpy(&twice, &a, sizeof a);
    memcpy((char *)&twice + sizeof a, &a, sizeof a);
    return (vh)vget_low_f32(vcvt_f32_f16((float16x4_t)twice));
}
BN_INLINE vs half_of_vf(vf a) { return (vs)vcvt_f16_f32((float32x4_t)a); }
