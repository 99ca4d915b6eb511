/* The committed hashes (hashes.h): what every machine, compiler, instruction set, number of threads and caller finds.
 *
 * The environment says under what they are sought: OpenMP's own variables the team, BNORM_ISA the instruction set, and
 * BNORM_TEST_CALLER who calls, by words with commas between them:
 *
 *     pthreads                      8 threads, each on a problem of its own
 *     region                        the same with the 3 threads of a parallel region
 *     flushing, downward, upward, to_zero_flushing     the control word in which each call is made
 *
 * A row that differs is printed as it would stand in hashes.h. */
#include "support/cache.h"
#include "support/check.h"
#include "support/control_word.h"
#include "support/variant.h"

#include "parallel/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { LAST = BNORM_CHANNELS_LAST, FIRST = BNORM_CHANNELS_FIRST };

struct row {
    int layout;
    size_t batch, features, spatial;
    uint64_t of[TYPES]; /* by bnorm_dtype */
};

#include "hashes.h"

enum { PTHREADS = 8, REGION = 3, LARGE = 400000 /* values; emulators leave such rows out */ };

/* ---- who calls --------------------------------------------------------------------------------------------------- */

static struct {
    bool pthreads, region;
    surroundings *control_word;
} caller;

/* What the calls of a case had: how many a team of each size. */
enum { TEAMS = 256 };
static atomic_int calls_on[TEAMS + 1];

static bool know_word(const char *word)
{
    surroundings *control_word = NULL;
    for (int i = 0; i < CONTROL_WORDS; i++)
        if (strcmp(word, control_words[i].name) == 0) control_word = control_words[i].around;
    const bool pthreads = strcmp(word, "pthreads") == 0, region = strcmp(word, "region") == 0;
    if (control_word) caller.control_word = control_word;
    caller.pthreads |= pthreads;
    caller.region |= region;
    return control_word || pthreads || region;
}

static void know_caller(void)
{
    char words[128] = "";
    const char *const asked = getenv("BNORM_TEST_CALLER");
    memset(&caller, 0, sizeof caller);
    memset(calls_on, 0, sizeof calls_on);
    if (asked) strncpy(words, asked, sizeof words - 1);
    for (char *rest = words, *word; (word = strtok_r(rest, ",", &rest));)
        CHECK(know_word(word), "BNORM_TEST_CALLER: \"%s\" is no caller", word);
}

/* Every call of the library passes here. */
static void as_called(void (*body)(void *), void *argument)
{
    if (caller.control_word)
        caller.control_word(body, argument);
    else
        body(argument);
    const int team = bn_last_team();
    calls_on[team < TEAMS ? team : TEAMS]++;
}

/* Rows by types, handed out one at a time. */
struct search {
    uint64_t (*find)(const void *context, size_t item);
    const void *context;
    size_t items;
    uint64_t *found;
    atomic_size_t next;
};

static void *work_off(void *argument)
{
    struct search *const s = argument;
    for (size_t i; (i = atomic_fetch_add(&s->next, 1)) < s->items;) s->found[i] = s->find(s->context, i);
    return NULL;
}

static void on_pthreads(struct search *s)
{
    pthread_t threads[PTHREADS];
    int made = 0;
    while (made < PTHREADS && pthread_create(&threads[made], NULL, work_off, s) == 0) made++;
    CHECK(made == PTHREADS, "%d threads were made", made);
    for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
}

static void search(struct search *s)
{
    know_caller();
    if (caller.pthreads) {
        on_pthreads(s);
    } else if (caller.region) {
#ifdef _OPENMP
#pragma omp parallel num_threads(REGION)
#endif
        work_off(s);
    } else {
        work_off(s);
    }
}

/* Ends with the largest team, which tests/long/sameness reads. */
static void note_teams(const char *what)
{
    char text[(TEAMS + 1) * 16];
    size_t length = 0;
    int largest = 0;
    for (int team = 1; team <= TEAMS; team++)
        if (calls_on[team] > 0) {
            length += (size_t)snprintf(text + length, sizeof text - length, " %d on %d,", calls_on[team], team);
            largest = team;
        }
    note("%s; instruction set %s; calls on threads:%s at most %d", what, bnorm_isa(), text, largest);
}

/* ---- tables of rows ---------------------------------------------------------------------------------------------- */

typedef uint64_t finder(const bnorm_desc *desc, const struct input *input);

struct table {
    const char *name;
    const struct row *rows;
    finder *find;
    bool special;
};

static size_t values_of(const struct row *r) { return r->batch * r->features * r->spatial; }

static bool left_out(const struct row *r) { return test_quick() && values_of(r) >= LARGE; }

static bnorm_desc desc_of(const struct row *r, bnorm_dtype type)
{
    return bnorm_image(type, (bnorm_layout)r->layout, r->batch, r->features, r->spatial);
}

