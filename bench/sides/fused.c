/* SPDX-License-Identifier: MIT */
/* The naive path's work in few passes. */
#include "sides/fused.h"

#include <errno.h>
#include <math.h>

#define EMPHASIS 0.97f
#define POLE     0.9695f /* 80 Hz at 16 kHz */
#define GATE     0.01f
#define PEAK     0.95f
#define EVENTS   16

struct fused_event {
    int type;
    float value;
    const float *frame; /* of one in three: where it stands */
};

/* The filters start anew with each frame, as they do there. The high-pass of the pre-emphasis is
   y[i] = a (y[i-1] + x[i] - 1.97 x[i-1] + 0.97 x[i-2]). */
static void pass_c(float *x, size_t n, struct fused_frame *ret)
{
    float in = 0, emphasized = 0, out = 0, before = 0, after = 0, peak = 0;
    bool negative = false;
    size_t crossings = 0;

    for (size_t i = 0; i < n; i++) {
        float next = x[i] - EMPHASIS * in;
        before += x[i] * x[i];
        in = x[i];
        out = POLE * (out + next - emphasized);
        emphasized = next;
        float kept = fabsf(out) < GATE ? out * 0.5f : out;
        crossings += i > 0 && (kept < 0) != negative;
        negative = kept < 0;
        peak = fmaxf(peak, fabsf(kept));
        after += kept * kept;
        x[i] = kept;
    }
    float scale = peak > 0 ? PEAK / peak : 1;
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
    *ret = (struct fused_frame){sqrtf(before / (float)n), sqrtf(after / (float)n) * scale,
                                peak * scale, (float)crossings / (float)n};
}

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET

/* The eight values that stand `places` lanes before those of `now`. */
#define BEHIND(last, now, places)                                                                  \
    _mm256_castsi256_ps(_mm256_alignr_epi8(                                                        \
        _mm256_castps_si256(now), _mm256_castps_si256(_mm256_permute2f128_ps(last, now, 0x21)),    \
        16 - 4 * (places)))

INLINE float sum_lanes(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

INLINE float most_of_lanes(__m256 v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}

/* Eight steps of y[i] = u[i] + a y[i-1] at once: sums over 1, 2 and 4 lanes, then the value that
   was left by the eight before. */
INLINE __m256 filter_lanes(__m256 u, __m256 left, const __m256 *powers)
{
    const __m256 zero = _mm256_setzero_ps();
    const __m256 a1 = _mm256_set1_ps(POLE), a2 = _mm256_set1_ps(POLE * POLE),
                 a4 = _mm256_set1_ps(POLE * POLE * POLE * POLE);

    u = _mm256_fmadd_ps(a1, BEHIND(zero, u, 1), u);
    u = _mm256_fmadd_ps(a2, BEHIND(zero, u, 2), u);
    u = _mm256_fmadd_ps(a4, _mm256_permute2f128_ps(u, u, 0x08), u);
    return _mm256_fmadd_ps(*powers, left, u);
}

TARGET static void pass_avx2(float *x, size_t n, struct fused_frame *ret)
{
    const __m256 zero = _mm256_setzero_ps(), sign = _mm256_set1_ps(-0.0f);
    const __m256 emphasis = _mm256_set1_ps(EMPHASIS), pole = _mm256_set1_ps(POLE);
    const __m256i seventh = _mm256_set1_epi32(7);
    float power[8] = {POLE};
    __m256 last = zero, left = zero, before = zero, after = zero, peak = zero;
    unsigned crossings = 0, behind = 0;

    for (int i = 1; i < 8; i++)
        power[i] = power[i - 1] * POLE;
    const __m256 powers = _mm256_loadu_ps(power);
    for (size_t i = 0; i < n; i += 8) {
        __m256 now = _mm256_loadu_ps(x + i);
        __m256 one = BEHIND(last, now, 1), two = BEHIND(last, now, 2);
        before = _mm256_fmadd_ps(now, now, before);
        last = now;
        __m256 next = _mm256_fnmadd_ps(emphasis, one, now);
        __m256 step = _mm256_sub_ps(next, _mm256_fnmadd_ps(emphasis, two, one));
        __m256 out = filter_lanes(_mm256_mul_ps(pole, step), left, &powers);
        left = _mm256_permutevar8x32_ps(out, seventh);
        __m256 low = _mm256_cmp_ps(_mm256_andnot_ps(sign, out), _mm256_set1_ps(GATE), _CMP_LT_OQ);
        __m256 kept = _mm256_blendv_ps(out, _mm256_mul_ps(out, _mm256_set1_ps(0.5f)), low);
        unsigned negative = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(kept, zero, _CMP_LT_OQ));
        behind = i ? behind : negative & 1;
        crossings += (unsigned)__builtin_popcount((negative ^ (negative << 1 | behind)) & 0xff);
        behind = negative >> 7;
        peak = _mm256_max_ps(peak, _mm256_andnot_ps(sign, kept));
        after = _mm256_fmadd_ps(kept, kept, after);
        _mm256_storeu_ps(x + i, kept);
    }
    float most = most_of_lanes(peak);
    float scale = most > 0 ? PEAK / most : 1;
    for (size_t i = 0; i < n; i += 8)
        _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(scale)));
    *ret = (struct fused_frame){sqrtf(sum_lanes(before) / (float)n),
                                sqrtf(sum_lanes(after) / (float)n) * scale, most * scale,
                                (float)crossings / (float)n};
}
#else
#define pass_avx2 pass_c
#endif

