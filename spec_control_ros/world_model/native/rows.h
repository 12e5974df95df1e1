// What becomes of the rows of a matrix product and its bias, while they are in cache.
//
// Widths are multiples of PART. A row is worked on in parts, the first one after `begin`; what that finds out about the
// whole row goes to every part.
#pragma once

#include "vectors.h"

namespace {

constexpr float LAYER_NORM_EPS = 1e-5f;
constexpr int64_t PART = 32;

struct Mish {
    template <class Out>
    static Vector apply(Vector x) {
        const Vector e = exponential<Out>(below(x, 20.f)), n = e * (e + 2.f);
        return x * ratio<Out>(n, n + 2.f);
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
        return ratio<Out>(e, total);
    }
};

// Layer norm, then an activation.
template <class Activation, class Out>
struct Normed {
    const float *scale, *shift;
    int64_t width;
    Out* out;
    int64_t stride;

    struct Row {
        float rate, offset;  // of the norm: x * rate + offset
    };

    Row begin(const float* x) const {
        // Sums of distances from one of the values: exact also where the mean is large
        Vector total = all(0), squares = all(0);
        const float pivot = x[0];
        for (int64_t i = 0; i < width; i += LANES) {
            const Vector distance = load(x + i) - pivot;
            total += distance;
            squares += distance * distance;
        }
        const float mean = sum(total) / width, variance = sum(squares) / width - mean * mean;
        const float rate = 1.f / __builtin_sqrtf(variance + LAYER_NORM_EPS);
        return {rate, -(pivot + mean) * rate};
    }

    void part(const Row& row, int64_t r, const float* x, int64_t first) const {
        for (int64_t i = first; i < first + PART; i += LANES) {
            const Vector v = (load(x + i) * row.rate + row.offset) * load(scale + i) + load(shift + i);
            store(out + r * stride + i, Activation::template apply<Out>(v));
        }
    }
};

// The scalar that a row of logits stands for: symexp of the expected bin.
struct Expected {
    const float* bins;
    int64_t width;
    float* out;

    struct Row {
        float bin;
    };

    Row begin(const float* x) const {
        Vector top = all(-1e30f), total = all(0), weighted = all(0);
        for (int64_t i = 0; i < width; i += LANES) top = larger(top, load(x + i));
        const float most = largest(top);
        for (int64_t i = 0; i < width; i += LANES) {
            const Vector e = exponential<float>(load(x + i) - most);
            total += e;
            weighted += e * load(bins + i);
        }
        return {sum(weighted) / sum(total)};
    }

    void part(const Row& row, int64_t r, const float*, int64_t first) const {
        if (first == 0) out[r] = __builtin_copysignf(__builtin_expm1f(__builtin_fabsf(row.bin)), row.bin);
    }
};

// Nothing else.
struct Biased {
    int64_t width;
    float* out;

    struct Row {};

    Row begin(const float*) const { return {}; }

    void part(const Row&, int64_t r, const float* x, int64_t first) const {
        for (int64_t i = first; i < first + PART; i += LANES) store(out + r * width + i, load(x + i));
    }
};

}  // namespace