static uint64_t find_in_table(const void *context, size_t item)
{
    const struct table *const t = context;
    const size_t row = item / TYPES;
    const bnorm_dtype type = all_types[item % TYPES];
    if (left_out(&t->rows[row])) return 0;
    const bnorm_desc d = desc_of(&t->rows[row], type);
    struct input input = variant_input(type, row);
    input.special = t->special;
    return t->find(&d, &input);
}

static void print_row(const struct table *t, const struct row *r)
{
    fprintf(stderr, "%s: {%s, %zu, %zu, %zu, {0x%016llx, 0x%016llx, 0x%016llx, 0x%016llx}},\n", t->name,
            r->layout == FIRST ? "FIRST" : "LAST", r->batch, r->features, r->spatial,
            (unsigned long long)r->of[BNORM_F32], (unsigned long long)r->of[BNORM_F64],
            (unsigned long long)r->of[BNORM_BF16], (unsigned long long)r->of[BNORM_F16]);
}

static void check_row(const struct table *t, const struct row *expected, const uint64_t *found)
{
    struct row r = *expected;
    bool same = true;
    for (int i = 0; i < TYPES; i++) {
        const bnorm_dtype type = all_types[i];
        describe("%s, %zu x %zu x %zu %s, channels %s", t->name, r.batch, r.features, r.spatial, type_name(type),
                 layout_name((bnorm_layout)r.layout));
        r.of[type] = found[i];
        CHECK(found[i] == expected->of[type], "hash 0x%016llx", (unsigned long long)found[i]);
        same = same && found[i] == expected->of[type];
    }
    if (!same) print_row(t, &r);
}

static void check_table(const char *name, const struct row *rows, size_t count, finder *find, bool special)
{
    const struct table table = {name, rows, find, special};
    struct search s = {.find = find_in_table, .context = &table, .items = count * TYPES};
    size_t checked = 0, streamed = 0;
    s.found = calloc(s.items, sizeof *s.found);
    if (!s.found) abort();
    search(&s);
    for (size_t i = 0; i < count; i++) {
        if (left_out(&rows[i])) continue;
        for (int t = 0; t < TYPES; t++) {
            const bnorm_desc d = desc_of(&rows[i], all_types[t]);
            streamed += streams(&d);
        }
        checked += TYPES;
        if (!getenv("BNORM_TEST_SEED")) check_row(&table, &rows[i], s.found + i * TYPES);
    }
    free(s.found);
    char what[128];
    snprintf(what, sizeof what, "%zu of %zu hashes, %zu of arrays beyond the cache", checked, s.items, streamed);
    note_teams(what);
}

/* ---- whole batches ----------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const uint64_t *all, size_t count)
{
    uint64_t h = 0xcbf29ce484222325; /* FNV-1a, by words */
    for (size_t i = 0; i < count; i++) h = (h ^ all[i]) * 0x100000001b3;
    return h;
}

static uint64_t find_calls(const bnorm_desc *desc, const struct input *input)
{
    const struct digests d = variant_run(desc, input, &(struct variant){.around = as_called});
    const uint64_t all[] = {d.training_y,  d.inference_y, d.mean,   d.invstd, d.running_mean,
                            d.running_var, d.dx,          d.dgamma, d.dbeta};
    return hash_of(all, LENGTH(all));
}

CASE(hashes, calls) { check_table("hashes", hashes, LENGTH(hashes), find_calls, false); }

CASE(hashes, special_values)
{
    check_table("hashes_of_special_values", hashes_of_special_values, LENGTH(hashes_of_special_values), find_calls,
                true);
}

/* ---- parts of a batch -------------------------------------------------------------------------------------------- */

/* A batch in thirds, which are no whole blocks, the last of them merged: the serialised sums, and what comes of them.
 */
struct parts {
    struct problem problem;
    bnorm_moments *moments, *last_moments;
    bnorm_gradient_sums *sums, *last_sums;
    uint64_t hash_of_moments, hash_of_sums;
};

static void require(bnorm_status status, const char *what)
{
    CHECK(status == BNORM_OK, "%s: %s", what, bnorm_status_string(status));
}

static size_t third(const struct parts *p, size_t number) { return p->problem.desc.batch * number / 3; }

static const void *part_of(const struct parts *p, enum array_name name, size_t number)
{
    const struct array *const a = &p->problem.arrays[name];
    const size_t entry = p->problem.desc.features * p->problem.desc.spatial * a->size;
    return a->elements + third(p, number) * entry;
}

static uint64_t hash_of_bytes(const unsigned char *bytes, size_t size)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++) h = (h ^ bytes[i]) * 0x100000001b3;
    return h;
}

static void accumulate_moments(struct parts *p, bnorm_moments *m, size_t number)
{
    const size_t entries = third(p, number + 1) - third(p, number);
    require(bnorm_moments_accumulate(m, entries, part_of(p, X, number)), "accumulate");
}

