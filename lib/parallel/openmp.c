#include "parallel/parallel.h"
#include "parallel/fpenv.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static _Thread_local int last_team = 1;

/* libgomp hangs where a forked child calls on a team of its parent, made by whomever: children stay serial. */
static atomic_bool forked;

static void in_child(void) { atomic_store_explicit(&forked, true, memory_order_relaxed); }

static __attribute__((constructor)) void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

/* More threads than that cannot help, and where the system refuses one, libgomp ends the process. To learn how many
 * processors there are takes libgomp a system call, 0.4 us, so of few threads nobody asks. */
static int sensible_threads(int most)
{
    enum { ALWAYS = 16 };
    if (most <= ALWAYS) return most;
    const int twice = 2 * omp_get_num_procs(), sensible = twice > ALWAYS ? twice : ALWAYS;
    return most < sensible ? most : sensible;
}

size_t bn_threads_most(int asked)
{
    if (asked == 1 || omp_get_level() > 0 || atomic_load_explicit(&forked, memory_order_relaxed)) return 1;
    return (size_t)sensible_threads(asked > 0 ? asked : omp_get_max_threads());
}

static void run(bn_body *body, void *context, size_t thread, size_t team)
{
    const bn_fpenv before = bn_fpenv_enter();
    body(context, thread, team);
    bn_fpenv_leave(before);
    if (thread == 0) last_team = (int)team; /* which is the thread that called */
}

void bn_parallel(size_t threads, bn_body *body, void *context)
{
    if (threads == 1) {
        run(body, context, 0, 1);
        return;
    }
#pragma omp parallel num_threads((int)threads)
    run(body, context, (size_t)omp_get_thread_num(), (size_t)omp_get_num_threads());
}

void bn_barrier(size_t team)
{
    if (team == 1) return; /* perhaps inside the caller's region, whose barrier this must not be */
#pragma omp barrier
}

int bn_last_team(void) { return last_team; }
