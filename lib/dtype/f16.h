/* IEEE 754 binary16. */
BN_INLINE vf to_float(vs a) { return vf_of_half(a); }
BN_INLINE vh to_float_half(vsh a) { return vh_of_half(a); }
BN_INLINE vs rounded(vf a) { return half_of_vf(a); }

#include "dtype/sixteen.h"
