#include <immintrin.h>
#define KERNELS              probe_kernels_avx512
#define NAME                 "avx512"
#define WIDTH                64
#define STREAM(place, value) _mm512_stream_ps((float *)(place), (__m512)(value))
#define STREAM_END()         _mm_sfence()
#include "probe_kernels.h"