static void sum_moments(void *argument)
{
    struct parts *const p = argument;
    require(bnorm_moments_create(&p->moments, &p->problem.desc, 0), "create");
    accumulate_moments(p, p->moments, 0);
    accumulate_moments(p, p->moments, 1);
    require(bnorm_moments_create(&p->last_moments, &p->problem.desc, bnorm_moments_next_block(p->moments)), "create");
    accumulate_moments(p, p->last_moments, 2);
}

static void finish_moments(void *argument)
{
    struct parts *const p = argument;
    const bnorm_buffers *const b = &p->problem.buffers;
    require(bnorm_moments_merge(p->moments, p->last_moments), "merge");
    require(bnorm_moments_finish(p->moments, b->mean, b->invstd), "finish");
    require(bnorm_moments_commit(p->moments, b->running_mean, b->running_var), "commit");
    require(bnorm_normalise(&p->problem.desc, b), "normalise");
}

static void accumulate_sums(struct parts *p, bnorm_gradient_sums *g, size_t number)
{
    const size_t entries = third(p, number + 1) - third(p, number);
    require(bnorm_gradient_sums_accumulate(g, entries, part_of(p, X, number), part_of(p, DY, number),
                                           p->problem.buffers.mean),
            "accumulate");
}

static void sum_gradients(void *argument)
{
    struct parts *const p = argument;
    require(bnorm_gradient_sums_create(&p->sums, &p->problem.desc, 0), "create");
    accumulate_sums(p, p->sums, 0);
    accumulate_sums(p, p->sums, 1);
    require(bnorm_gradient_sums_create(&p->last_sums, &p->problem.desc, bnorm_gradient_sums_next_block(p->sums)),
            "create");
    accumulate_sums(p, p->last_sums, 2);
}

static void finish_gradients(void *argument)
{
    struct parts *const p = argument;
    const bnorm_buffers *const b = &p->problem.buffers;
    require(bnorm_gradient_sums_merge(p->sums, p->last_sums), "merge");
    require(bnorm_gradient_sums_finish(p->sums, b->invstd, b->dgamma, b->dbeta), "finish");
    require(bnorm_input_gradient(&p->problem.desc, b, p->sums), "input gradient");
}

static void serialise(void *argument)
{
    struct parts *const p = argument;
    size_t moments = 0, sums = 0;
    require(bnorm_moments_serialise(p->moments, NULL, &moments), "size");
    require(bnorm_gradient_sums_serialise(p->sums, NULL, &sums), "size");
    unsigned char *const bytes = malloc(moments + sums);
    if (!bytes) abort();
    require(bnorm_moments_serialise(p->moments, bytes, &moments), "serialise");
    require(bnorm_gradient_sums_serialise(p->sums, bytes + moments, &sums), "serialise");
    p->hash_of_moments = hash_of_bytes(bytes, moments);
    p->hash_of_sums = hash_of_bytes(bytes + moments, sums);
    free(bytes);
}

static uint64_t find_parts(const bnorm_desc *desc, const struct input *input)
{
    static void (*const steps[])(void *) = {sum_moments, finish_moments, sum_gradients, finish_gradients, serialise};
    static const enum array_name results[] = {Y, MEAN, INVSTD, RUNNING_MEAN, RUNNING_VAR, DX, DGAMMA, DBETA};
    struct parts p = {.problem = problem_make(desc, 0)};
    problem_fill(&p.problem, input);
    for (size_t i = 0; i < LENGTH(steps); i++) as_called(steps[i], &p);
    uint64_t all[LENGTH(results) + 2] = {p.hash_of_moments, p.hash_of_sums};
    for (size_t i = 0; i < LENGTH(results); i++) all[2 + i] = array_digest(&p.problem.arrays[results[i]]);
    bnorm_moments_destroy(p.moments);
    bnorm_moments_destroy(p.last_moments);
    bnorm_gradient_sums_destroy(p.sums);
    bnorm_gradient_sums_destroy(p.last_sums);
    problem_free(&p.problem);
    return hash_of(all, LENGTH(all));
}

CASE(hashes, parts) { check_table("hashes_of_parts", hashes_of_parts, LENGTH(hashes_of_parts), find_parts, false); }

/* ---- every tail, strides, in place ------------------------------------------------------------------------------- */

static uint64_t find_set(const void *context, size_t set)
{
    (void)context;
    return variant_hash((enum variant_set)set, true, as_called);
}

CASE(hashes, tails_and_strides)
{
    uint64_t found[VARIANT_SETS] = {0};
    struct search s = {.find = find_set, .items = VARIANT_SETS, .found = found};
    search(&s);
    for (int set = 0; set < VARIANT_SETS; set++) {
        describe("set %d", set);
        CHECK(found[set] == hashes_of_everything[set] || getenv("BNORM_TEST_SEED"), "hash 0x%016llx",
              (unsigned long long)found[set]);
    }
    note_teams("3 hashes");
}
