/* What all dtypes but double share: computed in float, whose squares are exact in double, so sums need no pivot. */
#define BN_EXACT_SQUARES 1

typedef float real;  /* what elements are computed with */
typedef float param; /* gamma, beta, running statistics, dgamma, dbeta */
typedef vf vr;       /* of real */
typedef vi vlane;    /* integers as wide */
enum { VR = VF };

BN_INLINE vr vr_load(const real *p) { return vf_load(p); }
BN_INLINE vr vr_load_part(const real *p, size_t n) { return vf_load_part(p, n); }
