/* bnorm-bench: options, the loop over what to time, exit status. */
#include "machine.h"
#include "match.h"
#include "report.h"
#include "support/type.h"

#include <argp.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum { MOST_THREADS = 32 };
enum option_key {
    NO_LIMITS = 256,
    NO_TEXTBOOK,
    PROTOTYPE,
    REPS,
    MIN_TIME,
    CSV,
    APPEND,
    ALL_ISA,
    WEAK,
    LLC,
    PEER,
    LAYOUT,
    MACHINE
};

typedef struct options {
    bool ops[OPERATIONS], dtypes[TYPES];
    shape_list shapes;
    int threads[MOST_THREADS], thread_counts;
    match_options match;
    const char *csv;
    bool append, all_isa, channels_first, machine;
} options;

static const struct argp_option table[] = {
    {"op", 'o', "LIST", 0, "forward, inference, backward; default forward,backward", 0},
    {"shapes", 's', "LIST", 0, "ROWSxC, NxHxWxC or a suite, several with commas", 0},
    {"shape", 0, NULL, OPTION_ALIAS, NULL, 0},
    {"suite", 'S', "LIST", 0,
     "matrices (the default), resnet50, networks (others), midsize (x of 1 to 2 MB), prototype (its shapes)", 0},
    {"layout", LAYOUT, "NAME", 0, "of images: nhwc (the default) or nchw; they are named NxHxWxC either way", 0},
    {"dtype", 'd', "LIST", 0, "f32, f64, bf16, f16; default f32", 0},
    {"threads", 't', "LIST", 0, "thread counts; default one per processor", 0},
    {"peer", PEER, "NAME", 0, "onednn: time it too; channels first also in its own blocked layout", 0},
    {"prototype", PROTOTYPE, NULL, 0,
     "time the experiment that bnorm grew from too (forward, f32, AVX-512): under the table", 0},
    {"no-limits", NO_LIMITS, NULL, 0, "leave the memory probes out", 0},
    {"no-textbook", NO_TEXTBOOK, NULL, 0, "leave the textbook loop out", 0},
    {"reps", REPS, "N", 0, "repetitions of each contest; default as many as --min-time wants, at least 11", 0},
    {"min-time", MIN_TIME, "SECONDS", 0, "to spend on a contest at least; default 1", 0},
    {"csv", CSV, "FILE", 0, "write the results there too", 0},
    {"append", APPEND, NULL, 0, "add rows to that file, without a header unless it is new", 0},
    {"all-isa", ALL_ISA, NULL, 0, "run once for each instruction set, best first; says which the machine lacks", 0},
    {"weak", WEAK, NULL, 0, "rows times the threads; speed-up compares with one thread on one share of the rows", 0},
    {"machine", MACHINE, NULL, 0, "print the lines that every result begins with, and nothing else", 0},
    {"llc", LLC, "KB", 0, "size of the last-level cache, where the system reports it wrongly", 0},
    {0}};

static void parse_ops(options *o, const char *list, struct argp_state *state)
{
    char *copy = strdup(list), *rest = NULL;
    memset(o->ops, 0, sizeof o->ops);
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        int op = 0;
        while (op < OPERATIONS && strcmp(word, operation_name((operation)op))) op++;
        if (op == OPERATIONS) argp_error(state, "no operation is called %s", word);
        o->ops[op] = true;
    }
    free(copy);
}

static void parse_dtypes(options *o, const char *list, struct argp_state *state)
{
    char *copy = strdup(list), *rest = NULL;
    memset(o->dtypes, 0, sizeof o->dtypes);
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        int type = 0;
        while (type < TYPES && strcmp(word, type_name(all_types[type]))) type++;
        if (type == TYPES) argp_error(state, "no dtype is called %s", word);
        o->dtypes[type] = true;
    }
    free(copy);
}

