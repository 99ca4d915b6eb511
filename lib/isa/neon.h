/* AArch64's vectors, 2 doubles wide. fma is one instruction; there is no store that passes the cache by. */
#include <arm_neon.h>

#define BN_VECTOR_BYTES 16
#define BN_FUSED
#define bn_fma(a, b, c) ((vd)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#include "isa/vector.h"
