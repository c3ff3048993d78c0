// The kernels of the fused decode step on a CUDA device: five launches a block, for one new token in each row.
//
// Compiled at run time for FLOAT (0 float32, 1 bfloat16, 2 float16: weights that are not quantised, and the cache) and
// ROWS (at most 8 rows). What goes from kernel to kernel is float32. A kernel may begin before the one ahead of it has
// ended: it fetches its first weights, and only after `wait` looks at what others have written.

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define LEAST (-3.402823466e38f)

#if FLOAT == 0
typedef float Float;
#define VALUES 4
#else
typedef u16 Float;
#define VALUES 8
#endif

__device__ __forceinline__ float widened(float x) { return x; }
__device__ __forceinline__ float widened(u16 x) {
#if FLOAT == 2
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
#else
    return __uint_as_float(u32(x) << 16);
#endif
}

__device__ __forceinline__ void narrow(float x, float& to) { to = x; }
__device__ __forceinline__ void narrow(float x, u16& to) {
#if FLOAT == 2
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to) : "f"(x));
#else
    u32 bits = __float_as_uint(x);
    to = (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : u16((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
#endif
}

// Sixteen bytes of Float.
__device__ __forceinline__ void unpack(uint4 v, float* to) {
#if FLOAT == 0
    to[0] = __uint_as_float(v.x), to[1] = __uint_as_float(v.y), to[2] = __uint_as_float(v.z), to[3] = __uint_as_float(v.w);
#else
    u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; i++) to[2 * i] = widened(u16(words[i])), to[2 * i + 1] = widened(u16(words[i] >> 16));
#endif
}

__device__ __forceinline__ void wait_for_others() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ void let_others_begin() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int i = 16; i; i >>= 1) x += __shfl_xor_sync(0xffffffffu, x, i);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int i = 16; i; i >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, i));
    return x;
}

// For all threads of a block; at most 32 warps.
__device__ float block_reduced(float x, bool is_max) {
    __shared__ float parts[32];
    int warps = (blockDim.x + 31) / 32, lane = threadIdx.x % 32;
    x = is_max ? warp_max(x) : warp_sum(x);
    __syncthreads();  // `parts` may still be read from the call before
    if (lane == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    float y = lane < warps ? parts[lane] : (is_max ? LEAST : 0.f);
    return is_max ? warp_max(y) : warp_sum(y);
}

__device__ __forceinline__ float activated(float x, int activation) {
    switch (activation) {
        case 1: return x / (1.f + expf(-x));                                                  // SiLU
        case 2: return 0.5f * x * (1.f + erff(x * 0.70710678f));                              // GELU
        case 3: return 0.5f * x * (1.f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));   // GELU by tanh
        case 4: return fmaxf(x, 0.f);                                                         // ReLU
        default: return x;
    }
}

// What a kernel is told.
struct Embed {
    const long long* inputs;  // the ids, behind them the position
    const void* table;    // Float, or signed char where there are scales
    const Float* scales;  // of each row of the table, or null
    const Float* positions;  // or null
    float* target;
    int width, stride;
    float scale;
};

// The `i`th number of the embedding of a token at a place.
__device__ __forceinline__ float embedding(const Embed& p, long long id, long long place, int i) {
    float x = p.scales ? ((const signed char*)p.table)[id * p.width + i] * widened(p.scales[id])
                       : widened(((const Float*)p.table)[id * p.width + i]);
    x *= p.scale;
    return p.positions ? x + widened(p.positions[place * p.width + i]) : x;
}

// Up to three matrices one above the other, or, gated, two of which row i of the first goes through the activation and
// multiplies row i of the second.
struct Product {
    const float* source;
    float* target;
    const Float* gain;  // of the norm of the source; null without one
    const Float* shift;
    const void* weights[3];
    const Float* scales[3];  // of quantised weights
    const Float* biases[3];
    int heights[3];
    int strides[3];  // rows of the matrix that a part belongs to
    int parts, outputs, width, source_stride, target_stride;
    int is_layer_norm, plus_one, adds, activation, is_gated, split;
    float epsilon;
    // Of the persistent kernel: what is added, and the phases that made it and the source; tiles of eight rows (of two
    // matrices, gated), the columns that come in at once, the block that has the first tile; the form of the results.
    const float* added;
    int added_phase, source_phase, units, columns, rotated, format, form;
};

struct Attend {
    const long long* place;  // the position of the new token
    const float* projected;
    float* target;
    Float* keys;  // [rows, key_heads, room, size]
    Float* values;
    const float* turns;  // [places, 2 * rotated]: cosines, sines
    const Float* query_gain;  // of the norm of a head; null without one
    const Float* key_gain;
    float* partial;  // [rows, heads, chunks, size + 2]: sums of values, highest score, sum of the weights
    int* arrived;    // [rows, heads], all 0
    int heads, key_heads, size, room, rotated;
    int stride, target_stride, query_step, key_start, value_start, key_step;
    int plus_one, chunks;
    float scale, epsilon;
};
