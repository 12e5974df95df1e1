// Sixteen float32 values at a time; GCC and Clang turn them into what the CPU has. Everything lets NaN through: a broken
// model must show.
#pragma once

#include <cstdint>
#include <cstring>

namespace {

constexpr int LANES = 16, LARGEST_WIDTH = 4096;
typedef float Vector __attribute__((vector_size(64)));
typedef int32_t Integers __attribute__((vector_size(64)));
typedef uint32_t Bits __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
struct bfloat16 { uint16_t bits; };

inline Vector all(float x) { return Vector{} + x; }
inline Vector below(Vector x, float limit) { return x > all(limit) ? all(limit) : x; }
inline Vector above(Vector x, float limit) { return x < all(limit) ? all(limit) : x; }
inline Vector larger(Vector x, Vector y) { return x < y ? y : x; }

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
    const Halves half = __builtin_convertvector(((Bits)x + 0x8000) >> 16, Halves);  // to the nearest
    memcpy(p, &half, sizeof half);
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

// e^x for x up to 88: 2^power, split into a whole and a broken part; a minimax polynomial gives the latter's, within
// 1e-7 of it, or within 1e-4 (a fortieth of the last bit) where the result becomes a bfloat16.
template <class Out>
inline Vector exponential(Vector x) {
    const Vector power = above(x, -87.f) * 1.44269504f;
    const Vector shifted = power + 12582912.f;  // 1.5 * 2^23: the sum's last bits are the nearest whole number
    const Vector rest = power - (shifted - 12582912.f);
    Vector p;
    if (sizeof(Out) == sizeof(float)) {
        p = rest * 1.327647199e-3f + 9.675541334e-3f;
        p = p * rest + 5.550713273e-2f;
        p = p * rest + 2.402211972e-1f;
        p = p * rest + 6.931469671e-1f;
        p = p * rest + 1.000000072f;
    } else {
        p = rest * 5.517166906e-2f + 2.426111222e-1f;
        p = p * rest + 6.932609855e-1f;
        p = p * rest + 9.999280735e-1f;
    }
    return p * (Vector)(((Integers)shifted - 0x4b400000 + 127) << 23);
}

}  // namespace
