/* bfloat16: the upper half of a float. */
BN_INLINE vf to_float(vs a) { return (vf)(vu_of_vs(a) << 16); }
BN_INLINE vh to_float_half(vsh a) { return (vh)(vuh_of_vsh(a) << 16); }

/* To nearest even, by integers: the instructions for it flush subnormals. A NaN stays one, whatever its lower bits. */
BN_INLINE vs rounded(vf a)
{
    const vu bits = (vu)a, upper = bits >> 16;
    const vu nearest = (bits + 0x7fff + (upper & 1)) >> 16;
    return vs_of_vu(vu_select((vu)(a != a), upper | 0x40, nearest));
}

#include "dtype/sixteen.h"
