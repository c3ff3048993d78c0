// Products of the persistent kernel, by the matrix units: eight rows of weights are the columns of one operand, the
// ROWS inputs the rows of the other. The columns of a matrix are shared out to the warps, 64 at a time.

#define EACH (WARPS / ROWS)  // warps that gather a row
#define ASKED (ROWS == 1 ? 4 : 8)  // pairs that a thread asks for at once, where they are not normed

// Sums that run side by side: of the first two what belongs to the upper rows is good, of the second two the lower.
struct Sums {
    float upper[4], lower[4];
    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < 4; i++) upper[i] = lower[i] = 0.f;
    }
    __device__ __forceinline__ float total(int i) const { return upper[i] + lower[i + 2]; }

    // Four pairs of inputs, as `Laying` lays them, and of weights.
    __device__ __forceinline__ void add(uint4 inputs, u32 a, u32 b, u32 c, u32 d) {
        multiply(upper, inputs, a, b);
        multiply(lower, inputs, c, d);
    }
};

// 64 columns of a stage times those of the inputs; lane / 4 is the row of the weights there and of the inputs here. (What
// comes of rows that are none is not looked at.)
__device__ __forceinline__ void times_whole(const unsigned char* at, const Float* x, Sums& sums) {
    int t = threadIdx.x % 4;
    uint4 w = ((const uint4*)at)[t], v = ((const uint4*)at)[t + 4], y = ((const uint4*)x)[t], z = ((const uint4*)x)[t + 4];
    sums.add(y, w.x, w.y, w.z, w.w);
    sums.add(z, v.x, v.y, v.z, v.w);
}

#if BITS < 16
// Two whole numbers of eight bits, as bfloat16: without their sign 128 more, then 128 less, and 128 less with it.
__device__ __forceinline__ u32 from_bytes(u32 word, u32 order) {
    u32 spread = __byte_perm(word, 0, order);
    return added_twos(spliced(spread, 0x007f007fu, 0x43004300u), spliced(spread, 0x00800080u, 0xc300c300u));
}

__device__ __forceinline__ void times_int8(const unsigned char* at, const Float* x, Sums& sums) {
    int t = threadIdx.x % 4;
    uint4 w = ((const uint4*)at)[t], y = ((const uint4*)x)[2 * t], z = ((const uint4*)x)[2 * t + 1];
    sums.add(y, from_bytes(w.x, 0x4140), from_bytes(w.x, 0x4342), from_bytes(w.y, 0x4140), from_bytes(w.y, 0x4342));
    sums.add(z, from_bytes(w.z, 0x4140), from_bytes(w.z, 0x4342), from_bytes(w.w, 0x4140), from_bytes(w.w, 0x4342));
}
#endif

#if BITS < 8
// Four bits as PyTorch packs them for CUDA: in 16 * tiles columns a lane has tiles / 2 words: its row is lane / 4, its
// eight columns of the 32 of a word begin at lane % 4 * 2. Each 32 columns have a step and a middle for each row.
__device__ __forceinline__ const u32* words_of(const unsigned char* stage, int unit, int tiles) {
    int lane = threadIdx.x % 32;
    return (const u32*)(stage + (tiles == 8 ? unit / 2 * 512 + lane * 16 + unit % 2 * 8 : unit * 256 + lane * 8));
}

// As bfloat16 they are 128 more: 136 more than what the step is taken times.
__device__ __forceinline__ void times_word(u32 word, uint4 inputs, Sums& sums) {
    u32 q[4];
#pragma unroll
    for (int i = 0; i < 4; i++) q[i] = spliced(word >> (4 * i), 0x000f000fu, 0x43004300u);
    sums.add(inputs, q[0], q[1], q[2], q[3]);
}

// ``sum``: of the inputs. Two rows.
__device__ __forceinline__ void scale(const Sums& dot, float sum, const u32* scales, Sums& to) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float step = widened(u16(scales[i])), middle = widened(u16(scales[i] >> 16));
        to.upper[i] = fmaf(step, dot.total(i) - 136.f * sum, fmaf(middle, sum, to.upper[i]));
    }
}

