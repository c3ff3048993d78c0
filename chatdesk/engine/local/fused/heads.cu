// Attention of the persistent kernel.

#define CHUNK (16 * WARPS)  // tokens that a block attends to at once
#define VECTORS (SIZE / 8)  // sixteens of bytes of a head
#define GROUPS (32 / VECTORS)
#define KEYS ((VECTORS + 1) / 2)  // of these, a thread's
#define TURNS ((16 + GROUPS - 1) / GROUPS)  // tokens whose values a thread adds up
#define KEPT_KEYS (KEYS < 8 ? KEYS : 8)  // of which it fetches so many ahead
#define KEPT_VALUES (TURNS < 8 ? TURNS : 8)
#define LANES ((SIZE + 31) / 32)  // numbers of a head that a lane has

// One head of the projected, by one warp: normed and turned. ``raw`` and ``to``: room for a head, which may be the same.
__device__ __forceinline__ void make_head(const Attend& p, const u64* source, u32 tag, const Float* gain, long long place, float* raw, float* to) {
    int lane = threadIdx.x % 32;
    const float* turns = p.turns + place * 2 * p.rotated;
    float factor = 1.f, cosines[LANES], sines[LANES], gains[LANES], found[LANES], sum = 0.f;
    Asked<LANES, false> asked;
#pragma unroll
    for (int j = 0; j < LANES; j++) {
        int i = lane + 32 * j;
        cosines[j] = i < p.rotated ? turns[i] : 1.f, sines[j] = i < p.rotated ? turns[p.rotated + i] : 0.f;
        gains[j] = gain && i < SIZE ? widened(gain[i]) + p.plus_one : 1.f;
    }
    asked.read(source, lane, 32, SIZE, tag);
#pragma unroll
    for (int j = 0; j < LANES; j++) found[j] = value_of(asked.a[j]), sum += found[j] * found[j];
    if (gain) factor = rsqrtf(warp_sum(sum) / SIZE + p.epsilon);
#pragma unroll
    for (int j = 0; j < LANES; j++) {
        int i = lane + 32 * j;
        found[j] *= factor * gains[j];
        if (i < SIZE) raw[i] = found[j];
    }
    __syncwarp();
    int half = p.rotated / 2;
#pragma unroll
    for (int j = 0; j < LANES; j++) {
        int i = lane + 32 * j;
        float other = i < half ? -raw[i + half] : i < p.rotated ? raw[i - half] : 0.f;
        found[j] = found[j] * cosines[j] + other * sines[j];
    }
    __syncwarp();
#pragma unroll
    for (int j = 0; j < LANES; j++)
        if (lane + 32 * j < SIZE) to[lane + 32 * j] = found[j];
    __syncwarp();
}

// A head, a row and CHUNK tokens: 16 of them by each warp, whose results are joined, and those of all chunks by the last.
struct Attention {
    const Attend& p;
    Room& room;
    long long place;
    u32 wanted, tag;
    float *query, *raw, *found, *most, *sum;  // of a head, two heads, and one for each warp
    Float *key, *value;  // of the new token

    __device__ __forceinline__ Attention(const Attend& p, Room& room, u32 wanted, u32 tag)
        : p(p), room(room), place(*p.place), wanted(wanted), tag(tag) {
        query = (float*)room.staged, raw = query + SIZE, found = raw + 2 * SIZE;
        most = found + WARPS * SIZE, sum = most + WARPS, key = (Float*)(sum + WARPS), value = key + SIZE;
    }

    __device__ __forceinline__ void run() {
        int chunks = int(place) / CHUNK + 1;
        for (int item = blockIdx.x; item < chunks * p.heads * ROWS; item += gridDim.x)
            one(item / (p.heads * ROWS), chunks, item % p.heads, item / p.heads % ROWS);
    }

