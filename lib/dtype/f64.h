/* double: squares are not exact, so sums are taken around a pivot. */
#define BN_EXACT_SQUARES 0

typedef double stored; /* in x, y, dx, dy */
typedef double real;   /* what elements are computed with */
typedef double param;  /* gamma, beta, running statistics, dgamma, dbeta */
typedef vd vr;         /* of real */
typedef vl vlane;      /* integers as wide */
enum { VR = VD };

BN_INLINE vr vr_load(const real *p) { return vd_load(p); }
BN_INLINE vr vr_load_part(const real *p, size_t n) { return vd_load_part(p, n); }

BN_INLINE vd x_load(const stored *p) { return vd_load(p); }
BN_INLINE vd x_load_part(const stored *p, size_t n) { return vd_load_part(p, n); }
BN_INLINE vd x_widen(const stored *p) { return vd_load(p); }
BN_INLINE vd x_widen_part(const stored *p, size_t n) { return vd_load_part(p, n); }
BN_INLINE void y_store(stored *p, vd v) { vd_store(p, v); }
BN_INLINE void y_store_part(stored *p, vd v, size_t n) { vd_store_part(p, v, n); }
BN_INLINE void y_stream(stored *p, vd v) { vd_stream(p, v); }
