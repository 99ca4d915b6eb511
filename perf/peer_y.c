/* The rival's forward training as a filter, for accuracy.py: rows x features floats in, y out, with gamma 1 and beta 0.
 *
 *     bnorm-peer-y 4096 64 < x > y        says on stderr who it was; 3: this build has no rival */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

enum { NO_PEER = 3 };

static int filter(work *w)
{
    const size_t count = w->rows * w->features;
    if (fread((float *)w->buffers.x, sizeof(float), count, stdin) != count) {
        fputs("bnorm-peer-y: too few values\n", stderr);
        return 1;
    }
    for (size_t c = 0; c < w->features; c++) {
        ((float *)w->buffers.gamma)[c] = 1;
        ((float *)w->buffers.beta)[c] = 0;
    }
    peer *p = peer_create(w, PEER_PLAIN);
    if (!p) return NO_PEER;
    peer_run(p);
    fprintf(stderr, "%s\n", peer_name(PEER_PLAIN));
    const bool written = fwrite(w->buffers.y, sizeof(float), count, stdout) == count && fflush(stdout) == 0;
    peer_destroy(p);
    return written ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (!peer_available()) return NO_PEER;
    const shape s = {.n = argc == 3 ? strtoull(argv[1], NULL, 10) : 0,
                     .h = 1,
                     .w = 1,
                     .c = argc == 3 ? strtoull(argv[2], NULL, 10) : 0};
    if (s.n == 0 || s.c == 0) {
        fputs("usage: bnorm-peer-y ROWS FEATURES < x > y\n", stderr);
        return 2;
    }
    work w;
    work_create(&w, FORWARD, BNORM_F32, &s, 1);
    const int status = filter(&w);
    work_destroy(&w);
    return status;
}