static void parse_threads(options *o, const char *list, struct argp_state *state)
{
    char *copy = strdup(list), *rest = NULL;
    o->thread_counts = 0;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        const int n = atoi(word);
        bool again = false;
        for (int i = 0; i < o->thread_counts; i++) again = again || o->threads[i] == n;
        if (n < 1 || again || o->thread_counts == MOST_THREADS)
            argp_error(state, "thread counts are positive, different, %d at most: %s", MOST_THREADS, list);
        o->threads[o->thread_counts++] = n;
    }
    if (o->thread_counts == 0) argp_error(state, "no thread counts in %s", list);
    free(copy);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'o': parse_ops(o, value, state); break;
    case 's':
        if (!shapes_add(&o->shapes, value))
            argp_error(state, "bad shape in %s: ROWSxFEATURES or NxHxWxC, of two rows or pixels at least", value);
        break;
    case 'S':
        if (!shapes_add(&o->shapes, value)) argp_error(state, "no suite is called %s", value);
        break;
    case 'd': parse_dtypes(o, value, state); break;
    case 't': parse_threads(o, value, state); break;
    case PEER:
        if (strcmp(value, "onednn")) argp_error(state, "no peer is called %s", value);
        if (!peer_available()) argp_failure(state, 1, 0, "built without oneDNN (libdnnl-dev)");
        o->match.peer = true;
        break;
    case LAYOUT:
        o->channels_first = !strcmp(value, "nchw");
        if (!o->channels_first && strcmp(value, "nhwc")) argp_error(state, "no layout is called %s", value);
        break;
    case NO_LIMITS: o->match.limits = false; break;
    case NO_TEXTBOOK: o->match.textbook = false; break;
    case PROTOTYPE: o->match.prototype = true; break;
    case MACHINE: o->machine = true; break;
    case REPS:
        o->match.repetitions = strtoul(value, NULL, 10);
        if (o->match.repetitions == 0) argp_error(state, "bad repetitions: %s", value);
        break;
    case MIN_TIME:
        o->match.seconds = strtod(value, NULL);
        if (!(o->match.seconds > 0)) argp_error(state, "bad time: %s", value);
        break;
    case CSV: o->csv = value; break;
    case APPEND: o->append = true; break;
    case ALL_ISA: o->all_isa = true; break;
    case WEAK: o->match.weak = true; break;
    case LLC: o->match.last_level = 1024 * strtoul(value, NULL, 10); break;
    case ARGP_KEY_ARG: argp_error(state, "what is %s?", value); break;
    case ARGP_KEY_END:
        if (o->append && !o->csv) argp_error(state, "--append wants --csv");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- Once for each instruction set ------------------------------------------------------------------------------- */

/* OMP_PROC_BIND pins this thread to its place, and a child inherits that: it gets all places back, or its whole team
 * would share one processor. */
static void unpin(void)
{
#ifdef _OPENMP
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int place = 0; place < omp_get_num_places(); place++) {
        int ids[CPU_SETSIZE];
        const int count = omp_get_place_num_procs(place);
        if (count > CPU_SETSIZE) return;
        omp_get_place_proc_ids(place, ids);
        for (int i = 0; i < count; i++) CPU_SET((size_t)ids[i], &all);
    }
    if (CPU_COUNT(&all)) sched_setaffinity(0, sizeof all, &all);
#endif
}

/* The library chooses once, so each needs a process of its own. Returns its exit status. */
static int run_again(int argc, char **argv, const char *isa, bool append)
{
    const pid_t child = fork();
    if (child == 0) {
        setenv("BNORM_ISA", isa, 1);
        unpin();
        char **const list = malloc(((size_t)argc + 2) * sizeof *list);
        int n = 0;
        if (!list) _exit(127);
        for (int i = 0; i < argc; i++) /* argp takes --al for --all-isa */
            if (strncmp(argv[i], "--al", 4) != 0) list[n++] = argv[i];
        if (append) list[n++] = (char *)"--append";
        list[n] = NULL;
        execv("/proc/self/exe", list);
        _exit(127);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) < 0) return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_all_isa(int argc, char **argv, bool csv)
{
    static const char *const names[] = {"avx512", "avx2", "neon", "generic"};
    int status = 0;
    bool append = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        printf("%s-- BNORM_ISA=%s\n", i ? "\n" : "", names[i]);
        fflush(stdout);
        const int s = run_again(argc, argv, names[i], append);
        if (s == 77) continue; /* not on this machine */
        append = csv;
        if (s) status = s;
    }
    return status;
}

/* ---- The run ----------------------------------------------------------------------------------------------------- */

/* Other people's work may have hit a probe: it gets three chances. */
static verdict run_match(result *r, const options *o, operation op, bnorm_dtype dtype, const shape *s, int threads)
{
    verdict v = MATCH_SLOW_PROBE;
    for (int i = 0; i < 3 && v == MATCH_SLOW_PROBE; i++) v = match_run(r, &o->match, op, dtype, s, threads);
    return v;
}

