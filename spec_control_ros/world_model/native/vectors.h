// Sixteen float32 values at a time; GCC and Clang turn them into what the CPU has. Everything lets NaN through: a broken
// model must show.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16, LARGEST_WIDTH = 4096;
typedef float Vector __attribute__((vector_size(64)));
typedef int32_t Integers __attribute__((vector_size(64)));
typedef uint32_t Bits __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
struct bfloat16 { uint16_t bits; };

inline Vector all(float x) { return Vector{} + x; }
#ifdef __AVX512F__
// One instruction, which compilers do not find; the second operand wins where one is NaN.
inline Vector smaller(Vector x, Vector y) { return (Vector)_mm512_min_ps((__m512)y, (__m512)x); }
inline Vector larger(Vector x, Vector y) { return (Vector)_mm512_max_ps((__m512)y, (__m512)x); }
#else
inline Vector smaller(Vector x, Vector y) { return x > y ? y : x; }
inline Vector larger(Vector x, Vector y) { return x < y ? y : x; }
#endif
inline Vector below(Vector x, float limit) { return smaller(x, all(limit)); }
inline Vector above(Vector x, float limit) { return larger(x, all(limit)); }

inline Vector load(const float* p) {
    Vector x;
    memcpy(&x, p, sizeof x);
    return x;
}
inline Vector load(const bfloat16* p) {
    Halves x;
    memcpy(&x, p, sizeof x);
    return (Vector)(__builtin_convertvector(x, Bits) << 16);
}
inline void store(float* p, Vector x) { memcpy(p, &x, sizeof x); }
inline void store(bfloat16* p, Vector x) {
#ifdef __AVX512BF16__
    const __m256bh half = _mm512_cvtneps_pbh((__m512)x);
#else
    const Halves half = __builtin_convertvector(((Bits)x + 0x8000) >> 16, Halves);  // to the nearest
#endif
    memcpy(p, &half, sizeof half);
}

// x / y; within 1e-4 of it (a fortieth of the last bit) where the result becomes a bfloat16.
template <class Out>
inline Vector ratio(Vector x, Vector y) {
#ifdef __AVX512F__
    if (sizeof(Out) < sizeof(float)) return x * (Vector)_mm512_rcp14_ps((__m512)y);
#endif
    return x / y;
}

// Every lane's partner: the one whose index differs in bit k (1, 2, 4 or 8).
#if __has_builtin(__builtin_shufflevector)
#define PARTNER(x, k)                                                                                               \
    __builtin_shufflevector(x, x, 0 ^ k, 1 ^ k, 2 ^ k, 3 ^ k, 4 ^ k, 5 ^ k, 6 ^ k, 7 ^ k, 8 ^ k, 9 ^ k, 10 ^ k, \
                            11 ^ k, 12 ^ k, 13 ^ k, 14 ^ k, 15 ^ k)
#else
#define PARTNER(x, k)                                                                                               \
    __builtin_shuffle(x, Integers{0 ^ k, 1 ^ k, 2 ^ k, 3 ^ k, 4 ^ k, 5 ^ k, 6 ^ k, 7 ^ k, 8 ^ k, 9 ^ k, 10 ^ k, \
                                  11 ^ k, 12 ^ k, 13 ^ k, 14 ^ k, 15 ^ k})
#endif

inline float sum(Vector x) {
    x += PARTNER(x, 8);
    x += PARTNER(x, 4);
    x += PARTNER(x, 2);
    x += PARTNER(x, 1);
    return x[0];
}
inline float largest(Vector x) {
    x = larger(x, PARTNER(x, 8));
    x = larger(x, PARTNER(x, 4));
    x = larger(x, PARTNER(x, 2));
    x = larger(x, PARTNER(x, 1));
    return x[0];
}

// 2^x for x up to 127, split into a whole and a broken part. A minimax polynomial gives the latter's, within 1e-7 of it,
// or within 1e-4 (a fortieth of the last bit) where the result becomes a bfloat16.
template <class Out>
inline Vector power_of_two(Vector x) {
#ifdef __AVX512DQ__
    constexpr int DOWN = 1;
    const Vector rest = (Vector)_mm512_reduce_ps((__m512)x, DOWN);
#else
    x = above(x, -126.f);
    const Vector shifted = x - 0.5f + 12582912.f;  // 1.5 * 2^23: the sum's last bits are a whole number
    const Vector rest = x - (shifted - 12582912.f);
#endif
    Vector p;
    if (sizeof(Out) == sizeof(float)) {
        p = rest * 1.877576685e-3f + 8.989340156e-3f;
        p = p * rest + 5.582631790e-2f;
        p = p * rest + 2.401536171e-1f;
        p = p * rest + 6.931530732e-1f;
        p = p * rest + 9.999999251e-1f;
    } else {
        p = rest * 7.802452344e-2f + 2.260671599e-1f;
        p = p * rest + 6.958335358e-1f;
        p = p * rest + 9.999252194e-1f;
    }
#ifdef __AVX512DQ__
    return (Vector)_mm512_scalef_ps((__m512)p, (__m512)x);
#else
    return p * (Vector)(((Integers)shifted - 0x4b400000 + 127) << 23);
#endif
}

template <class Out>
inline Vector exponential(Vector x) {
    return power_of_two<Out>(x * 1.44269504f);
}

}  // namespace