// All of a warp's in a stage. For a single input, each of eight groups of 32 columns is a row of the inputs of its own,
// so that its sums are apart from the others' and are scaled at the end, all at once.
__device__ __forceinline__ void times_int4(const unsigned char* stage, int units, int tiles, const Float* x, const Float* zeros, const float* of_groups, Sums& sums) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, t = lane % 4, row = lane / 4, slot = 0;
    const u32* scales = (const u32*)(stage + SCALES) + t * 2;
    Sums dot;
    dot.clear();
    for (int unit = warp; unit < units; unit += WARPS) {
        const u32* words = words_of(stage, unit, tiles);
        const Float* of_unit = x + unit * 64 + t * 8;
#pragma unroll
        for (int j = 0; j < 2; j++, slot++) {
            const Float* inputs = ROWS == 1 && row != slot % 8 ? zeros : of_unit + j * 32;
            times_word(words[j], *(const uint4*)inputs, dot);
            if (ROWS > 1) scale(dot, of_groups[unit * 2 + j], scales + (unit * 2 + j) * 8, sums), dot.clear();
        }
        if (ROWS == 1 && (slot % 8 == 0 || unit + WARPS >= units)) {
            int last = slot - 1 - (slot - 1 - row) % 8;  // the slot that this lane's row was
            if (row <= (slot - 1) % 8) {
                int group = (warp + (last / 2) * WARPS) * 2 + last % 2;
                scale(dot, of_groups[group], scales + group * 8, sums);
            }
            dot.clear();
        }
    }
}
#endif

// Numbers of a row that a thread reads: the jth is at `first + j * step`.
template <int COUNT, bool IS_PAIRS>
struct Asked {
    u64 a[COUNT], b[IS_PAIRS ? COUNT : 1];
    __device__ __forceinline__ void read(const u64* source, int first, int step, int end, u32 tag) {
        bool is_there;
        Patience patience;
        do {
            is_there = true;
#pragma unroll
            for (int j = 0; j < COUNT; j++) {
                int at = first + j * step;
                a[j] = said(0u, tag);
                if (IS_PAIRS) b[j] = a[j];
                if (at < end) {
                    if (IS_PAIRS) peek(source + 2 * at, a[j], b[j]); else a[j] = peek(source + at);
                }
            }
#pragma unroll
            for (int j = 0; j < COUNT; j++) is_there &= tag_of(a[j]) == tag && (!IS_PAIRS || tag_of(b[j]) == tag);
            if (!is_there) patience.wait();
        } while (!is_there);
    }
};

// Where a thread puts the pairs of an input: of each four, the middle two change places (see `Sums`). Of four bits, the
// columns of a lane's words lie together, and there are sums of 32 inputs each.
struct Laying {
    u32* to;
    float* of_groups;
    bool is_packed;
    static __device__ __forceinline__ int swapped(int i) { return i / 2 % 2 + i % 2 * 2; }
    __device__ __forceinline__ void put(int pair, u32 x) const {
        if (BITS < 8 && is_packed) {
            to[(pair & ~15) + pair % 4 * 4 + swapped(pair / 4)] = x;
            float sum = widened(u16(x)) + widened(u16(x >> 16));
#pragma unroll
            for (int i = 8; i; i >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, i);
            if (pair % 16 == 0) of_groups[pair / 16] = sum;
        } else {
            to[(pair & ~3) + swapped(pair)] = x;
        }
    }
};

// One sum for each row, known to its threads.
__device__ __forceinline__ float total(const Room& room, float sum, int row, int turn) {
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) room.sums[turn * WARPS + threadIdx.x / 32] = sum;
    meet();
    sum = 0.f;
#pragma unroll
    for (int i = 0; i < EACH; i++) sum += room.sums[turn * WARPS + min(row, ROWS - 1) * EACH + i];
    return sum;
}

// The source, normed, as Float in shared memory. HELD: pairs that a thread asks for at once; if IS_ONE, these are all.
struct Normed {
    const Product& p;
    const Room& room;
    const Laying& laying;
    const u64* source;
    u32 tag;
    int row, first, end;
    Asked<HELD, true> asked;
    u32 gain[HELD], shift[HELD];

    __device__ __forceinline__ int at(int from, int j) const { return from + j * (EACH * 32); }

