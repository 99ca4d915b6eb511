#include "parallel/parallel.h"
#include "parallel/fpenv.h"

#include <omp.h>
#include <stdatomic.h>
#include <unistd.h>

static _Thread_local int last_team = 1;

/* The process in which a team was first made, 0 before. libgomp hangs where a child calls on the parent's team. */
static atomic_int team_maker;

int bn_threads_most(int asked)
{
    const int most = asked > 0 ? asked : omp_get_max_threads();
    const int maker = atomic_load_explicit(&team_maker, memory_order_relaxed);

    if (most == 1 || omp_in_parallel()) return 1;
    return maker != 0 && maker != getpid() ? 1 : most;
}

static void run(bn_body *body, void *context, int thread, int team)
{
    const bn_fpenv before = bn_fpenv_enter();
    body(context, thread, team);
    bn_fpenv_leave(before);
}

void bn_parallel(int threads, bn_body *body, void *context)
{
    int made = 1;

    if (threads == 1) {
        run(body, context, 0, 1);
    } else {
        int none = 0;
        atomic_compare_exchange_strong(&team_maker, &none, getpid());
#pragma omp parallel num_threads(threads)
        {
            const int thread = omp_get_thread_num(), team = omp_get_num_threads();
            run(body, context, thread, team);
            if (thread == 0) made = team;
        }
    }
    last_team = made;
}

void bn_barrier(int team)
{
    if (team == 1) return; /* perhaps inside the caller's region, whose barrier this must not be */
#pragma omp barrier
}

int bn_last_team(void) { return last_team; }