typedef struct results {
    result *items;
    size_t count;
    int failures;
} results;

static void run_one(results *all, const options *o, FILE *csv, operation op, bnorm_dtype dtype, const shape *s,
                    int threads)
{
    result r;
    const verdict v = run_match(&r, o, op, dtype, s, threads);
    if (v != MATCH_DONE) {
        char text[64];
        printf("%-9s %-4s %-15s %2d no time: %s\n", operation_name(op), type_name(dtype), shape_text(s, text), threads,
               v == MATCH_WRONG_ANSWER ? "wrong answer" : "a probe is slower than memcpy");
        all->failures++;
        return;
    }
    report_line(stdout, &r);
    if (csv) report_csv(csv, &r);
    all->items = realloc(all->items, (all->count + 1) * sizeof r);
    if (!all->items) abort();
    all->items[all->count++] = r;
}

static void run_ops(results *all, const options *o, FILE *csv, bnorm_dtype dtype)
{
    for (int op = 0; op < OPERATIONS; op++)
        for (int t = 0; o->ops[op] && t < o->thread_counts; t++)
            for (size_t i = 0; i < o->shapes.count; i++)
                run_one(all, o, csv, (operation)op, dtype, &o->shapes.items[i], o->threads[t]);
}

static bool any_over_prototype(const results *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (!isnan(all->items[i].over_prototype.median)) return true;
    return false;
}

/* NULL without --csv. */
static FILE *open_csv(const options *o)
{
    if (!o->csv) return NULL;
    FILE *f = fopen(o->csv, o->append ? "a" : "w");
    if (!f) {
        perror(o->csv);
        exit(1);
    }
    fseek(f, 0, SEEK_END); /* of a pipe there is no such place */
    if (!o->append || ftell(f) <= 0) {
        report_machine(f, o->match.last_level);
        report_csv_header(f);
    }
    return f;
}

int main(int argc, char **argv)
{
    options o = {.ops = {[FORWARD] = true, [BACKWARD] = true},
                 .dtypes = {[BNORM_F32] = true},
                 .threads = {machine_cpus()},
                 .thread_counts = 1};
    o.match = (match_options){.limits = true,
                              .textbook = true,
                              .seconds = 1,
                              .last_level = machine_last_level(),
                              .core_cache = machine_core_cache()};
    const struct argp parser = {
        table,
        parse,
        NULL,
        "Times bnorm against itself on one thread, a textbook loop, a rival library and what the "
        "machine's memory allows. Every answer is checked before its time is printed.",
        NULL,
        NULL,
        NULL};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    if (o.all_isa) return run_all_isa(argc, argv, o.csv);

    const char *asked = getenv("BNORM_ISA");
    if (asked && *asked && strcmp(asked, bnorm_isa())) {
        if (strcmp(bnorm_isa(), "unknown") == 0) {
            fprintf(stderr, "bnorm-bench: BNORM_ISA=%s names no instruction set: avx512, avx2, neon, generic\n", asked);
            return 1;
        }
        printf("this machine, or this build, has no %s: it would run %s\n", asked, bnorm_isa());
        return 77;
    }
    if (o.machine) {
        report_machine(stdout, o.match.last_level);
        return 0;
    }
    if (!o.shapes.count) shapes_add(&o.shapes, "matrices");
    for (size_t i = 0; i < o.shapes.count; i++)
        o.shapes.items[i].channels_first = o.channels_first && o.shapes.items[i].image;
    FILE *csv = open_csv(&o);
    report_machine(stdout, o.match.last_level);
    report_header(stdout);
    results all = {0};
    for (int type = 0; type < TYPES; type++)
        if (o.dtypes[type]) run_ops(&all, &o, csv, all_types[type]);
    report_summary(stdout, all.items, all.count);
    fflush(stdout);
    if (o.match.prototype && all.count > 0 && !any_over_prototype(&all))
        fputs("bnorm-bench: the prototype took no part: perf/README.md says where it can\n", stderr);
    if (csv) fclose(csv);
    free(all.items);
    shapes_finish(&o.shapes);
    if (all.failures) fprintf(stderr, "bnorm-bench: %d of the rows failed\n", all.failures);
    return all.failures != 0;
}
