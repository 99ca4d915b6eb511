/* What bfloat16 and IEEE half share: stored in 16 bits, computed in float, rounded once. */
#include "dtype/in_float.h"

typedef uint16_t stored; /* in x, y, dx, dy */

BN_INLINE vf x_load(const stored *p) { return to_float(vs_load(p)); }
BN_INLINE vf x_load_part(const stored *p, size_t n) { return to_float(vs_load_part(p, n)); }
BN_INLINE vd x_widen(const stored *p) { return vd_of_vh(to_float_half(vsh_load(p))); }
BN_INLINE vd x_widen_part(const stored *p, size_t n) { return vd_of_vh(to_float_half(vsh_load_part(p, n))); }
BN_INLINE void y_store(stored *p, vf v) { vs_store(p, rounded(v)); }
BN_INLINE void y_store_part(stored *p, vf v, size_t n) { vs_store_part(p, rounded(v), n); }
BN_INLINE void y_stream(stored *p, vf v) { vs_stream(p, rounded(v)); }

/* Doubles are made of floats in memory, 2 VF at once: to convert those of a register takes twice as many operations. */
#ifdef BN_FROM_MEMORY
#define BN_WIDENED
typedef float wide_value;
enum { AT_ONCE = 2 * VF };
#ifndef BN_OWN_FLOATS
BN_INLINE void put_floats(float *to, const stored *p)
{
    vf_store(to, x_load(p));
    vf_store(to + VF, x_load(p + VF));
}
BN_INLINE size_t place_of_floats(size_t i) { return i; }
#endif
BN_INLINE vd wide_at(const wide_value *p, size_t i) { return vd_of_vh(vh_load(p + place_of_floats(i))); }
#endif
