"""The C helpers that generated kernels call: integers that never trap, floats of 16 bits, NaN in min and max."""

from __future__ import annotations

PRELUDE = r"""
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

static inline uint32_t xir_bits_f32(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
static inline float xir_from_f32(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }
static inline uint64_t xir_bits_f64(double x) { uint64_t u; memcpy(&u, &x, 8); return u; }
static inline double xir_from_f64(uint64_t u) { double x; memcpy(&x, &u, 8); return x; }

/* Rounds half to even; below 2^-14 the sum with 1/2 has the unit of the subnormal numbers. */
static inline uint16_t xir_bits_f16(float x) {
    uint32_t u = xir_bits_f32(x), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) return (uint16_t)(sign | (xir_bits_f32(xir_from_f32(a) + 0.5f) - 0x3f000000u));
    a += 0xfffu + ((a >> 13) & 1u);
    return (uint16_t)(sign | ((a - 0x38000000u) >> 13));
}
static inline float xir_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 0x3ffu;
    if (e == 0) return xir_from_f32(sign | xir_bits_f32((float)m * 0x1p-24f));
    return xir_from_f32(sign | ((e == 31 ? 255u : e + 112u) << 23) | (m << 13));
}
static inline uint16_t xir_bits_bf16(float x) {
    uint32_t u = xir_bits_f32(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
static inline float xir_from_bf16(uint16_t h) { return xir_from_f32((uint32_t)h << 16); }
static inline float xir_round_f16(float x) { return xir_from_f16(xir_bits_f16(x)); }
static inline float xir_round_bf16(float x) { return xir_from_bf16(xir_bits_bf16(x)); }

/* To f32 with the last bit set where digits are lost, so that rounding once more rounds as if it were the first time.
   (Boldo, Melquiond: Emulation of a FMA and correctly rounded sums, 2008) */
static inline float xir_odd(double x) {
    float f = (float)x;
    if (!((double)f != x) || f != f) return f;
    uint32_t u = xir_bits_f32(f);
    if (fabs((double)f) > fabs(x)) u -= 1;
    return xir_from_f32(u | 1u);
}

static inline int32_t xir_whole32(double x) {
    double t = trunc(x);
    return t >= -0x1p31 && t < 0x1p31 ? (int32_t)t : INT32_MIN;
}
static inline int64_t xir_whole64(double x) {
    double t = trunc(x);
    return t >= -0x1p63 && t < 0x1p63 ? (int64_t)t : INT64_MIN;
}
static inline uint64_t xir_whole_u64(double x) {
    if (x >= 0x1p63) return (uint64_t)xir_whole64(x - 0x1p63) ^ (UINT64_C(1) << 63);
    return (uint64_t)xir_whole64(x);
}

/* T: the type, U: an unsigned type that holds it and is not promoted, B: bits. */
#define XIR_BOTH(N, T, U, B) \
    static inline T xir_add_##N(T a, T b) { return (T)((U)a + (U)b); } \
    static inline T xir_sub_##N(T a, T b) { return (T)((U)a - (U)b); } \
    static inline T xir_mul_##N(T a, T b) { return (T)((U)a * (U)b); } \
    static inline T xir_neg_##N(T a) { return (T)(0 - (U)a); } \
    static inline T xir_min_##N(T a, T b) { return a < b ? a : b; } \
    static inline T xir_max_##N(T a, T b) { return a > b ? a : b; } \
    static inline T xir_bit_and_##N(T a, T b) { return (T)(a & b); } \
    static inline T xir_bit_or_##N(T a, T b) { return (T)(a | b); } \
    static inline T xir_bit_xor_##N(T a, T b) { return (T)(a ^ b); } \
    static inline T xir_bit_not_##N(T a) { return (T)~a; }
#define XIR_SIGNED(N, T, U, B) \
    XIR_BOTH(N, T, U, B) \
    static inline T xir_abs_##N(T a) { return a < 0 ? xir_neg_##N(a) : a; } \
    static inline T xir_sign_##N(T a) { return (T)((a > 0) - (a < 0)); } \
    static inline T xir_div_##N(T a, T b) { return b == 0 ? 0 : b == -1 ? xir_neg_##N(a) : (T)(a / b); } \
    static inline T xir_rem_##N(T a, T b) { return b == 0 || b == -1 ? 0 : (T)(a % b); } \
    static inline T xir_mod_##N(T a, T b) { \
        T r = xir_rem_##N(a, b); \
        return r != 0 && (r < 0) != (b < 0) ? (T)(r + b) : r; \
    } \
    static inline T xir_floor_div_##N(T a, T b) { \
        T r = xir_rem_##N(a, b), q = xir_div_##N(a, b); \
        return r != 0 && (r < 0) != (b < 0) ? (T)(q - 1) : q; \
    } \
    static inline T xir_shift_left_##N(T a, T b) { return b < 0 || b >= B ? 0 : (T)((U)a << b); } \
    static inline T xir_shift_right_##N(T a, T b) { return b < 0 || b >= B ? (T)(a < 0 ? -1 : 0) : (T)(a >> b); }
#define XIR_UNSIGNED(N, T, U, B) \
    XIR_BOTH(N, T, U, B) \
    static inline T xir_abs_##N(T a) { return a; } \
    static inline T xir_sign_##N(T a) { return (T)(a != 0); } \
    static inline T xir_div_##N(T a, T b) { return b == 0 ? 0 : (T)(a / b); } \
    static inline T xir_rem_##N(T a, T b) { return b == 0 ? 0 : (T)(a % b); } \
    static inline T xir_mod_##N(T a, T b) { return xir_rem_##N(a, b); } \
    static inline T xir_floor_div_##N(T a, T b) { return xir_div_##N(a, b); } \
    static inline T xir_shift_left_##N(T a, T b) { return b >= B ? 0 : (T)((U)a << b); } \
    static inline T xir_shift_right_##N(T a, T b) { return b >= B ? 0 : (T)(a >> b); }
XIR_SIGNED(i8, int8_t, uint32_t, 8)
XIR_SIGNED(i16, int16_t, uint32_t, 16)
XIR_SIGNED(i32, int32_t, uint32_t, 32)
XIR_SIGNED(i64, int64_t, uint64_t, 64)
XIR_UNSIGNED(u8, uint8_t, uint32_t, 8)
XIR_UNSIGNED(u16, uint16_t, uint32_t, 16)
XIR_UNSIGNED(u32, uint32_t, uint32_t, 32)
XIR_UNSIGNED(u64, uint64_t, uint64_t, 64)

static inline int32_t xir_dot4(int32_t total, int32_t left, int32_t right) {
    for (int i = 0; i < 32; i += 8) {
        uint32_t product = (uint32_t)((int32_t)(((uint32_t)left >> i) & 255u) * (int8_t)((uint32_t)right >> i));
        total = (int32_t)((uint32_t)total + product);
    }
    return total;
}

/* S: the suffix of the C library's functions. */
#define XIR_FLOAT(N, T, S) \
    static inline T xir_scale_##N(T a, T k) { return k != k ? k : ldexp##S(a, (int)k); } \
    static inline T xir_min_##N(T a, T b) { return a != a ? a : b != b ? b : a < b ? a : b; } \
    static inline T xir_max_##N(T a, T b) { return a != a ? a : b != b ? b : a > b ? a : b; } \
    static inline T xir_sign_##N(T a) { return a != a ? a : (T)((a > 0) - (a < 0)); } \
    static inline T xir_mod_##N(T a, T b) { \
        T r = fmod##S(a, b); \
        if (r == 0) return b != b ? b : copysign##S(0, b); \
        return (r < 0) != (b < 0) ? r + b : r; \
    }
XIR_FLOAT(f32, float, f)
XIR_FLOAT(f64, double, )
"""
"""Standard C11; right shifts of negative numbers and casts to signed types wrap as every compiler in use has them."""