    __device__ __forceinline__ void one(int chunk, int chunks, int head, int row) {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32, key_head = head / (p.heads / p.key_heads);
        long long base = ((long long)row * p.key_heads + key_head) * p.room * SIZE;
        Float *keys = p.keys + base, *values = p.values + base;
        bool has_new = chunk == chunks - 1;
        int first = chunk * CHUNK + 16 * warp, token = first + lane / 2;
        int group = lane / VECTORS, vector = lane % VECTORS;
        const uint4* my_key = (const uint4*)(keys + (long long)token * SIZE);
        const uint4* my_values = (const uint4*)(values + (long long)first * SIZE) + vector;
        uint4 kept_keys[KEPT_KEYS], kept_values[KEPT_VALUES];
#pragma unroll
        for (int i = 0; i < KEPT_KEYS; i++)
            if (token < place && 2 * i + lane % 2 < VECTORS) kept_keys[i] = my_key[2 * i + lane % 2];
#pragma unroll
        for (int i = 0; i < KEPT_VALUES; i++) {
            int at = group + i * GROUPS;
            if (group < GROUPS && at < 16 && first + at < place) kept_values[i] = my_values[at * VECTORS];
        }
        prepare(head, key_head, row, has_new, keys, values);
        float score = 0.f;
#pragma unroll
        for (int i = 0; i < KEPT_KEYS; i++)
            if (token == place && 2 * i + lane % 2 < VECTORS) kept_keys[i] = ((const uint4*)key)[2 * i + lane % 2];
#pragma unroll
        for (int i = 0; i < KEPT_VALUES; i++)
            if (first + group + i * GROUPS == place && group < GROUPS) kept_values[i] = ((const uint4*)value)[vector];
#pragma unroll
        for (int i = 0; i < KEYS; i++) {
            int at = 2 * i + lane % 2;
            if (token > place || at >= VECTORS) continue;
            float k[8];
            unpack(i < KEPT_KEYS ? kept_keys[min(i, KEPT_KEYS - 1)] : ((const uint4*)(token == place ? key : keys + (long long)token * SIZE))[at], k);
#pragma unroll
            for (int j = 0; j < 8; j++) score = fmaf(k[j], query[at * 8 + j], score);
        }
        score = (score + __shfl_xor_sync(0xffffffffu, score, 1)) * p.scale;
        float highest = warp_max(token <= place ? score : LEAST), weight = token <= place ? __expf(score - highest) : 0.f;
        float all = 0.5f * warp_sum(weight), mine[8];
#pragma unroll
        for (int j = 0; j < 8; j++) mine[j] = 0.f;
#pragma unroll
        for (int i = 0; i < TURNS; i++) {
            int at = group + i * GROUPS;
            float of = __shfl_sync(0xffffffffu, weight, 2 * min(at, 15));
            if (group >= GROUPS || at >= 16 || first + at > place) continue;
            float v[8];
            unpack(i < KEPT_VALUES ? kept_values[min(i, KEPT_VALUES - 1)] : first + at == place ? ((const uint4*)value)[vector] : my_values[at * VECTORS], v);
#pragma unroll
            for (int j = 0; j < 8; j++) mine[j] = fmaf(of, v[j], mine[j]);
        }
#pragma unroll
        for (int j = 0; j < 8; j++) {
            float all_groups = mine[j];
#pragma unroll
            for (int other = 1; other < GROUPS; other++) all_groups += __shfl_sync(0xffffffffu, mine[j], (vector + other * VECTORS) % 32);
            mine[j] = all_groups;
        }
        if (group == 0)
#pragma unroll
            for (int j = 0; j < 8; j++) found[warp * SIZE + vector * 8 + j] = mine[j];
        if (lane == 0) most[warp] = highest, sum[warp] = all;
        meet();
        join(chunk, chunks, head, row);  // the next item writes there when all have met in `prepare`
    }

    // The query, and where the chunk has the new token its key and value, which are kept.
    __device__ __forceinline__ void prepare(int head, int key_head, int row, bool has_new, Float* keys, Float* values) {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        const u64* projected = (const u64*)p.projected + (long long)row * p.stride;
        if (warp == 0) make_head(p, projected + head * p.query_step, wanted, p.query_gain, place, raw, query);
        if (has_new && warp == 1) {
            float* made = raw + SIZE;
            make_head(p, projected + p.key_start + key_head * p.key_step, wanted, p.key_gain, place, made, made);
            for (int i = lane; i < SIZE; i += 32) {
                narrow(made[i], key[i]);
                keys[place * SIZE + i] = key[i];
            }
        }
        if (has_new && warp == 2) {
            Asked<LANES, false> asked;
            asked.read(projected + p.value_start + key_head * p.key_step, lane, 32, SIZE, wanted);
#pragma unroll
            for (int j = 0; j < LANES; j++) {
                int i = lane + 32 * j;
                if (i >= SIZE) continue;
                narrow(value_of(asked.a[j]), value[i]);
                values[place * SIZE + i] = value[i];
            }
        }
        meet();
    }

    __device__ __forceinline__ void join(int chunk, int chunks, int head, int row) {
        u64* partial = (u64*)p.partial + (long long)(row * p.heads + head) * (p.chunks * (SIZE + 2));
        if ((threadIdx.x & ~31) >= SIZE) return;
        int i = min(int(threadIdx.x), SIZE - 1);
        bool is_mine = threadIdx.x < SIZE;
        float highest = LEAST, x = 0.f, all = 0.f;
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++) highest = fmaxf(highest, most[warp]);
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++) {
            float share = __expf(most[warp] - highest);
            all += share * sum[warp], x += share * found[warp * SIZE + i];
        }
        if (chunk < chunks - 1) {
            u64* to = partial + chunk * (SIZE + 2);
            if (is_mine) tell(to + i, said(x, tag));
            if (threadIdx.x == 0) tell(to + SIZE, said(highest, tag)), tell(to + SIZE + 1, said(all, tag));
            return;
        }
#pragma unroll 4
        for (int other = 0; other < chunks - 1; other++) {
            const u64* from = partial + other * (SIZE + 2);
            u64 a = peek(from + i), b = peek(from + SIZE), c = peek(from + SIZE + 1);
            float there = awaited(from + SIZE, b, tag), up = fmaxf(highest, there);
            float ours = __expf(highest - up), theirs = __expf(there - up);
            x = ours * x + theirs * awaited(from + i, a, tag), all = ours * all + theirs * awaited(from + SIZE + 1, c, tag);
            highest = up;
        }
        x /= all;
        float next = __shfl_down_sync(0xffffffffu, x, 1);
        u64* to = (u64*)p.target + (long long)row * p.target_stride + (head * SIZE + i) / 2;
        if (is_mine && i % 2 == 0) tell(to, said(two(x, next), tag));
    }
};
