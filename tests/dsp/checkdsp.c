/* SPDX-License-Identifier: MIT */
/* checkdsp LEVEL: compare every kernel of a level (c, avx2, …) with plain C, and plain
   C and each level's FFT with the definitions, after proving on mutants that the checks find faults.
   checkdsp --bench: time all kernels at all levels that run here.
   Exit status: 0 good, 1 faults, 2 usage, 77 this level cannot run here. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checkdsp.h"

static const struct entry {
    const char *name;
    bool (*check)(const struct vs__dsp *d, struct rig *g);
} entries[] = {
#define X(type, name, arguments) {#name, check_##name},
    VS__KERNELS(X)
#undef X
};
enum { ENTRIES = sizeof(entries) / sizeof(entries[0]) };

uint32_t draw(struct rig *g)
{
    uint32_t x = g->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    g->random = x;
    return x * 0x9e3779b1u;
}

static sigjmp_buf outside;

static void catch_fault(int signal_number)
{
    siglongjmp(outside, signal_number);
}

static bool make_arena(struct arena *a, size_t elements)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    a->bytes = (elements * sizeof(float) + page - 1) / page * page;
    uint8_t *all = mmap(NULL, a->bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return false;
    a->base = a->used = all + page;
    a->used_bytes = a->bytes;
    return !mprotect(a->base, a->bytes, PROT_READ | PROT_WRITE);
}

/* One case; what touches a guard page comes back here. */
static bool run_case(const struct entry *e, const struct vs__dsp *d, struct rig *g)
{
    if (sigsetjmp(outside, 1)) {
        snprintf(g->reason, sizeof(g->reason), "n %zu, placement %d: memory outside", g->n,
                 g->placement);
        return false;
    }
    return e->check(d, g);
}

/* All cases of one kernel. */
static bool run_cases(const struct entry *e, const struct vs__dsp *d, struct rig *g)
{
    static const size_t longer[] = {127, 160, 255, 480, N_MAX};
    g->random = 2463534242u;
    for (size_t k = 0; k <= 70 + sizeof(longer) / sizeof(longer[0]); k++) {
        g->n = k <= 70 ? k : longer[k - 71];
        for (g->placement = 0; g->placement < PLACEMENTS; g->placement++) {
            for (int fill = 0; fill < FILL_COUNT; fill++) {
                g->fill = (enum fill)fill;
                if (!run_case(e, d, g))
                    return false;
            }
        }
    }
    return true;
}

/* Plain C with each fault planted must be found out, and each kernel must have a mutant. */
static int try_mutants(struct rig *g)
{
    int faults = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        int tried = 0;
        for (size_t m = 0; m < mutant_count; m++) {
            if (strcmp(mutants[m].kernel, entries[i].name))
                continue;
            struct vs__dsp d;
            vs__dsp_init(&d, 0);
            mutants[m].plant(&d);
            tried++;
            if (run_cases(&entries[i], &d, g)) {
                printf("NOT FOUND: a %s that %s\n", entries[i].name, mutants[m].fault);
                faults++;
            }
        }
        if (!tried) {
            printf("NO MUTANT: %s\n", entries[i].name);
            faults++;
        }
    }
    if (!faults)
        printf("all %zu mutants found\n", mutant_count);
    return faults;
}

static int usage(void)
{
    fprintf(stderr, "usage: checkdsp --bench|LEVEL, where LEVEL is");
    for (unsigned i = 0; vs__dsp_level(i); i++)
        fprintf(stderr, "%s %s", i ? "," : "", vs__dsp_level(i));
    fprintf(stderr, "\n");
    return 2;
}

static int check_level(const char *level)
{
    struct rig g = {0};
    struct vs__dsp d, want;
    unsigned flags;
    int status = vs_cpu_parse(level, &flags), faults;
    if (status == -EINVAL) {
        fprintf(stderr, "checkdsp: no level '%s'\n", level);
        return usage();
    }
    if (status) {
        printf("skipped: this processor or this build has no %s\n", level);
        return 77;
    }
    /* what touches other memory than its own gets a signal, which run_case() turns into a reason */
    struct sigaction action = {.sa_handler = catch_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    size_t most = (size_t)(N_MAX + 8) * CHANNELS_MAX;
    if (!make_arena(&g.a, most) || !make_arena(&g.b, 2 * N_MAX) || !make_arena(&g.dst, most)) {
        fprintf(stderr, "checkdsp: no memory\n");
        return 1;
    }
    g.want = truth();
    faults = try_mutants(&g);
    vs__dsp_init(&d, flags);
    vs__dsp_init(&want, 0);
    if (flags)
        g.want = &want;
    for (size_t i = 0; i < ENTRIES; i++) {
        bool good = run_cases(&entries[i], &d, &g);
        printf("%s %s %s%s%s\n", good ? "good" : "FAULT", level, entries[i].name, good ? "" : ": ",
               good ? "" : g.reason);
        faults += !good;
    }
    faults += check_rfft(&d, level, &g);
    return faults ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return usage();
    return strcmp(argv[1], "--bench") ? check_level(argv[1]) : bench();
}