/* histories ----------------------------------------------------------------------------------- */

static int make_history(struct fused_history *h, size_t most)
{
    *h = (struct fused_history){.values = vs__alloc(most * sizeof(float)), .most = most};
    return h->values ? 0 : -ENOMEM;
}

static void remember(struct fused_history *h, float value)
{
    double gone = h->used == h->most ? (double)h->values[h->next] : 0;

    h->used += h->used < h->most;
    h->sum += (double)value - gone;
    h->squares += (double)value * (double)value - gone * gone;
    h->values[h->next] = value;
    h->next = h->next + 1 == h->most ? 0 : h->next + 1;
}

static float judge(const struct fused_history *h, float value)
{
    double mean = h->sum / (double)h->used;
    double variance = fmax(0, h->squares / (double)h->used - mean * mean);

    return (value - (float)mean) / (sqrtf((float)variance) + 1e-6f);
}

/* events -------------------------------------------------------------------------------------- */

static void tell(struct fused_path *p, int type, float value, const float *frame)
{
    struct fused_event *e = vs__pool_take(&p->pool);

    if (!e)
        return;
    *e = (struct fused_event){type, value, frame};
    (void)vs__ring_put(p->events, &e, sizeof(e));
}

static void take_events(struct fused_path *p)
{
    struct fused_event *e;

    while (vs__ring_get(p->events, &e, sizeof(e))) {
        p->told++;
        p->sum += e->type != 1 ? (double)e->value : 0;
        vs__pool_give(&p->pool, e);
    }
}

/* the path ------------------------------------------------------------------------------------ */

int fused_path_create(struct fused_path *p, size_t frames_of_history, bool simd)
{
    *p = (struct fused_path){.pass = simd ? pass_avx2 : pass_c};
    if (make_history(&p->energies, frames_of_history) < 0 ||
        make_history(&p->crossings, frames_of_history) < 0 ||
        make_history(&p->scores, frames_of_history) < 0 ||
        vs__pool_init(&p->pool, VS__POOL_SMALL, EVENTS) < 0 ||
        vs__ring_create(EVENTS * sizeof(void *), &p->events) < 0) {
        fused_path_destroy(p);
        return -ENOMEM;
    }
    return 0;
}

void fused_path_destroy(struct fused_path *p)
{
    vs__free(p->energies.values);
    vs__free(p->crossings.values);
    vs__free(p->scores.values);
    vs__pool_fini(&p->pool);
    vs__ring_destroy(p->events);
}

bool fused_path_process(struct fused_path *p, float *frame, size_t n)
{
    struct fused_frame f;

    p->pass(frame, n, &f);
    float again = f.crossing * 1.5f;
    remember(&p->energies, f.after);
    remember(&p->crossings, f.crossing);
    remember(&p->scores, again);
    float score =
        judge(&p->energies, f.after) + judge(&p->crossings, f.crossing) + judge(&p->scores, again);
    bool speech = f.before > GATE;
    /* At a peak of 0.95 nothing is clipped; only a frame of silence has another peak. */
    size_t clipped = f.peak >= 0.99f ? n : 0;
    tell(p, 0, f.after, frame);
    tell(p, 1, score, NULL);
    tell(p, 2, (float)speech + (float)clipped, NULL);
    take_events(p);
    p->speech += speech;
    return speech;
}
