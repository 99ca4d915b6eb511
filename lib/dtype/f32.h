/* float: stored as it is computed with. Squares are exact in double, so sums need no pivot. */
#define BN_EXACT_SQUARES 1

typedef float stored; /* in x, y, dx, dy */
typedef float real;   /* what elements are computed with */
typedef float param;  /* gamma, beta, running statistics, dgamma, dbeta */
typedef vf vr;        /* of real */
typedef vi vlane;     /* integers as wide */
enum { VR = VF };

BN_INLINE vr vr_load(const real *p) { return vf_load(p); }
BN_INLINE vr vr_load_part(const real *p, size_t n) { return vf_load_part(p, n); }

BN_INLINE vf x_load(const stored *p) { return vf_load(p); }
BN_INLINE vf x_load_part(const stored *p, size_t n) { return vf_load_part(p, n); }
BN_INLINE vd x_widen(const stored *p) { return vd_of_vh(vh_load(p)); }
BN_INLINE vd x_widen_part(const stored *p, size_t n) { return vd_of_vh(vh_load_part(p, n)); }
BN_INLINE void y_store(stored *p, vf v) { vf_store(p, v); }
BN_INLINE void y_store_part(stored *p, vf v, size_t n) { vf_store_part(p, v, n); }
BN_INLINE void y_stream(stored *p, vf v) { vf_stream(p, v); }
