/* SPDX-License-Identifier: MIT */
/* Vectors of VS__WIDTH floats, so that one source serves every level: 16 with AVX-512, 8 with AVX2
   and FMA, 4 with NEON or as the compiler can, 1 in plain C. Sums, differences and products are the
   operators, or plus(), minus() and product(), which are also there where a vector is two; loads and
   stores need no alignment.

   With VS__SAME no products are fused, so that the numbers are the same everywhere: 8 lanes with AVX2,
   or two times 4 of the compiler's own, for whatever has four, or none. */
#ifndef VS_SRC_DSP_VEC_H
#define VS_SRC_DSP_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIDTH  ((size_t)VS__WIDTH)
#define INLINE static inline __attribute__((always_inline))

#if VS__WIDTH == 16

#include <immintrin.h>

typedef __m512 vec;

INLINE vec load(const float *x)
{
    return _mm512_loadu_ps(x);
}

/* Kept in a register, where compilers would load it anew for each use. */
INLINE vec load_once(const float *x)
{
    vec v = load(x);
    __asm__("" : "+v"(v));
    return v;
}

INLINE void store(float *x, vec v)
{
    _mm512_storeu_ps(x, v);
}

INLINE vec splat(float x)
{
    return _mm512_set1_ps(x);
}

/* c + a * b */
INLINE vec add_product(vec c, vec a, vec b)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* c - a * b */
INLINE vec sub_product(vec c, vec a, vec b)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* a * b - c */
INLINE vec product_less(vec c, vec a, vec b)
{
    return _mm512_fmsub_ps(a, b, c);
}

INLINE float lane0(vec v)
{
    return _mm512_cvtss_f32(v);
}

INLINE vec larger(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

INLINE vec smaller(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

/* Lane i to lane -i, modulo the width. */
INLINE vec mirror(vec v)
{
    const __m512i order = _mm512_setr_epi32(0, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1);
    return _mm512_permutexvar_ps(order, v);
}

/* `v` with lane 0 of `first`. */
INLINE vec blend_first(vec v, vec first)
{
    return _mm512_mask_mov_ps(v, 1, first);
}

INLINE void store_first_pair(float *x, vec even, vec odd)
{
    _mm_storel_pi((__m64 *)(void *)x, _mm512_castps512_ps128(_mm512_unpacklo_ps(even, odd)));
}

INLINE vec reverse(vec v)
{
    const __m512i order = _mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_permutexvar_ps(order, v);
}

/* Every other float to each of the two. */
INLINE void load_pairs(const float *x, vec *ret_even, vec *ret_odd)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    vec low = load(x), high = load(x + 16);
    *ret_even = _mm512_permutex2var_ps(low, even, high);
    *ret_odd = _mm512_permutex2var_ps(low, odd, high);
}

INLINE void store_pairs(float *x, vec even, vec odd)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    store(x, _mm512_permutex2var_ps(even, low, odd));
    store(x + 16, _mm512_permutex2var_ps(even, high, odd));
}

INLINE void load_pairs_reversed(const float *x, vec *ret_even, vec *ret_odd)
{
    vec even, odd;
    load_pairs(x, &even, &odd);
    *ret_even = reverse(even);
    *ret_odd = reverse(odd);
}

INLINE void store_pairs_reversed(float *x, vec even, vec odd)
{
    store_pairs(x, reverse(even), reverse(odd));
}

