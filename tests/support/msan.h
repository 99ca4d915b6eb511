/* clang 14's MemorySanitizer does not know that masked stores of AVX write. Included before all else in its build. */
#ifdef __AVX2__
#include <immintrin.h>

static inline void store_masked_ps(float *p, __m256i mask, __m256 v)
{
    for (int i = 0; i < 8; i++)
        if (((__v8si)mask)[i] < 0) p[i] = ((__v8sf)v)[i];
}

static inline void store_masked_pd(double *p, __m256i mask, __m256d v)
{
    for (int i = 0; i < 4; i++)
        if (((__v4di)mask)[i] < 0) p[i] = ((__v4df)v)[i];
}

#define _mm256_maskstore_ps store_masked_ps
#define _mm256_maskstore_pd store_masked_pd
#endif