    __device__ __forceinline__ void read(int from, bool is_first) {
        if (IS_ONE && !is_first) return;
#pragma unroll
        for (int j = 0; j < HELD; j++) {
            int i = min(at(from, j), p.width / 2 - 1);
            gain[j] = ((const u32*)p.gain)[i], shift[j] = p.shift ? ((const u32*)p.shift)[i] : 0;
        }
        asked.read(source, from, EACH * 32, end, tag);
    }

    // The sum of all numbers less ``mean``, or of their squares.
    __device__ __forceinline__ float summed(float mean, bool is_squares, bool is_first, int turn) {
        float sum = 0.f;
        for (int from = first; from < end; from += HELD * EACH * 32) {
            read(from, is_first);
#pragma unroll
            for (int j = 0; j < HELD; j++) {
                float x = value_of(asked.a[j]) - mean, y = value_of(asked.b[j]) - mean;
                if (at(from, j) < end) sum += is_squares ? x * x + y * y : x + y;
            }
            if (IS_ONE) break;
        }
        return total(room, sum, row, turn);
    }

    __device__ __forceinline__ void run() {
        float share = 1.f / p.width, mean = p.is_layer_norm ? summed(0.f, false, true, 0) * share : 0.f;
        float factor = rsqrtf(summed(mean, true, !p.is_layer_norm, 1) * share + p.epsilon), plus = p.plus_one;
        for (int from = first; from < end; from += HELD * EACH * 32) {
            read(from, false);
#pragma unroll
            for (int j = 0; j < HELD; j++) {
                if (at(from, j) >= end) continue;
                float x = (value_of(asked.a[j]) - mean) * (factor * (widened(u16(gain[j])) + plus));
                float y = (value_of(asked.b[j]) - mean) * (factor * (widened(u16(gain[j] >> 16)) + plus));
                laying.put(at(from, j), two(x + widened(u16(shift[j])), y + widened(u16(shift[j] >> 16))));
            }
            if (IS_ONE) break;
        }
    }
};

// The source as Float in shared memory, ``[ROWS, pitch]``.
__device__ __forceinline__ void gather(const Product& p, u32 tag, const Room& room, int pitch) {
    int warp = threadIdx.x / 32, row = warp / EACH, first = warp % EACH * 32 + threadIdx.x % 32, step = EACH * 32;
    int end = row < ROWS ? p.width / 2 : 0;
    const u64* source = (const u64*)p.source + (long long)row * p.source_stride;
    Laying laying = {(u32*)(room.staged + row * pitch), room.of_groups(pitch) + row * (pitch / 32), BITS < 8 && p.format >= INT4};
    if (p.gain) {
        Normed normed = {p, room, laying, source, tag, row, first, end};
        normed.run();
    } else {
        Asked<ASKED, false> asked;
        for (; first < end; first += ASKED * step) {
            asked.read(source, first, step, end, tag);
#pragma unroll
            for (int j = 0; j < ASKED; j++)
                if (first + j * step < end) laying.put(first + j * step, u32(asked.a[j]));
        }
    }
    meet();
}

// A number that a thread makes of the sums of some tiles: what can be known of it before they are there.
struct Output {
    int sums, row, place, part;
    bool is_mine, is_gated;
    float scale, bias, other_scale, other_bias;
    const u64* before;
    u64 asked;

    __device__ __forceinline__ void prepare(const Product& p, int first, int batch, int tiles) {
        int outputs = (tiles >> p.is_gated) * 8 * ROWS, i = min(int(threadIdx.x), outputs - 1), at = i % 8;
        int index = i / (8 * ROWS) << p.is_gated;
        is_gated = p.is_gated, row = i / 8 % ROWS, sums = (index * WARPS * ROWS + row) * 8 + at;
        Tile tile(p, first, batch * TILES + index);
        part = tile.part, place = min(tile.row + at, p.heights[part] - 1);
        is_mine = threadIdx.x < outputs && place == tile.row + at;
        bool is_scaled = BITS < 16 && p.format == INT8;
        scale = is_scaled ? widened(p.scales[part][place]) : 1.f, bias = p.biases[part] ? widened(p.biases[part][place]) : 0.f;
        other_scale = is_scaled && is_gated ? widened(p.scales[1][place]) : 1.f;
        other_bias = is_gated && p.biases[1] ? widened(p.biases[1][place]) : 0.f;
        for (int other = 0; other < part; other++) place += p.heights[other];
        before = p.added ? (const u64*)p.added + (long long)row * p.target_stride + place : 0;
        if (before) asked = peek(before);
    }

