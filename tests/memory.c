/* Workspace and allocation: too little of either is a status, and nothing has been written. */
#include "support/allocation.h"
#include "support/bounds.h"
#include "support/check.h"

static const bnorm_dtype types[] = {BNORM_F32, BNORM_F64};

/* Many blocks, so that there are partial sums to keep. */
static const size_t shapes[][2] = {{70000, 3}, {3000, 700}, {5000, 100}};

/* The nth allocation of a call fails, for every n until none does. */
static void check_failing_allocations(struct problem *p, enum operation operation)
{
    problem_save(p);
    for (int n = 1; n < 1000; n++) {
        allocation_fail_from(n);
        const bnorm_status status = call(operation, &p->desc, &p->buffers);
        const int count = allocation_count();
        allocation_fail_from(0);
        if (count < n) { /* none was refused */
            CHECK(status == BNORM_OK, "%s returned %s", operation_name(operation), bnorm_status_string(status));
            CHECK(n > 1, "%s allocated nothing: the shape is too small for this test", operation_name(operation));
            return;
        }
        CHECK(status == BNORM_NO_MEMORY, "%s, allocation %d failed: %s", operation_name(operation), n,
              bnorm_status_string(status));
        problem_check_unchanged(p);
    }
    CHECK(false, "a thousand allocations and still no end");
}

CASE(memory, out_of_memory)
{
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 3; s++)
            for (int o = TRAINING; o < OPERATIONS; o++) {
                if (o == INFERENCE) continue; /* sums nothing; see inference_without_memory */
                const bnorm_desc d = bnorm_matrix(types[t], shapes[s][0], shapes[s][1]);
                describe("%zu x %zu %s", d.batch, d.features, type_name(types[t]));
                struct problem p = problem_make(&d, 0);
                problem_fill(&p, &(struct input){.pattern = RANDOM});
                if (o == BACKWARD) problem_fill_saved_statistics(&p);
                check_failing_allocations(&p, o);
                problem_free(&p);
            }
}

/* Inference may or may not allocate: where it does, and that fails, the status says so. */
CASE(memory, inference_without_memory)
{
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 3; s++) {
            const bnorm_desc d = bnorm_matrix(types[t], shapes[s][0], shapes[s][1]);
            describe("%zu x %zu %s", d.batch, d.features, type_name(types[t]));
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            problem_save(&p);
            allocation_fail_from(1);
            const bnorm_status status = call(INFERENCE, &d, &p.buffers);
            const int count = allocation_count();
            allocation_fail_from(0);
            CHECK(status == (count ? BNORM_NO_MEMORY : BNORM_OK), "%s", bnorm_status_string(status));
            if (status != BNORM_OK) problem_check_unchanged(&p);
            problem_free(&p);
        }
}

/* With a workspace nothing is allocated; of one byte less, BNORM_WORKSPACE, at every alignment. */
CASE(memory, workspace)
{
    struct worst worst = {0};
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 3; s++)
            for (size_t shift = 0; shift < 16; shift += 5)
                for (int o = 0; o < OPERATIONS; o++) {
                    const bnorm_desc d = bnorm_matrix(types[t], shapes[s][0] / 7, shapes[s][1]);
                    describe("%zu x %zu %s, workspace off by %zu", d.batch, d.features, type_name(types[t]), shift);
                    size_t bytes = 0;
                    CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OK, "size");
                    struct problem p = problem_make(&d, 0);
                    problem_fill(&p, &(struct input){.pattern = RANDOM});
                    problem_fill_saved_statistics(&p);
                    problem_give_workspace(&p, bytes, shift);
                    problem_save(&p);
                    if (bytes > 0) {
                        p.buffers.workspace_size = bytes - 1;
                        const bnorm_status status = call(o, &d, &p.buffers);
                        CHECK(status == BNORM_WORKSPACE, "a byte too small: %s", bnorm_status_string(status));
                        problem_check_unchanged(&p);
                    }
                    p.buffers.workspace_size = bytes;
                    allocation_fail_from(1);
                    const bnorm_status status = problem_run(&p, o);
                    const int count = allocation_count();
                    allocation_fail_from(0);
                    CHECK(status == BNORM_OK && count == 0, "%s returned %s after %d allocations", operation_name(o),
                          bnorm_status_string(status), count);
                    if (shift == 0 && o == TRAINING && s == 0) check_training(&p, &worst);
                    problem_free(&p);
                }
}

/* The size comes from the description alone, without its thread count, and is small beside x. */
CASE(memory, workspace_size)
{
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 3; s++) {
            bnorm_desc d = bnorm_matrix(types[t], shapes[s][0], shapes[s][1]);
            describe("%zu x %zu %s", d.batch, d.features, type_name(types[t]));
            size_t one = 1, many = 2;
            d.threads = 1;
            CHECK(bnorm_workspace_size(&d, &one) == BNORM_OK, "size");
            d.threads = 64;
            CHECK(bnorm_workspace_size(&d, &many) == BNORM_OK, "size");
            CHECK(one == many, "%zu bytes with 1 thread, %zu with 64", one, many);
        }
}
