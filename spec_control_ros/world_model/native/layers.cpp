// Layers of a planner on the CPU. native_library.py compiles this file for the CPU at hand; stacks.py calls it.

#include "products.h"
#include "rows.h"

// A layer of a stack that is run by tiles. stacks.py fills it in.
struct Layer {
    const bfloat16* weight;  // see Tiles
    const float *bias;       // (starts, width)
    const float *scale, *shift;
    int64_t starts, inputs, width;
};

namespace {

// All layers but the last, each followed by layer norm and Mish, then the last, whose rows go to `last`. `between` has room
// for the rows of two layers.
template <class Row>
void run(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layer, int64_t count, bfloat16* between,
         int threads, const Row& last) {
    for (int64_t i = 0; i + 1 < count; i++, layer++) {
        bfloat16* out = between + (i % 2) * rows * layer->width;
        const Normed<Mish, bfloat16> row{layer->bias, layer->scale, layer->shift, layer->width,
                                         rows / layer->starts, out, layer->width};
        Tiles{x, layer->weight, stride, layer->inputs}.each(rows, layer->width, threads, row);
        x = out;
        stride = layer->width;
    }
    Tiles{x, layer->weight, stride, layer->inputs}.each(rows, layer->width, threads, last);
}

}  // namespace

extern "C" {

int has_tiles() { return are_tiles_allowed(); }

void stack_norm_softmax(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layers, int64_t count,
                        bfloat16* between, int threads, bfloat16* out, int64_t out_stride) {
    const Layer& end = layers[count - 1];
    const Normed<SoftmaxOfEights, bfloat16> row{end.bias, end.scale, end.shift, end.width,
                                                rows / end.starts, out, out_stride};
    run(x, stride, rows, layers, count, between, threads, row);
}

void stack_expected_value(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layers, int64_t count,
                          bfloat16* between, int threads, float* out, const float* bins) {
    const Layer& end = layers[count - 1];
    run(x, stride, rows, layers, count, between, threads, Expected{end.bias, bins, end.width, out});
}

void stack_biased(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layers, int64_t count,
                  bfloat16* between, int threads, float* out) {
    const Layer& end = layers[count - 1];
    run(x, stride, rows, layers, count, between, threads, Biased{end.bias, end.width, out});
}

// One layer, of a product that is there already
#define EXPORT(T, name)                                                                                             \
    void norm_mish_##name(const T* product, int64_t rows, int64_t width, int threads, const float* bias,            \
                          int64_t starts, const float* scale, const float* shift, T* out, int64_t stride) {         \
        const Normed<Mish, T> row{bias, scale, shift, width, rows / starts, out, stride};                           \
        each_row(product, rows, width, threads, row);                                                               \
    }                                                                                                               \
    void norm_softmax_##name(const T* product, int64_t rows, int64_t width, int threads, const float* bias,         \
                             int64_t starts, const float* scale, const float* shift, T* out, int64_t stride) {      \
        const Normed<SoftmaxOfEights, T> row{bias, scale, shift, width, rows / starts, out, stride};                \
        each_row(product, rows, width, threads, row);                                                               \
    }                                                                                                               \
    void expected_value_##name(const T* product, int64_t rows, int64_t width, int threads, const float* bias,       \
                               const float* bins, float* out) {                                                     \
        each_row(product, rows, width, threads, Expected{bias, bins, width, out});                                  \
    }

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)

}  // extern "C"
