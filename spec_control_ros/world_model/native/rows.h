// What becomes of the rows of a matrix product, each in one pass while it is in cache.
//
// Widths are multiples of LANES. Rows are numbered through; as many belong to each start, which has a bias of its own.
#pragma once

#include "vectors.h"

namespace {

constexpr float LAYER_NORM_EPS = 1e-5f;

struct Mish {
    template <class Out>
    static Vector apply(Vector x) {
        const Vector e = exponential<Out>(below(x, 20.f)), n = e * (e + 2.f);
        return x * (n / (n + 2.f));
    }
};

struct SoftmaxOfEights {
    template <class Out>
    static Vector apply(Vector x) {
        Vector top = larger(x, PARTNER(x, 4));
        top = larger(top, PARTNER(top, 2));
        top = larger(top, PARTNER(top, 1));
        const Vector e = exponential<Out>(x - top);
        Vector total = e + PARTNER(e, 4);
        total += PARTNER(total, 2);
        total += PARTNER(total, 1);
        return e / total;
    }
};

// Layer norm, then an activation.
template <class Activation, class Out>
struct Normed {
    const float *bias, *scale, *shift;
    int64_t width, rows_per_start;
    Out* out;
    int64_t stride;

    template <class In>
    void operator()(int64_t r, const In* x) const {
        alignas(64) float row[LARGEST_WIDTH];
        const float* b = bias + r / rows_per_start * width;
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
        for (int64_t i = 0; i < width; i += LANES) {
            const Vector v = (load(row + i) - mean) * rate * load(scale + i) + load(shift + i);
            store(out + r * stride + i, Activation::template apply<Out>(v));
        }
    }
};

// The scalar that a row of logits stands for: symexp of the expected bin.
struct Expected {
    const float *bias, *bins;
    int64_t width;
    float* out;

    template <class In>
    void operator()(int64_t r, const In* x) const {
        Vector top = all(-1e30f), total = all(0), weighted = all(0);
        for (int64_t i = 0; i < width; i += LANES) top = larger(top, load(x + i) + load(bias + i));
        const float most = largest(top);
        for (int64_t i = 0; i < width; i += LANES) {
            const Vector e = exponential<float>(load(x + i) + load(bias + i) - most);
            total += e;
            weighted += e * load(bins + i);
        }
        const float bin = sum(weighted) / sum(total);
        out[r] = __builtin_copysignf(__builtin_expm1f(__builtin_fabsf(bin)), bin);
    }
};

// The product and its bias.
struct Biased {
    const float* bias;
    int64_t width;
    float* out;

    template <class In>
    void operator()(int64_t r, const In* x) const {
        for (int64_t i = 0; i < width; i += LANES) store(out + r * width + i, load(x + i) + load(bias + i));
    }
};

}  // namespace
