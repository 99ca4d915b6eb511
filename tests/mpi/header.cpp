/* The header of MPI compiles, with warnings as errors, and the library links: from C++. */
#include <bnorm/mpi.h>

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    const float x[] = {1, 3};
    float y[2];
    bnorm_desc d = bnorm_matrix(BNORM_F32, 2, 1);
    d.eps = 0;
    bnorm_buffers b = {};
    b.x = x;
    b.y = y;
    const bool right = bnorm_mpi_forward_training(&d, &b, MPI_COMM_SELF) == BNORM_OK && y[0] == -1 && y[1] == 1;
    MPI_Finalize();
    return right ? 0 : 1;
}
