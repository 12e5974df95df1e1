// Layers of a planner on the CPU. native_library.py compiles this file for the CPU at hand; mlp_kernels.py calls it.

#include "products.h"
#include "inference_program.h"

// A layer of a stack that is run by tiles. mlp_kernels.py fills it in.
struct Layer {
    const bfloat16* weight;  // see Tiles
    const float *bias;       // (starts, width)
    const float *scale, *shift;
    int64_t starts, inputs, width;
};

namespace {

// All layers but the last, each followed by layer norm and Mish, then the last and what follows it. `between` has room for
// the rows of two layers.
template <class Then>
void run(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layer, int64_t count, bfloat16* between,
         int threads, const Then& then) {
    for (int64_t i = 0; i + 1 < count; i++, layer++) {
        bfloat16* out = between + (i % 2) * rows * layer->width;
        const Normed<Mish, bfloat16> mish{layer->scale, layer->shift, layer->width, out, layer->width};
        Tiles{x, layer->weight, stride, layer->inputs}.each(rows, layer->bias, layer->starts, threads, mish);
        x = out;
        stride = layer->width;
    }
    Tiles{x, layer->weight, stride, layer->inputs}.each(rows, layer->bias, layer->starts, threads, then);
}

}  // namespace

extern "C" {

int has_tiles() { return are_tiles_allowed(); }

void mlp_norm_softmax(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layers, int64_t count,
                        bfloat16* between, int threads, bfloat16* out, int64_t out_stride) {
    const Layer& end = layers[count - 1];
    const Normed<SoftmaxOfEights, bfloat16> softmax{end.scale, end.shift, end.width, out, out_stride};
    run(x, stride, rows, layers, count, between, threads, softmax);
}

void mlp_expected_value(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layers, int64_t count,
                          bfloat16* between, int threads, float* out, const float* bins) {
    run(x, stride, rows, layers, count, between, threads, Expected{bins, layers[count - 1].width, out});
}

void mlp_biased(const bfloat16* x, int64_t stride, int64_t rows, const Layer* layers, int64_t count,
                  bfloat16* between, int threads, float* out) {
    run(x, stride, rows, layers, count, between, threads, Biased{layers[count - 1].width, out});
}

// One layer, of a product that is there already
#define EXPORT(T, name)                                                                                             \
    void norm_mish_##name(const T* product, int64_t rows, int64_t width, int threads, const float* bias,            \
                          int64_t starts, const float* scale, const float* shift, T* out, int64_t stride) {         \
        each_row(product, rows, bias, starts, threads, Normed<Mish, T>{scale, shift, width, out, stride});          \
    }                                                                                                               \
    void norm_softmax_##name(const T* product, int64_t rows, int64_t width, int threads, const float* bias,         \
                             int64_t starts, const float* scale, const float* shift, T* out, int64_t stride) {      \
        each_row(product, rows, bias, starts, threads, Normed<SoftmaxOfEights, T>{scale, shift, width, out, stride}); \
    }                                                                                                               \
    void expected_value_##name(const T* product, int64_t rows, int64_t width, int threads, const float* bias,       \
                               const float* bins, float* out) {                                                     \
        each_row(product, rows, bias, 1, threads, Expected{bins, width, out});                                      \
    }

void run_program(const Instruction* steps, int64_t count, float* buffer) {
    for (const Instruction* step = steps; step != steps + count; step++) run_step(*step, buffer);
}

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)

}  // extern "C"
