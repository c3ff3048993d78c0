// Embeddings and matrix times vector, with what stands before and after it: norm, bias, activation, gate, sum.

extern "C" __global__ void embed(Embed p) {
    int row = blockIdx.x;
    long long id = p.inputs[row], place = p.inputs[gridDim.x];
    let_others_begin();
    for (int i = threadIdx.x; i < p.width; i += blockDim.x) p.target[row * p.stride + i] = embedding(p, id, place, i);
}

#define HELD 16

// What each thread needs of the weights of a norm, fetched ahead.
struct Gains {
    Float gain[HELD];
    __device__ __forceinline__ void fetch(const Product& p) {
#pragma unroll
        for (int j = 0; j < HELD; j++) {
            int i = threadIdx.x + j * blockDim.x;
            if (ROWS == 1 && p.gain && i < p.width) gain[j] = p.gain[i];
        }
    }
};

// One sum for each row over all threads of a block.
__device__ __forceinline__ void sum_rows(float* sums) {
    __shared__ float parts[ROWS][32];
    int warps = blockDim.x / 32, lane = threadIdx.x % 32;
#pragma unroll
    for (int row = 0; row < ROWS; row++) sums[row] = warp_sum(sums[row]);
    __syncthreads();  // `parts` may still be read from the call before
#pragma unroll
    for (int row = 0; row < ROWS; row++)
        if (lane == 0) parts[row][threadIdx.x / 32] = sums[row];
    __syncthreads();
#pragma unroll
    for (int row = 0; row < ROWS; row++) sums[row] = warp_sum(lane < warps ? parts[row][lane] : 0.f);
}

__device__ __forceinline__ float scaled(const Product& p, float x, Float gain, int i) {
    x *= widened(gain) + p.plus_one;
    return p.shift ? x + widened(p.shift[i]) : x;
}

// The source, normed, as Float in shared memory, ``[ROWS, width]``.
__device__ __forceinline__ void stage(const Product& p, const Gains& gains, Float* staged) {
    int from = threadIdx.x, step = blockDim.x;
    if (!p.gain) {
        for (int row = 0; row < ROWS; row++)
#pragma unroll 8
            for (int i = from; i < p.width; i += step) narrow(p.source[row * p.source_stride + i], staged[row * p.width + i]);
        __syncthreads();
        return;
    }
    float held[HELD], means[ROWS], sums[ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; row++) means[row] = sums[row] = 0.f;
#pragma unroll
    for (int j = 0; j < HELD; j++) held[j] = ROWS == 1 && from + j * step < p.width ? p.source[from + j * step] : 0.f;
    for (int turn = p.is_layer_norm ? 0 : 1; turn < 2; turn++) {  // the means, then the squares around them
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const float* source = p.source + row * p.source_stride;
            int first = from;
            if (ROWS == 1) {
#pragma unroll
                for (int j = 0; j < HELD; j++) {
                    float x = held[j] - means[0];
                    if (from + j * step < p.width) sums[0] += turn ? x * x : x;
                }
                first += HELD * step;
            }
#pragma unroll 4
            for (int i = first; i < p.width; i += step) {
                float x = source[i] - means[row];
                sums[row] += turn ? x * x : x;
            }
        }
        sum_rows(sums);
#pragma unroll
        for (int row = 0; row < ROWS; row++)
            if (!turn) means[row] = sums[row] / p.width, sums[row] = 0.f;
    }
    for (int row = 0; row < ROWS; row++) {
        float factor = rsqrtf(sums[row] / p.width + p.epsilon);
        const float* source = p.source + row * p.source_stride;
        Float* to = staged + row * p.width;
        int first = from;
        if (ROWS == 1) {
#pragma unroll
            for (int j = 0; j < HELD; j++) {
                int i = from + j * step;
                if (i < p.width) narrow(scaled(p, (held[j] - means[0]) * factor, gains.gain[j], i), to[i]);
            }
            first += HELD * step;
        }
#pragma unroll 4
        for (int i = first; i < p.width; i += step) narrow(scaled(p, (source[i] - means[row]) * factor, p.gain[i], i), to[i]);
    }
    __syncthreads();
}

// Which part an output belongs to; the output becomes the row in it.
__device__ __forceinline__ int part_of(const Product& p, int& output) {
    int part = 0;
    while (part < p.parts - 1 && output >= p.heights[part]) output -= p.heights[part++];
    return part;
}

__device__ __forceinline__ float with_bias(const Product& p, float x, int part, int row) {
    return p.biases[part] ? x + widened(p.biases[part][row]) : x;
}

__device__ __forceinline__ void finish(const Product& p, float x, int row, int output) {
    float* to = p.target + row * p.target_stride + output;
    *to = p.adds ? *to + x : x;
}

