// Where the rows of a matrix product come from: from memory, or from the CPU's matrix tiles (AMX) as they are made.
//
// Rows are numbered through. As many belong to each of several starts, which has a bias (width) of its own.
#pragma once

#include "rows.h"

#ifdef __AMX_BF16__
#include <omp.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

constexpr int TILE = 32;

// Rows of a product that is there already, `width` apart.
template <class T, class Then>
void each_row(const T* product, int64_t rows, const float* bias, int64_t starts, int threads, const Then& then) {
    const int64_t rows_per_start = rows / starts, width = then.width;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        alignas(64) float x[LARGEST_WIDTH];
        const float* b = bias + r / rows_per_start * width;
        for (int64_t i = 0; i < width; i += LANES) store(x + i, load(product + r * width + i) + load(b + i));
        const typename Then::Row row = then.begin(x);
        for (int64_t i = 0; i < width; i += PART) then.part(row, r, x, i);
    }
}

#ifdef __AMX_BF16__

// Rows of a block that wait for what becomes of them. It is done bit by bit between the tile operations of the next
// block's product, which the CPU works on at the same time.
template <class Then>
class Waiting {
   public:
    explicit Waiting(const Then& then) : then(then) {}

    // `count` rows from `r` on at `block`; they are to be done within so many steps.
    void put(int64_t r, int count, const float* block, int64_t steps) {
        next = r, end = r + count, x = block, first = 0;
        per_step = count * then.width / PART, wanted = 0, all_steps = steps;
    }
    void step() {
        for (wanted += per_step; wanted >= all_steps && next < end; wanted -= all_steps) part();
    }
    void finish() {
        while (next < end) part();
    }

   private:
    void part() {
        if (first == 0) row = then.begin(x);
        then.part(row, next, x, first);
        first += PART;
        if (first == then.width) next++, x += then.width, first = 0;
    }

    const Then& then;
    typename Then::Row row;
    const float* x = nullptr;
    int64_t next = 0, end = 0, first = 0, per_step = 0, wanted = 0, all_steps = 1;
};

#endif

// Rows `stride` apart times a weight (width / 16, inner / 32, 16, 16, 2): by 16 columns and 32 inputs, of which two that
// are neighbours lie together.
struct Tiles {
    const bfloat16 *rows, *weight;
    int64_t stride, inner;

#ifdef __AMX_BF16__
    template <class Then>
    void each(int64_t count, const float* bias, int64_t starts, int threads, const Then& then) const {
        const int64_t width = then.width, rows_per_start = count / starts;
        const int64_t blocks_per_start = (rows_per_start + TILE - 1) / TILE, blocks = starts * blocks_per_start;
#pragma omp parallel num_threads(threads) if (threads > 1)
        {
            alignas(64) float block[2][TILE * LARGEST_WIDTH];
            Waiting<Then> waiting(then);
            const int64_t i = omp_get_thread_num(), n = omp_get_num_threads();
            for (int64_t b = blocks * i / n; b < blocks * (i + 1) / n; b++) {
                const int64_t start = b / blocks_per_start, done = b % blocks_per_start * TILE;
                const int some = rows_per_start - done < TILE ? rows_per_start - done : TILE;
                const int64_t r = start * rows_per_start + done;
                multiply(rows + r * stride, some, bias + start * width, width, block[b % 2], waiting);
                waiting.finish();
                waiting.put(r, some, block[b % 2], width / TILE * (inner / TILE));
            }
            waiting.finish();
        }
    }

    // Two tiles of rows times two of columns at a time; tiles 0 to 3 gather, 4 and 5 hold rows, 6 and 7 weights.
    template <class Then>
    void multiply(const bfloat16* x, int some, const float* bias, int64_t width, float* block,
                  Waiting<Then>& waiting) const {
        const int upper = some < 16 ? some : 16, lower = some - upper;
        configure(upper, lower ? lower : 1);
        for (int64_t n = 0; n < width; n += TILE) {
            const bfloat16 *left = weight + n * inner, *right = left + 16 * inner;
            _tile_loadd(0, bias + n, 0);
            _tile_loadd(1, bias + n + 16, 0);
            _tile_loadd(2, bias + n, 0);
            _tile_loadd(3, bias + n + 16, 0);
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
                waiting.step();
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
    template <class Then>
    void each(int64_t, const float*, int64_t, int, const Then&) const {}
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