    __device__ __forceinline__ void finish(const Product& p, const float* parts, u32 base, int phase) const {
        float x = 0.f, y = 0.f;
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++) x += parts[sums + warp * ROWS * 8];
        x = activated(fmaf(x, scale, bias), p.activation);
        if (is_gated) {
#pragma unroll
            for (int warp = 0; warp < WARPS; warp++) y += parts[sums + (WARPS + warp) * ROWS * 8];
            x *= fmaf(y, other_scale, other_bias);
        }
        if (before) x += awaited(before, asked, base + p.added_phase);
        float next = __shfl_down_sync(0xffffffffu, x, 1);
        if (!is_mine) return;
        long long to = (long long)row * p.target_stride;
        if (p.form == NUMBERS) tell((u64*)p.target + to + place, said(x, base + phase));
        else if (p.form == LOGITS) p.target[to + place] = x;
        else if (place % 2 == 0) tell((u64*)p.target + to + place / 2, said(two(x, next), base + phase));
    }
};

// A whole product of this block's tiles.
__device__ __forceinline__ void multiplied(const Product& p, const Room& room, Place& place, u32 base, int phase) {
    int first = first_unit(p), tiles = tiles_of(p, first), warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (!tiles) return;
    int width = p.width, columns = p.columns, format = p.format, pitch = width + 32;
    int row_bytes = lane / 4 * (columns * (format == INT8 ? 1 : 2) + PAD) + warp * (format == INT8 ? 64 : 128);
    bool finishes = warp * 32 < (min(tiles, TILES) >> p.is_gated) * 8 * ROWS;
    Output output;
    if (finishes) output.prepare(p, first, 0, min(tiles, TILES));
    gather(p, base + p.source_phase, room, pitch);
    int row = min(lane / 4, ROWS - 1);
    const Float* x = room.staged + row * pitch;
    const float* of_groups = room.of_groups(pitch) + row * (pitch / 32);
    for (int batch = 0; batch * TILES < tiles; batch++) {
        int here = min(TILES, tiles - batch * TILES);
        float* parts = room.parts + batch % 2 * (TILES * WARPS * ROWS * 8);
        for (int index = 0; index < here; index++) {
            Sums sums;
            sums.clear();
            for (int column = 0; column < width; column += columns) {
                const unsigned char* stage = room.ring + place.stage * STAGE;
                int units = min(columns, width - column) / 64;
                await(room.full + place.stage, place.turn);
#if BITS < 8
                if (format >= INT4) times_int4(stage, units, format, x + column, room.zeros, of_groups + column / 32, sums);
                else
#endif
#pragma unroll 1
                for (int i = warp; i < units; i += WARPS) {
#if BITS < 16
                    if (format == INT8) times_int8(stage + row_bytes + (i - warp) * 64, x + column + i * 64, sums);
                    else
#endif
                    times_whole(stage + row_bytes + (i - warp) * 128, x + column + i * 64, sums);
                }
                __syncwarp();
                if (lane == 0) signal(room.empty + place.stage);
                place.next();
            }
            float found[2] = {sums.total(0), sums.total(1)};
            if (ROWS == 1 && BITS < 8 && format >= INT4)
#pragma unroll
                for (int i = 4; i < 32; i <<= 1)
                    found[0] += __shfl_xor_sync(0xffffffffu, found[0], i), found[1] += __shfl_xor_sync(0xffffffffu, found[1], i);
            if (lane / 4 < ROWS) *(float2*)(parts + ((index * WARPS + warp) * ROWS + lane / 4) * 8 + lane % 4 * 2) = {found[0], found[1]};
        }
        meet();
        if (finishes) output.finish(p, parts, base, phase);
        int left = tiles - (batch + 1) * TILES;
        if (finishes && left > 0) output.prepare(p, first, batch + 1, min(left, TILES));
    }
}