/* Rows become columns: within groups of four rows and 128 bits first, then between them. */
INLINE void transpose(vec *x)
{
    for (size_t i = 0; i < 16; i += 4) {
        vec a = _mm512_unpacklo_ps(x[i], x[i + 1]), b = _mm512_unpackhi_ps(x[i], x[i + 1]);
        vec c = _mm512_unpacklo_ps(x[i + 2], x[i + 3]), d = _mm512_unpackhi_ps(x[i + 2], x[i + 3]);
        x[i] = _mm512_shuffle_ps(a, c, 0x44);
        x[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        x[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        x[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (size_t i = 0; i < 4; i++) {
        vec a = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x44);
        vec b = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xee);
        vec c = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x44);
        vec d = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xee);
        x[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        x[i + 4] = _mm512_shuffle_f32x4(a, c, 0xdd);
        x[i + 8] = _mm512_shuffle_f32x4(b, d, 0x88);
        x[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

#elif VS__WIDTH == 8 && defined(__AVX2__)

#include <immintrin.h>

typedef __m256 vec;

INLINE vec load(const float *x)
{
    return _mm256_loadu_ps(x);
}

INLINE vec load_once(const float *x)
{
    vec v = load(x);
    __asm__("" : "+x"(v));
    return v;
}

INLINE void store(float *x, vec v)
{
    _mm256_storeu_ps(x, v);
}

INLINE vec splat(float x)
{
    return _mm256_set1_ps(x);
}

#ifndef VS__SAME
INLINE vec add_product(vec c, vec a, vec b)
{
    return _mm256_fmadd_ps(a, b, c);
}

INLINE vec sub_product(vec c, vec a, vec b)
{
    return _mm256_fnmadd_ps(a, b, c);
}

INLINE vec product_less(vec c, vec a, vec b)
{
    return _mm256_fmsub_ps(a, b, c);
}
#endif

INLINE float lane0(vec v)
{
    return _mm256_cvtss_f32(v);
}

INLINE vec larger(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

INLINE vec smaller(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

INLINE vec mirror(vec v)
{
    return _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(0, 7, 6, 5, 4, 3, 2, 1));
}

INLINE vec blend_first(vec v, vec first)
{
    return _mm256_blend_ps(v, first, 1);
}

INLINE void store_first_pair(float *x, vec even, vec odd)
{
    _mm_storel_pi((__m64 *)(void *)x, _mm256_castps256_ps128(_mm256_unpacklo_ps(even, odd)));
}

/* Two times 128 bits. */
INLINE vec load_halves(const float *low, const float *high)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}

/* Halves that are loaded crosswise need no shuffle over the whole vector. */
INLINE void load_pairs(const float *x, vec *ret_even, vec *ret_odd)
{
    vec a = load_halves(x, x + 8), b = load_halves(x + 4, x + 12);
    *ret_even = _mm256_shuffle_ps(a, b, 0x88);
    *ret_odd = _mm256_shuffle_ps(a, b, 0xdd);
}

INLINE void load_pairs_reversed(const float *x, vec *ret_even, vec *ret_odd)
{
    vec a = load_halves(x + 12, x + 4), b = load_halves(x + 8, x);
    *ret_even = _mm256_shuffle_ps(a, b, 0x22);
    *ret_odd = _mm256_shuffle_ps(a, b, 0x77);
}

INLINE void store_pairs(float *x, vec even, vec odd)
{
    vec a = _mm256_unpacklo_ps(even, odd), b = _mm256_unpackhi_ps(even, odd);
    store(x, _mm256_permute2f128_ps(a, b, 0x20));
    store(x + 8, _mm256_permute2f128_ps(a, b, 0x31));
}

INLINE void store_pairs_reversed(float *x, vec even, vec odd)
{
    even = _mm256_permute_ps(even, 0x1b);
    odd = _mm256_permute_ps(odd, 0x1b);
    vec a = _mm256_unpacklo_ps(even, odd), b = _mm256_unpackhi_ps(even, odd);
    store(x, _mm256_permute2f128_ps(a, b, 0x31));
    store(x + 8, _mm256_permute2f128_ps(a, b, 0x20));
}

INLINE void transpose(vec *x)
{
    for (size_t i = 0; i < 8; i += 4) {
        vec a = _mm256_unpacklo_ps(x[i], x[i + 1]), b = _mm256_unpackhi_ps(x[i], x[i + 1]);
        vec c = _mm256_unpacklo_ps(x[i + 2], x[i + 3]), d = _mm256_unpackhi_ps(x[i + 2], x[i + 3]);
        x[i] = _mm256_shuffle_ps(a, c, 0x44);
        x[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        x[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        x[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (size_t i = 0; i < 4; i++) {
        vec a = x[i], b = x[i + 4];
        x[i] = _mm256_permute2f128_ps(a, b, 0x20);
        x[i + 4] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

#elif VS__WIDTH == 8 && defined(VS__SAME)

typedef float quad __attribute__((vector_size(16)));

typedef struct {
    quad low, high;
} vec;

#define VS__HALVES

INLINE vec load(const float *x)
{
    vec v;
    memcpy(&v.low, x, sizeof(v.low));
    memcpy(&v.high, x + 4, sizeof(v.high));
    return v;
}

INLINE void store(float *x, vec v)
{
    memcpy(x, &v.low, sizeof(v.low));
    memcpy(x + 4, &v.high, sizeof(v.high));
}

INLINE vec splat(float x)
{
    return (vec){{x, x, x, x}, {x, x, x, x}};
}

INLINE vec plus(vec a, vec b)
{
    return (vec){a.low + b.low, a.high + b.high};
}

INLINE vec minus(vec a, vec b)
{
    return (vec){a.low - b.low, a.high - b.high};
}

INLINE vec product(vec a, vec b)
{
    return (vec){a.low * b.low, a.high * b.high};
}

INLINE float lane0(vec v)
{
    return v.low[0];
}

INLINE quad reverse_quad(quad q)
{
    return __builtin_shufflevector(q, q, 3, 2, 1, 0);
}

INLINE vec mirror(vec v)
{
    return (vec){__builtin_shufflevector(v.low, v.high, 0, 7, 6, 5),
                 __builtin_shufflevector(v.low, v.high, 4, 3, 2, 1)};
}

INLINE vec blend_first(vec v, vec first)
{
    return (vec){__builtin_shufflevector(v.low, first.low, 4, 1, 2, 3), v.high};
}

INLINE void store_first_pair(float *x, vec even, vec odd)
{
    x[0] = even.low[0];
    x[1] = odd.low[0];
}

INLINE vec reverse(vec v)
{
    return (vec){reverse_quad(v.high), reverse_quad(v.low)};
}

INLINE void load_pairs(const float *x, vec *ret_even, vec *ret_odd)
{
    vec a = load(x), b = load(x + 8);
    *ret_even = (vec){__builtin_shufflevector(a.low, a.high, 0, 2, 4, 6),
                      __builtin_shufflevector(b.low, b.high, 0, 2, 4, 6)};
    *ret_odd = (vec){__builtin_shufflevector(a.low, a.high, 1, 3, 5, 7),
                     __builtin_shufflevector(b.low, b.high, 1, 3, 5, 7)};
}

INLINE void store_pairs(float *x, vec even, vec odd)
{
    store(x, (vec){__builtin_shufflevector(even.low, odd.low, 0, 4, 1, 5),
                   __builtin_shufflevector(even.low, odd.low, 2, 6, 3, 7)});
    store(x + 8, (vec){__builtin_shufflevector(even.high, odd.high, 0, 4, 1, 5),
                       __builtin_shufflevector(even.high, odd.high, 2, 6, 3, 7)});
}

INLINE void load_pairs_reversed(const float *x, vec *ret_even, vec *ret_odd)
{
    load_pairs(x, ret_even, ret_odd);
    *ret_even = reverse(*ret_even);
    *ret_odd = reverse(*ret_odd);
}

INLINE void store_pairs_reversed(float *x, vec even, vec odd)
{
    store_pairs(x, reverse(even), reverse(odd));
}

INLINE void transpose_quads(quad *w, quad *x, quad *y, quad *z)
{
    quad a = __builtin_shufflevector(*w, *x, 0, 4, 1, 5);
    quad b = __builtin_shufflevector(*w, *x, 2, 6, 3, 7);
    quad c = __builtin_shufflevector(*y, *z, 0, 4, 1, 5);
    quad d = __builtin_shufflevector(*y, *z, 2, 6, 3, 7);
    *w = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    *x = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    *y = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    *z = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

INLINE void transpose(vec *x)
{
    transpose_quads(&x[0].low, &x[1].low, &x[2].low, &x[3].low);
    transpose_quads(&x[0].high, &x[1].high, &x[2].high, &x[3].high);
    transpose_quads(&x[4].low, &x[5].low, &x[6].low, &x[7].low);
    transpose_quads(&x[4].high, &x[5].high, &x[6].high, &x[7].high);
    for (size_t i = 0; i < 4; i++) {
        quad swap = x[i].high;
        x[i].high = x[i + 4].low;
        x[i + 4].low = swap;
    }
}

#elif VS__WIDTH == 4 && defined(VS__SAME)

typedef float vec __attribute__((vector_size(16)));

INLINE vec load(const float *x)
{
    vec v;
    memcpy(&v, x, sizeof(v));
    return v;
}

INLINE vec load_once(const float *x)
{
    return load(x);
}

INLINE void store(float *x, vec v)
{
    memcpy(x, &v, sizeof(v));
}

INLINE vec splat(float x)
{
    return (vec){x, x, x, x};
}

INLINE float lane0(vec v)
{
    return v[0];
}

INLINE vec larger(vec a, vec b)
{
    typedef int32_t mask __attribute__((vector_size(16)));
    mask is = a > b;
    return (vec)((is & (mask)a) | (~is & (mask)b));
}

INLINE vec smaller(vec a, vec b)
{
    typedef int32_t mask __attribute__((vector_size(16)));
    mask is = a < b;
    return (vec)((is & (mask)a) | (~is & (mask)b));
}

INLINE vec mirror(vec v)
{
    return __builtin_shufflevector(v, v, 0, 3, 2, 1);
}

INLINE vec blend_first(vec v, vec first)
{
    return __builtin_shufflevector(v, first, 4, 1, 2, 3);
}

INLINE void store_first_pair(float *x, vec even, vec odd)
{
    x[0] = even[0];
    x[1] = odd[0];
}

INLINE vec reverse(vec v)
{
    return __builtin_shufflevector(v, v, 3, 2, 1, 0);
}

INLINE void load_pairs(const float *x, vec *ret_even, vec *ret_odd)
{
    vec low = load(x), high = load(x + 4);
    *ret_even = __builtin_shufflevector(low, high, 0, 2, 4, 6);
    *ret_odd = __builtin_shufflevector(low, high, 1, 3, 5, 7);
}

INLINE void store_pairs(float *x, vec even, vec odd)
{
    store(x, __builtin_shufflevector(even, odd, 0, 4, 1, 5));
    store(x + 4, __builtin_shufflevector(even, odd, 2, 6, 3, 7));
}

INLINE void load_pairs_reversed(const float *x, vec *ret_even, vec *ret_odd)
{
    vec low = load(x), high = load(x + 4);
    *ret_even = __builtin_shufflevector(low, high, 6, 4, 2, 0);
    *ret_odd = __builtin_shufflevector(low, high, 7, 5, 3, 1);
}

INLINE void store_pairs_reversed(float *x, vec even, vec odd)
{
    store_pairs(x, reverse(even), reverse(odd));
}

INLINE void transpose(vec *x)
{
    vec a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
    vec b = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
    vec c = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
    vec d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
    x[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    x[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    x[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    x[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

#elif VS__WIDTH == 4

#include <arm_neon.h>

typedef float32x4_t vec;

INLINE vec load(const float *x)
{
    return vld1q_f32(x);
}

INLINE vec load_once(const float *x)
{
    return load(x);
}

INLINE void store(float *x, vec v)
{
    vst1q_f32(x, v);
}

INLINE vec splat(float x)
{
    return vdupq_n_f32(x);
}

INLINE vec add_product(vec c, vec a, vec b)
{
    return vfmaq_f32(c, a, b);
}

INLINE vec sub_product(vec c, vec a, vec b)
{
    return vfmsq_f32(c, a, b);
}

INLINE vec product_less(vec c, vec a, vec b)
{
    return vnegq_f32(vfmsq_f32(c, a, b));
}

INLINE float lane0(vec v)
{
    return vgetq_lane_f32(v, 0);
}

INLINE vec larger(vec a, vec b)
{
    return vmaxq_f32(a, b);
}

INLINE vec smaller(vec a, vec b)
{
    return vminq_f32(a, b);
}

INLINE vec mirror(vec v)
{
    vec swapped = vrev64q_f32(v);
    return vextq_f32(swapped, swapped, 1);
}

INLINE vec blend_first(vec v, vec first)
{
    return vcopyq_laneq_f32(v, 0, first, 0);
}

INLINE void store_first_pair(float *x, vec even, vec odd)
{
    vst1_f32(x, vget_low_f32(vzip1q_f32(even, odd)));
}

INLINE vec reverse(vec v)
{
    vec swapped = vrev64q_f32(v);
    return vextq_f32(swapped, swapped, 2);
}

INLINE void load_pairs(const float *x, vec *ret_even, vec *ret_odd)
{
    float32x4x2_t pairs = vld2q_f32(x);
    *ret_even = pairs.val[0];
    *ret_odd = pairs.val[1];
}

INLINE void store_pairs(float *x, vec even, vec odd)
{
    vst2q_f32(x, (float32x4x2_t){{even, odd}});
}

INLINE void load_pairs_reversed(const float *x, vec *ret_even, vec *ret_odd)
{
    float32x4x2_t pairs = vld2q_f32(x);
    *ret_even = reverse(pairs.val[0]);
    *ret_odd = reverse(pairs.val[1]);
}

INLINE void store_pairs_reversed(float *x, vec even, vec odd)
{
    store_pairs(x, reverse(even), reverse(odd));
}

INLINE void transpose(vec *x)
{
    float32x4x2_t a = vtrnq_f32(x[0], x[1]), b = vtrnq_f32(x[2], x[3]);
    x[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    x[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    x[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    x[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#elif VS__WIDTH == 1

typedef float vec;

INLINE vec load(const float *x)
{
    return *x;
}

INLINE vec load_once(const float *x)
{
    return *x;
}

INLINE void store(float *x, vec v)
{
    *x = v;
}

INLINE vec splat(float x)
{
    return x;
}

INLINE float lane0(vec v)
{
    return v;
}

INLINE vec larger(vec a, vec b)
{
    return a > b ? a : b;
}

INLINE vec smaller(vec a, vec b)
{
    return a < b ? a : b;
}

INLINE vec mirror(vec v)
{
    return v;
}

INLINE vec blend_first(vec v, vec first)
{
    return first;
}

INLINE void store_first_pair(float *x, vec even, vec odd)
{
    x[0] = even;
    x[1] = odd;
}

INLINE void load_pairs(const float *x, vec *ret_even, vec *ret_odd)
{
    *ret_even = x[0];
    *ret_odd = x[1];
}

INLINE void store_pairs(float *x, vec even, vec odd)
{
    x[0] = even;
    x[1] = odd;
}

INLINE void load_pairs_reversed(const float *x, vec *ret_even, vec *ret_odd)
{
    load_pairs(x, ret_even, ret_odd);
}

INLINE void store_pairs_reversed(float *x, vec even, vec odd)
{
    store_pairs(x, even, odd);
}

INLINE void transpose(vec *x)
{
}

#else
#error "VS__WIDTH must be 1, 4, 8 or 16"
#endif

#ifndef VS__HALVES
INLINE vec plus(vec a, vec b)
{
    return a + b;
}

INLINE vec minus(vec a, vec b)
{
    return a - b;
}

INLINE vec product(vec a, vec b)
{
    return a * b;
}
#endif

#if defined(VS__SAME) || VS__WIDTH == 1
/* c + a * b */
INLINE vec add_product(vec c, vec a, vec b)
{
    return plus(c, product(a, b));
}

/* c - a * b */
INLINE vec sub_product(vec c, vec a, vec b)
{
    return minus(c, product(a, b));
}

/* a * b - c */
INLINE vec product_less(vec c, vec a, vec b)
{
    return minus(product(a, b), c);
}
#endif

#endif
