/* float: stored as it is computed with. */
#include "dtype/in_float.h"

typedef float stored; /* in x, y, dx, dy */

BN_INLINE vf x_load(const stored *p) { return vf_load(p); }
BN_INLINE vf x_load_part(const stored *p, size_t n) { return vf_load_part(p, n); }
BN_INLINE vd x_widen(const stored *p) { return vd_of_vh(vh_load(p)); }
BN_INLINE vd x_widen_part(const stored *p, size_t n) { return vd_of_vh(vh_load_part(p, n)); }
BN_INLINE void y_store(stored *p, vf v) { vf_store(p, v); }
BN_INLINE void y_store_part(stored *p, vf v, size_t n) { vf_store_part(p, v, n); }
BN_INLINE void y_stream(stored *p, vf v) { vf_stream(p, v); }
