// The elementwise halves of a planner's layers, each one pass over rows that stay in cache. kernels.py compiles this
// file for the CPU at hand and says what each function computes.
//
// A row is loaded as float32, 16 values at a time; GCC and Clang turn the vectors into what the CPU has. Products of
// matrices come without their bias, as (rows, width) of T; a bias is (starts, width), one row for rows / starts rows.
// Widths are multiples of 16. Everything lets NaN through: a broken model must show.

#include <cstdint>
#include <cstring>

namespace {

constexpr int LANES = 16, LARGEST_WIDTH = 8192;
constexpr float LAYER_NORM_EPS = 1e-5f;
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

// e^x for x up to 88: 2^power, split into a whole and a broken part; a minimax polynomial gives the latter's, within
// 1e-7 of it, or within 1e-4 (a fortieth of the last bit) where the result becomes a bfloat16.
template <class T>
inline Vector exponential(Vector x) {
    const Vector power = above(x, -87.f) * 1.44269504f;
    const Vector shifted = power + 12582912.f;  // 1.5 * 2^23: the sum's last bits are the nearest whole number
    const Vector rest = power - (shifted - 12582912.f);
    Vector p;
    if (sizeof(T) == sizeof(float)) {
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

template <class T>
inline Vector mish(Vector x) {
    const Vector e = exponential<T>(below(x, 20.f)), n = e * (e + 2.f);
    return x * (n / (n + 2.f));
}

template <class T>
inline Vector softmax_of_eights(Vector x) {
    Vector top = larger(x, PARTNER(x, 4));
    top = larger(top, PARTNER(top, 2));
    top = larger(top, PARTNER(top, 1));
    const Vector e = exponential<T>(x - top);
    Vector total = e + PARTNER(e, 4);
    total += PARTNER(total, 2);
    total += PARTNER(total, 1);
    return e / total;
}

// Layer norm of (product + bias), then `activation`, into rows `stride` apart.
template <class T, class Activation>
void normed(const T* product, T* out, const float* bias, const float* scale, const float* shift, int64_t rows,
            int64_t starts, int64_t width, int64_t stride, int threads, Activation activation) {
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        alignas(64) float row[LARGEST_WIDTH];
        const T* x = product + r * width;
        const float* b = bias + r / (rows / starts) * width;
        // Sums of distances from one of the values: exact also where the mean is large
        Vector total = all(0), squares = all(0);
        const float pivot = load(x)[0] + b[0];
        for (int64_t i = 0; i < width; i += LANES) {
            const Vector v = load(x + i) + load(b + i), distance = v - pivot;
            store(row + i, v);
            total += distance;
            squares += distance * distance;
        }
        const float offset = sum(total) / width, variance = sum(squares) / width - offset * offset;
        const float mean = pivot + offset, rate = 1.f / __builtin_sqrtf(variance + LAYER_NORM_EPS);
        for (int64_t i = 0; i < width; i += LANES)
            store(out + r * stride + i, activation((load(row + i) - mean) * rate * load(scale + i) + load(shift + i)));
    }
}

template <class T>
void expected_bin(const T* product, float* out, const float* bias, const float* bins, int64_t rows, int64_t width,
                  int threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        const T* x = product + r * width;
        Vector top = all(-1e30f), total = all(0), weighted = all(0);
        for (int64_t i = 0; i < width; i += LANES) top = larger(top, load(x + i) + load(bias + i));
        const float most = largest(top);
        for (int64_t i = 0; i < width; i += LANES) {
            const Vector e = exponential<T>(load(x + i) + load(bias + i) - most);
            total += e;
            weighted += e * load(bins + i);
        }
        out[r] = sum(weighted) / sum(total);
    }
}

}  // namespace

#define EXPORT(T, name)                                                                                             \
    extern "C" void norm_mish_##name(const T* product, T* out, const float* bias, const float* scale,              \
                                     const float* shift, int64_t rows, int64_t starts, int64_t width,              \
                                     int64_t stride, int threads) {                                                \
        normed(product, out, bias, scale, shift, rows, starts, width, stride, threads, mish<T>);                    \
    }                                                                                                               \
    extern "C" void norm_softmax_##name(const T* product, T* out, const float* bias, const float* scale,           \
                                        const float* shift, int64_t rows, int64_t starts, int64_t width,           \
                                        int64_t stride, int threads) {                                             \
        normed(product, out, bias, scale, shift, rows, starts, width, stride, threads, softmax_of_eights<T>);      \
    }                                                                                                               \
    extern "C" void expected_bin_##name(const T* product, float* out, const float* bias, const float* bins,        \
                                        int64_t rows, int64_t width, int threads) {                                \
        expected_bin(product, out, bias, bins, rows, width, threads);                                               \
    }

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)
