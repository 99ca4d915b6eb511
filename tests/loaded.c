/* libbnorm as a plugin: a program that links neither bnorm nor OpenMP loads it, calls it, lets it go and loads it
 * again; and calls it where no thread can be made.
 *
 *     loaded libbnorm.so
 *
 * Each part runs in a child, with a time limit. Prints what failed; exits with 1 if anything did. */
#include <bnorm/bnorm.h>

#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 40000, FEATURES = 16, VALUES = ROWS * FEATURES, PATIENCE = 20 };

static const char *path;
static float x[VALUES], y[VALUES], first_y[VALUES];

typedef bnorm_status training(const bnorm_desc *, const bnorm_buffers *);

static int fail(const char *what)
{
    fprintf(stderr, "loaded: %s\n", what);
    return 1;
}

static int tasks(void)
{
    char line[128];
    int threads = 0;
    FILE *const file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "Threads: %d", &threads);
    if (file) fclose(file);
    return threads;
}

static bnorm_status train(void *library, int threads)
{
    union { /* C has no cast from an object's address to a function's */
        void *object;
        training *function;
    } symbol = {.object = dlsym(library, "bnorm_forward_training")};
    bnorm_desc d = bnorm_matrix(BNORM_F32, ROWS, FEATURES);
    d.threads = threads;
    memset(y, 0, sizeof y);
    return symbol.function ? symbol.function(&d, &(bnorm_buffers){.x = x, .y = y}) : BNORM_NULL;
}

/* The workers that the first call left behind must not wake in code that is gone; nor a fork call into it. */
static int load_and_unload(void)
{
    for (int round = 0; round < 3; round++) {
        void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) return fail(dlerror());
        if (train(library, 2) != BNORM_OK) return fail("a call");
        if (round == 0) memcpy(first_y, y, sizeof y);
        /* Bits are what is asked. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison, cert-exp42-c, cert-flp37-c) */
        if (memcmp(y, first_y, sizeof y) != 0) return fail("other bits after loading again");
        if (TEAMS && tasks() < 2) return fail("the call made no thread");
        if (dlclose(library) != 0) return fail("dlclose");
        const pid_t child = fork();
        if (child == 0) _exit(0);
        int state = 1;
        waitpid(child, &state, 0);
        if (state != 0) return fail("fork after dlclose");
        usleep(20000); /* so that spinning workers go to sleep */
    }
    return 0;
}

/* From now on no thread can be made, nor a process. */
static int forbid_clone(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_clone3
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
#endif
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           fork() < 0 && errno == EAGAIN;
}

static int one_thread(void)
{
    void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fail(dlerror());
    if (!forbid_clone()) return fail("threads cannot be forbidden");
    return train(library, 1) == BNORM_OK ? 0 : fail("one thread, where no other can be made");
}

static int default_of_one(void)
{
    setenv("OMP_NUM_THREADS", "1", 1);
    void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fail(dlerror());
    if (!forbid_clone()) return fail("threads cannot be forbidden");
    return train(library, 0) == BNORM_OK ? 0 : fail("OpenMP's default of one, where no other can be made");
}

/* Here OpenMP decides: libgomp ends the process, with a line on stderr and status 1; libomp aborts it. That it ends so
 * is all that is asked. */
static int two_threads(void)
{
    void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fail(dlerror());
    if (!forbid_clone()) return fail("threads cannot be forbidden");
    if (train(library, 2) != BNORM_OK) return 2;
    return 0;
}

/* Its exit status; 128 and the signal where one ended it, as a shell has it. */
static int in_child(const char *what, int (*part)(void))
{
    int state = 1;
    const pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE);
        _exit(part());
    }
    waitpid(child, &state, 0);
    if (WIFEXITED(state)) return WEXITSTATUS(state);
    fprintf(stderr, "loaded: %s: signal %d\n", what, WTERMSIG(state));
    return 128 + WTERMSIG(state);
}

int main(int argc, char **argv)
{
    if (argc != 2) return fail("usage: loaded libbnorm.so");
    path = argv[1];
    for (size_t i = 0; i < VALUES; i++) x[i] = (float)(i * 2654435761u % 1000);
    int failures = in_child("loading again", load_and_unload) != 0;
    failures += in_child("one thread", one_thread) != 0;
    failures += in_child("a default of one", default_of_one) != 0;
    const int two = in_child("two threads", two_threads);
    failures += two > 128 && two != 128 + SIGABRT;
    printf("two threads where none can be made: exit status %d\n", two);
    return failures > 0;
}