struct Whole {
    static const int AT_ONCE = VALUES, IS_SCALED = 0;
    static __device__ __forceinline__ void unpacked(uint4 v, float* to) { unpack(v, to); }
};

struct Int8 {
    static const int AT_ONCE = 16, IS_SCALED = 1;
    static __device__ __forceinline__ void unpacked(uint4 v, float* to) {
        u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int i = 0; i < 16; i++) to[i] = float((signed char)(words[i / 4] >> (8 * (i % 4))));
    }
};

// A warp for PER rows of the matrices. DEPTH: how many times 512 bytes of each row are fetched ahead.
template <class W, int PER, int DEPTH>
__device__ __forceinline__ void product(const Product& p, uint4* shared) {
    int lane = threadIdx.x % 32, unit = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    int count = p.width / W::AT_ONCE;
    const uint4* from[PER];
    int parts[PER], rows[PER], outputs[PER];
#pragma unroll
    for (int i = 0; i < PER; i++) {
        outputs[i] = p.is_gated ? unit * (PER / 2) + i / 2 : unit * PER + i;
        rows[i] = min(outputs[i], p.outputs - 1);
        parts[i] = i % 2;
        if (!p.is_gated) parts[i] = part_of(p, rows[i]);
        from[i] = (const uint4*)p.weights[parts[i]] + (long long)rows[i] * count;
    }
    uint4 ring[DEPTH][PER];
#pragma unroll
    for (int d = 0; d < DEPTH; d++)
#pragma unroll
        for (int i = 0; i < PER; i++)
            if (lane + 32 * d < count) ring[d][i] = from[i][lane + 32 * d];
    Gains gains;
    gains.fetch(p);
    let_others_begin();
    wait_for_others();
    stage(p, gains, (Float*)shared);
    float sums[ROWS][PER];
#pragma unroll
    for (int row = 0; row < ROWS; row++)
#pragma unroll
        for (int i = 0; i < PER; i++) sums[row][i] = 0.f;
    for (int first = lane; first < count; first += 32 * DEPTH) {
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            int v = first + 32 * d;
            if (v < count) {
                float weights[PER][W::AT_ONCE];
#pragma unroll
                for (int i = 0; i < PER; i++) W::unpacked(ring[d][i], weights[i]);
                if (v + 32 * DEPTH < count) {
#pragma unroll
                    for (int i = 0; i < PER; i++) ring[d][i] = from[i][v + 32 * DEPTH];
                }
#pragma unroll
                for (int row = 0; row < ROWS; row++) {
                    const uint4* given = shared + (row * p.width + v * W::AT_ONCE) / VALUES;
#pragma unroll
                    for (int part = 0; part < W::AT_ONCE / VALUES; part++) {
                        float x[VALUES];
                        unpack(given[part], x);
#pragma unroll
                        for (int i = 0; i < PER; i++)
#pragma unroll
                            for (int j = 0; j < VALUES; j++)
                                sums[row][i] = fmaf(weights[i][part * VALUES + j], x[j], sums[row][i]);
                    }
                }
            }
        }
    }
#pragma unroll
    for (int row = 0; row < ROWS; row++)
#pragma unroll
        for (int i = 0; i < PER; i++) sums[row][i] = warp_sum(sums[row][i]);
#pragma unroll
    for (int row = 0; row < ROWS; row++)
#pragma unroll
        for (int i = 0; i < PER; i++) {
            if (lane != (row * PER + i) % 32 || outputs[i] >= p.outputs || (p.is_gated && i % 2)) continue;
            float x = sums[row][i];
            if (W::IS_SCALED) x *= widened(p.scales[parts[i]][rows[i]]);
            x = activated(with_bias(p, x, parts[i], rows[i]), p.activation);
            if (p.is_gated) {
                int other = i + 1 < PER ? i + 1 : i;
                float y = sums[row][other];
                if (W::IS_SCALED) y *= widened(p.scales[1][rows[i]]);
                x *= with_bias(p, y, 1, rows[i]);
            }
            finish(p, x, row, outputs[i]);
        }
}

#define PRODUCT(NAME, W, PER, DEPTH)             \
    extern "C" __global__ void NAME(Product p) { \
        extern __shared__ uint4 shared[];        \
        product<W, PER, DEPTH>(p, shared);       \
    }
PRODUCT(product_2, Whole, 2, 4)
PRODUCT(product_4, Whole, 4, 2)
#if BITS < 16
PRODUCT(product_int8_2, Int8, 2, 2)
PRODUCT(product_int8_4, Int8, 4, 2)
#endif

#if BITS < 8
// Four bits as PyTorch packs them for CUDA: tiles of 8 rows and 16 * TILES columns, in each tile TILES / 2 words for a
// lane: its row is lane / 4, its eight columns of the 32 of a word begin at lane % 4 * 2. ``split`` warps share the columns
// of 8 rows. ``scales``: ``[width / 32, height, 2]``, step and middle.
template <int TILES>
struct Packed {
    u32 words[TILES / 2], scales[TILES / 2];

