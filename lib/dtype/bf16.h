/* bfloat16: the upper half of a float. */
BN_INLINE vf to_float(vs a) { return (vf)(vu_of_vs(a) << 16); }
BN_INLINE vh to_float_half(vsh a) { return (vh)(vuh_of_vsh(a) << 16); }

/* To nearest even, by integers: the instructions for it flush subnormals. A NaN stays one, for the lower half of its
 * bits is 0: it comes from another bfloat16, from an operation, or from narrowed() in elements.h. */
BN_INLINE vs rounded(vf a)
{
    const vu bits = (vu)a;
    return vs_of_vu((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#include "dtype/sixteen.h"
