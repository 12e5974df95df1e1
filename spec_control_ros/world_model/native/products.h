// Where the rows of a matrix product come from: from memory, or from the CPU's matrix tiles (AMX) as they are made.
#pragma once

#include "vectors.h"

#ifdef __AMX_BF16__
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

constexpr int TILE = 32;

// Rows of a product that is there already, `width` apart.
template <class T, class Row>
void each_row(const T* product, int64_t count, int64_t width, int threads, const Row& row) {
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < count; r++) row(r, product + r * width);
}

// Rows `stride` apart times a weight (width / 16, inner / 32, 16, 16, 2): by 16 columns and 32 inputs, of which two that
// are neighbours lie together.
struct Tiles {
    const bfloat16 *rows, *weight;
    int64_t stride, inner;

#ifdef __AMX_BF16__
    template <class Row>
    void each(int64_t count, int64_t width, int threads, const Row& row) const {
#pragma omp parallel for num_threads(threads) if (threads > 1)
        for (int64_t r = 0; r < count; r += TILE) {
            alignas(64) float block[TILE * LARGEST_WIDTH];
            const int some = count - r < TILE ? count - r : TILE;
            multiply(rows + r * stride, some, width, block);
            for (int i = 0; i < some; i++) row(r + i, block + i * width);
        }
    }

    // Two tiles of rows times two of columns at a time; tiles 0 to 3 gather, 4 and 5 hold rows, 6 and 7 weights.
    void multiply(const bfloat16* x, int some, int64_t width, float* block) const {
        const int upper = some < 16 ? some : 16, lower = some - upper;
        configure(upper, lower ? lower : 1);
        for (int64_t n = 0; n < width; n += TILE) {
            const bfloat16 *left = weight + n * inner, *right = left + 16 * inner;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t k = 0; k < inner; k += TILE) {
                _tile_loadd(4, x + k, 2 * stride);
                _tile_loadd(6, left + 16 * k, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_loadd(7, right + 16 * k, 64);
                _tile_dpbf16ps(1, 4, 7);
                if (lower) {
                    _tile_loadd(5, x + 16 * stride + k, 2 * stride);
                    _tile_dpbf16ps(2, 5, 6);
                    _tile_dpbf16ps(3, 5, 7);
                }
            }
            _tile_stored(0, block + n, 4 * width);
            _tile_stored(1, block + n + 16, 4 * width);
            if (lower) {
                _tile_stored(2, block + 16 * width + n, 4 * width);
                _tile_stored(3, block + 16 * width + n + 16, 4 * width);
            }
        }
        _tile_release();
    }

    static void configure(int upper, int lower) {
        struct alignas(64) {
            uint8_t palette = 1, first = 0, unused[14] = {};
            uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
            uint8_t rows[16] = {};
        } shape;
        const int rows[] = {upper, upper, lower, lower, upper, lower, 16, 16};
        for (int i = 0; i < 8; i++) shape.rows[i] = rows[i];
        _tile_loadconfig(&shape);
    }
#else
    template <class Row>
    void each(int64_t, int64_t, int, const Row&) const {}
#endif
};

// Whether tiles are compiled in, and Linux lets this process use them.
inline bool are_tiles_allowed() {
#ifdef __AMX_BF16__
    constexpr int REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

}  // namespace