    __device__ __forceinline__ void fetch(const Product& p, int part, int row, int tile) {
        int lane = threadIdx.x % 32, across = p.width / (16 * TILES);
        const u32* from = (const u32*)p.weights[part] + (((long long)row / 8 * across + tile) * 32 + lane) * (TILES / 2);
        const u32* of = (const u32*)p.scales[part] + (long long)tile * (TILES / 2) * p.strides[part] + row + lane / 4;
#pragma unroll
        for (int j = 0; j < TILES / 2; j++) words[j] = from[j], scales[j] = of[(long long)j * p.strides[part]];
    }

    __device__ __forceinline__ void add(const Product& p, const u16* staged, int tile, float* sums) const {
#pragma unroll
        for (int j = 0; j < TILES / 2; j++) {
            float step = widened(u16(scales[j])), middle = widened(u16(scales[j] >> 16));
            const u16* at = staged + (tile * (TILES / 2) + j) * 32 + threadIdx.x % 4 * 2;
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                const u32* x = (const u32*)(at + row * p.width);
                float dot = 0.f, sum = 0.f;
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    u32 two = ((words[j] >> (4 * k)) & 0x000f000fu) | 0x43004300u;  // 128 + q, as two bfloat16
                    u32 xs = x[4 * k];
                    float low = widened(u16(xs)), high = widened(u16(xs >> 16));
                    dot = fmaf(widened(u16(two)), low, fmaf(widened(u16(two >> 16)), high, dot));
                    sum += low + high;
                }
                sums[row] += step * (dot - 136.f * sum) + middle * sum;
            }
        }
    }
};

template <int TILES>
__device__ __forceinline__ void product_int4(const Product& p, uint4* shared) {
    __shared__ float parts[2][8][ROWS][8];
    const int DEPTH = 4;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, tiles = blockDim.x / 32 / p.split, share = warp % p.split;
    int first = min((blockIdx.x * tiles + warp / p.split) * 8, p.outputs - 8), across = p.width / (16 * TILES);
    int part = p.is_gated ? 0 : part_of(p, first), each = (across - share + p.split - 1) / p.split;
    int turns = each * (1 + p.is_gated);  // of the gate, then of what it lets through
    Packed<TILES> ring[DEPTH];
#pragma unroll
    for (int d = 0; d < DEPTH; d++)
        if (d < turns) ring[d].fetch(p, part + d / each, first, share + d % each * p.split);
    Gains gains;
    gains.fetch(p);
    let_others_begin();
    wait_for_others();
    stage(p, gains, (Float*)shared);
    float sums[ROWS], gated[ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; row++) sums[row] = gated[row] = 0.f;
    for (int turn = 0; turn < turns; turn += DEPTH) {
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            int now = turn + d, next = now + DEPTH;
            if (now < turns) ring[d].add(p, (const u16*)shared, share + now % each * p.split, now < each ? sums : gated);
            if (next < turns) ring[d].fetch(p, part + next / each, first, share + next % each * p.split);
        }
    }
#pragma unroll
    for (int row = 0; row < ROWS; row++) {
        sums[row] += __shfl_xor_sync(0xffffffffu, sums[row], 1);
        sums[row] += __shfl_xor_sync(0xffffffffu, sums[row], 2);
        gated[row] += __shfl_xor_sync(0xffffffffu, gated[row], 1);
        gated[row] += __shfl_xor_sync(0xffffffffu, gated[row], 2);
        if (lane % 4 == 0) parts[0][warp][row][lane / 4] = sums[row], parts[1][warp][row][lane / 4] = gated[row];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < tiles * ROWS * 8; i += blockDim.x) {
        int tile = i / (ROWS * 8), row = i / 8 % ROWS, at = i % 8, output = (blockIdx.x * tiles + tile) * 8 + at;
        if (output >= p.outputs) continue;
        int of = output, in = p.is_gated ? 0 : part_of(p, of);
        float x = 0.f, y = 0.f;
        for (int from = tile * p.split; from < (tile + 1) * p.split; from++)
            x += parts[0][from][row][at], y += parts[1][from][row][at];
        x = activated(with_bias(p, x, in, of), p.activation);
        if (p.is_gated) x *= with_bias(p, y, 1, of);
        finish(p, x, row, output);
    }
}

#define PRODUCT_INT4(NAME, TILES)                \
    extern "C" __global__ void NAME(Product p) { \
        extern __shared__ uint4 shared[];        \
        product_int4<TILES>(p, shared);          \
    }
PRODUCT_INT4(product_int4_of_2, 2)
PRODUCT_INT4(product_int4_of_4, 4)
PRODUCT_INT4(product_int4_of_8, 8)
#endif
