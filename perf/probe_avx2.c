#include <immintrin.h>
#define KERNELS              probe_kernels_avx2
#define NAME                 "avx2"
#define WIDTH                32
#define STREAM(place, value) _mm256_stream_ps((float *)(place), (__m256)(value))
#define STREAM_END()         _mm_sfence()
#include "probe_kernels.h"
