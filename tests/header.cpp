/* The public header compiles alone, with warnings as errors, and the library links: from C++. */
#include <bnorm/bnorm.h>

int main()
{
    const float x[] = {1, 3};
    float y[2];
    bnorm_desc d = bnorm_matrix(BNORM_F32, 2, 1);
    d.eps = 0;
    bnorm_buffers b = {};
    b.x = x;
    b.y = y;
    return bnorm_forward_training(&d, &b) == BNORM_OK && y[0] == -1 && y[1] == 1 ? 0 : 1;
}
