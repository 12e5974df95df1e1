// A network over few rows as steps over one buffer, run in one call: in a control loop, what surrounds the products costs
// more than they do. inference_program.py writes the steps.
#pragma once

#include "rows.h"

// Rows of a place in the buffer lie `stride` apart: their width, rounded up to LANES.
struct Instruction {
    int64_t kind, rows, inputs, width;  // width: of a row of `out`
    int64_t x, y, out;                  // places in the buffer
    const float *weight, *bias;         // (inputs, width), (width); of a norm (width), (width)
};

namespace {

constexpr int LARGEST_WINDOW = 64;

enum Kind { LINEAR, NORM, MISH, SILU, SIGMOID, SIM_NORM, ADD, MULTIPLY, DIFFERENCE, LENGTH, ATTEND, COPY };

inline int64_t stride_of(int64_t width) { return (width + LANES - 1) / LANES * LANES; }

// `BLOCK` vectors of columns of x W + b, from column n on, of `ROWS` rows: the sums stay in registers, and what is read of
// the weight serves all rows.
template <int ROWS, int BLOCK>
inline void columns(const Instruction& s, const float* x, float* out, int64_t n) {
    const int64_t from = stride_of(s.inputs), to = stride_of(s.width);
    Vector total[ROWS][BLOCK];
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < BLOCK; k++) total[r][k] = load(s.bias + n + k * LANES);
    const float* w = s.weight + n;
    for (int64_t i = 0; i < s.inputs; i++, w += to)
        for (int k = 0; k < BLOCK; k++) {
            const Vector weight = load(w + k * LANES);
            for (int r = 0; r < ROWS; r++) total[r][k] += x[r * from + i] * weight;
        }
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < BLOCK; k++) store(out + r * to + n + k * LANES, total[r][k]);
}

template <int ROWS>
inline void rows_of_linear(const Instruction& s, const float* x, float* out) {
    constexpr int BLOCK = ROWS > 3 ? 4 : 8;
    const int64_t to = stride_of(s.width);
    int64_t n = 0;
    for (; n + BLOCK * LANES <= to; n += BLOCK * LANES) columns<ROWS, BLOCK>(s, x, out, n);
    for (; n < to; n += LANES) columns<ROWS, 1>(s, x, out, n);
}

constexpr int ROWS_AT_ONCE = 6;

// x W + b.
inline void linear(const Instruction& s, const float* x, float* out) {
    const int64_t from = stride_of(s.inputs), to = stride_of(s.width);
    for (int64_t r = 0; r < s.rows; r += ROWS_AT_ONCE, x += ROWS_AT_ONCE * from, out += ROWS_AT_ONCE * to) {
        switch (s.rows - r) {
            case 1: rows_of_linear<1>(s, x, out); break;
            case 2: rows_of_linear<2>(s, x, out); break;
            case 3: rows_of_linear<3>(s, x, out); break;
            case 4: rows_of_linear<4>(s, x, out); break;
            case 5: rows_of_linear<5>(s, x, out); break;
            default: rows_of_linear<ROWS_AT_ONCE>(s, x, out);
        }
    }
}

// Layer norm. The deviations are summed after the mean is known: exact also where the mean is large.
inline void norm(const Instruction& s, const float* x, float* out) {
    for (int64_t r = 0; r < s.rows; r++, x += s.width, out += s.width) {
        Vector total = all(0.f), squares = all(0.f);
        for (int64_t i = 0; i < s.width; i += LANES) total += load(x + i);
        const float mean = sum(total) / s.width;
        for (int64_t i = 0; i < s.width; i += LANES) squares += (load(x + i) - mean) * (load(x + i) - mean);
        const float rate = 1.f / __builtin_sqrtf(sum(squares) / s.width + LAYER_NORM_EPS);
        for (int64_t i = 0; i < s.width; i += LANES)
            store(out + i, (load(x + i) - mean) * rate * load(s.weight + i) + load(s.bias + i));
    }
}

struct Sigmoid {
    template <class Out>
    static Vector apply(Vector x) { return 1.f / (1.f + exponential<Out>(below(-x, 80.f))); }
};
struct SiLU {
    template <class Out>
    static Vector apply(Vector x) { return x * Sigmoid::apply<Out>(x); }
};

template <class Activation>
void activate(const Instruction& s, const float* x, float* out) {
    for (int64_t i = 0; i < s.rows * stride_of(s.width); i += LANES)
        store(out + i, Activation::template apply<float>(load(x + i)));
}

// Heads of width `inputs` over rows [query, key, value]. A row sees itself, and rows before it from `first` on.
inline void attend(const Instruction& s, const float* x, int64_t first, float* out) {
    const int64_t head = s.inputs, from = stride_of(3 * s.width), to = stride_of(s.width);
    const float scale = 1.f / __builtin_sqrtf(head);
    for (int64_t r = 0; r < s.rows; r++)
        for (int64_t h = 0; h < s.width; h += head) {
            const int64_t begin = r < first ? r : first;
            float score[LARGEST_WINDOW], top = -1e30f, total = 0.f;
            for (int64_t j = begin; j <= r; j++) {
                score[j] = 0.f;
                for (int64_t i = 0; i < head; i++)
                    score[j] += x[r * from + h + i] * x[j * from + s.width + h + i];
                score[j] *= scale;
                top = score[j] < top ? top : score[j];
            }
            float* row = out + r * to + h;
            for (int64_t i = 0; i < head; i++) row[i] = 0.f;
            for (int64_t j = begin; j <= r; j++) {
                const float weight = __builtin_expf(score[j] - top);
                total += weight;
                for (int64_t i = 0; i < head; i++) row[i] += weight * x[j * from + 2 * s.width + h + i];
            }
            for (int64_t i = 0; i < head; i++) row[i] /= total;
        }
}

inline void run_step(const Instruction& s, float* buffer) {
    const float *x = buffer + s.x, *y = buffer + s.y;
    float* out = buffer + s.out;
    const int64_t all_of = s.rows * stride_of(s.width);
    switch (s.kind) {
        case LINEAR: return linear(s, x, out);
        case NORM: return norm(s, x, out);
        case MISH: return activate<Mish>(s, x, out);
        case SILU: return activate<SiLU>(s, x, out);
        case SIGMOID: return activate<Sigmoid>(s, x, out);
        case SIM_NORM: return activate<SoftmaxOfEights>(s, x, out);
        case ADD:
            for (int64_t i = 0; i < all_of; i++) out[i] = x[i] + y[i];
            return;
        case MULTIPLY:
            for (int64_t i = 0; i < all_of; i++) out[i] = x[i] * y[i];
            return;
        case DIFFERENCE:
            for (int64_t i = 0; i < s.width; i++) out[i] = x[i] - y[i];
            return;
        case LENGTH: {
            float squares = 0.f;
            for (int64_t i = 0; i < s.inputs; i++) squares += x[i] * x[i];
            *out = __builtin_sqrtf(squares);
            return;
        }
        case ATTEND: return attend(s, x, (int64_t)*y, out);
        case COPY:
            for (int64_t i = 0; i < s.width; i++) out[i] = x[i];
            return;
    }
}

}  // namespace
