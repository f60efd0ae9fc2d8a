/* SPDX-License-Identifier: MIT */
/* What a check works on: memory between guard bytes and guard pages, numbers to fill it with, and
   comparison. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkdsp.h"

static const uint8_t guard = 0xa5;
enum { BAND = 512 }; /* guard bytes either side of what is given out, where there is room */

/* memory ----------------------------------------------------------------------------------- */

/* Guard bytes before and after what was given out. */
static size_t before(const struct arena *a)
{
    size_t room = (size_t)(a->used - a->base);
    return room < BAND ? room : BAND;
}

static size_t after(const struct arena *a)
{
    size_t room = a->bytes - (size_t)(a->used - a->base) - a->used_bytes;
    return room < BAND ? room : BAND;
}

void *place(struct rig *g, struct arena *a, size_t count, size_t element)
{
    static const size_t after_start[] = {0, 0, 1, 3, 5};
    size_t bytes = count * element;
    a->used =
        g->placement ? a->base + after_start[g->placement] * element : a->base + a->bytes - bytes;
    a->used_bytes = bytes;
    uint8_t *low = a->used - before(a);
    memset(low, guard, (size_t)(a->used + bytes + after(a) - low));
    return a->used;
}

static bool is_intact(const struct arena *a)
{
    size_t low = before(a), high = after(a);
    for (size_t i = 1; i <= low; i++)
        if (a->used[-(ptrdiff_t)i] != guard)
            return false;
    for (size_t i = 0; i < high; i++)
        if (a->used[a->used_bytes + i] != guard)
            return false;
    return true;
}

static float draw_float(struct rig *g)
{
    static const float specials[] = {NAN,       INFINITY,     -INFINITY, 0x1p-140f, -0x1p-127f,
                                     -0.0f,     0.0f,         1e30f,     -1e30f,    0x1.fffffep127f,
                                     0x1p-126f, 0x1.fp39f,    0x1p40f,   1.0f,      -1.0f,
                                     65536.0f,  -0x1.8p-126f, -70000.0f};
    uint32_t bits = draw(g);
    float uniform = (float)(int32_t)bits * 0x1p-31f;
    if (g->fill == FILL_SPECIAL && bits % 4)
        return specials[draw(g) % (sizeof(specials) / sizeof(specials[0]))];
    if (g->fill == FILL_HALVES) {
        int32_t step = (int32_t)(draw(g) % 66000) - 33000;
        return ((float)step + 0.5f) / 32768.0f;
    }
    return uniform;
}

float *place_floats(struct rig *g, struct arena *a, size_t count)
{
    float *x = place(g, a, count, sizeof(float));
    for (size_t i = 0; i < count; i++)
        x[i] = draw_float(g);
    return x;
}

void *place_bytes(struct rig *g, struct arena *a, size_t count, size_t element)
{
    uint8_t *x = place(g, a, count, element);
    for (size_t i = 0; i < count * element; i++) {
        uint32_t bits = draw(g);
        x[i] = (uint8_t)(bits >> 8 & 1 ? bits >> 24 : bits >> 9 & 1 ? 0xff : 0x80);
    }
    return x;
}

/* comparison ------------------------------------------------------------------------------- */

bool fail(struct rig *g, size_t i, double got, double want)
{
    snprintf(g->reason, sizeof(g->reason), "n %zu, placement %d, fill %d: [%zu] is %.9g, not %.9g",
             g->n, g->placement, (int)g->fill, i, got, want);
    return false;
}

/* Floats as whole numbers in the order of their values, so that neighbours differ by one. */
static int64_t order(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits < 0 ? (int64_t)INT32_MIN - bits - 1 : bits;
}

bool agree(struct rig *g, const float *got, const float *want, size_t n, int64_t ulp)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(got[i]) && isnan(want[i]))
            continue;
        if (llabs(order(got[i]) - order(want[i])) > ulp)
            return fail(g, i, (double)got[i], (double)want[i]);
    }
    return true;
}

bool within(struct rig *g)
{
    if (is_intact(&g->a) && is_intact(&g->b) && is_intact(&g->dst))
        return true;
    snprintf(g->reason, sizeof(g->reason), "n %zu, placement %d: wrote outside", g->n,
             g->placement);
    return false;
}

float *want_floats(void)
{
    static float memory[2 * N_MAX];
    return memory;
}
