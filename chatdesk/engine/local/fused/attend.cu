// Attention of a new token to those before it and to itself.

#define CHUNK 256  // threads of a block of `attend`, and the tokens that it looks at
#define AHEAD 8    // sixteens of bytes of keys, and of values, that a thread fetches ahead

// One head of the projected, by one warp: normed and turned. ``raw`` and ``to``: room for a head.
__device__ void head_made(const Attend& p, const float* source, const Float* gain, long long place, float* raw, float* to) {
    int lane = threadIdx.x % 32;
    float factor = 1.f;
    if (gain) {
        float sum = 0.f;
        for (int i = lane; i < p.size; i += 32) sum += source[i] * source[i];
        factor = rsqrtf(warp_sum(sum) / p.size + p.epsilon);
    }
    for (int i = lane; i < p.size; i += 32) raw[i] = gain ? source[i] * factor * (widened(gain[i]) + p.plus_one) : source[i];
    __syncwarp();
    const float* turns = p.turns + place * 2 * p.rotated;
    int half = p.rotated / 2;
    for (int i = lane; i < p.size; i += 32) {
        float x = raw[i];
        if (i < p.rotated) x = x * turns[i] + (i < half ? -raw[i + half] : raw[i - half]) * turns[p.rotated + i];
        to[i] = x;
    }
    __syncwarp();
}

__device__ __forceinline__ float dot(uint4 key, const float* query) {
    float k[VALUES], sum = 0.f;
    unpack(key, k);
#pragma unroll
    for (int j = 0; j < VALUES; j++) sum = fmaf(k[j], query[j], sum);
    return sum;
}

__device__ __forceinline__ void add(uint4 value, float weight, float* to) {
    float v[VALUES];
    unpack(value, v);
#pragma unroll
    for (int j = 0; j < VALUES; j++) to[j] = fmaf(weight, v[j], to[j]);
}

// A block for a row, a head and CHUNK tokens; the last block of a head to end joins what the others have found.
extern "C" __global__ void attend(Attend p) {
    extern __shared__ uint4 shared[];
    float* query = (float*)shared;
    float* key = query + p.size;
    float* value = key + p.size;
    float* raw = value + p.size;         // [2, size]
    float* weights = raw + 2 * p.size;   // [CHUNK]
    float* gathered = weights + CHUNK;   // [CHUNK * VALUES]
    __shared__ int is_last;
    int chunk = blockIdx.x, head = blockIdx.y, row = blockIdx.z, thread = threadIdx.x;
    int key_head = head / (p.heads / p.key_heads);
    long long place = *p.place;
    int first = chunk * CHUNK, chunks = int(place) / CHUNK + 1;
    if (chunk >= chunks) return;
    const float* projected = p.projected + row * p.stride;
    long long base = ((long long)row * p.key_heads + key_head) * p.room * p.size;
    Float* keys = p.keys + base;
    Float* values = p.values + base;
    bool has_new = chunk == chunks - 1;
    int mine = first + thread, end = min(CHUNK, int(place) - first);  // the new token comes from shared memory
    int lanes = p.size / VALUES, groups = CHUNK / lanes, lane = thread % lanes, group = thread / lanes;
    const uint4* my_key = (const uint4*)(keys + (long long)mine * p.size);
    const uint4* my_values = (const uint4*)(values + (long long)first * p.size) + lane;
    uint4 keys_ahead[AHEAD], values_ahead[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++)
        if (mine < place && i < lanes) keys_ahead[i] = my_key[i];
#pragma unroll
    for (int i = 0; i < AHEAD; i++)
        if (group < groups && group + i * groups < end) values_ahead[i] = my_values[(group + i * groups) * lanes];
    let_others_begin();
    wait_for_others();
    if (thread < 32) head_made(p, projected + head * p.query_step, p.query_gain, place, raw, query);
    if (has_new && thread >= 32 && thread < 64) {
        head_made(p, projected + p.key_start + key_head * p.key_step, p.key_gain, place, raw + p.size, key);
        for (int i = thread - 32; i < p.size; i += 32) {
            Float kept;
            narrow(key[i], kept);
            keys[place * p.size + i] = kept;
            key[i] = widened(kept);
        }
    }
    if (has_new && thread >= 64 && thread < 96) {
        for (int i = thread - 64; i < p.size; i += 32) {
            Float kept;
            narrow(projected[p.value_start + key_head * p.key_step + i], kept);
            values[place * p.size + i] = kept;
            value[i] = widened(kept);
        }
    }
    __syncthreads();
    float score = LEAST;
    if (mine < place) {
        score = 0.f;
#pragma unroll
        for (int i = 0; i < AHEAD; i++)
            if (i < lanes) score += dot(keys_ahead[i], query + i * VALUES);
#pragma unroll 4
        for (int i = AHEAD; i < lanes; i++) score += dot(my_key[i], query + i * VALUES);
        score *= p.scale;
    } else if (mine == place) {
        score = 0.f;
        for (int i = 0; i < p.size; i++) score = fmaf(key[i], query[i], score);
        score *= p.scale;
    }
    float highest = block_reduced(score, true);
    float weight = mine <= place ? expf(score - highest) : 0.f;
    weights[thread] = weight;
    float sum = block_reduced(weight, false);  // and all weights are there
    float found[VALUES];
#pragma unroll
    for (int j = 0; j < VALUES; j++) found[j] = 0.f;
    if (group < groups) {
#pragma unroll
        for (int i = 0; i < AHEAD; i++)
            if (group + i * groups < end) add(values_ahead[i], weights[group + i * groups], found);
#pragma unroll 4
        for (int i = group + AHEAD * groups; i < end; i += groups) add(my_values[i * lanes], weights[i], found);
#pragma unroll
        for (int j = 0; j < VALUES; j++) gathered[group * p.size + lane * VALUES + j] = found[j];
    }
    __syncthreads();
    float* to = p.target + row * p.target_stride + head * p.size;
    int places = gridDim.x, of = (row * p.heads + head) * places;
    float* partial = p.partial + (long long)(of + chunk) * (p.size + 2);
    for (int i = thread; i < p.size; i += CHUNK) {
        float x = has_new ? weights[int(place) - first] * value[i] : 0.f;
        for (int j = 0; j < groups; j++) x += gathered[j * p.size + i];
        if (chunks == 1) to[i] = x / sum;
        else partial[i] = x;
    }
    if (chunks == 1) return;
    if (thread == 0) partial[p.size] = highest, partial[p.size + 1] = sum;
    __threadfence();
    __syncthreads();
    if (thread == 0) is_last = atomicAdd(p.arrived + row * p.heads + head, 1) == chunks - 1;
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    const volatile float* all = p.partial + (long long)of * (p.size + 2);
    highest = LEAST;
    for (int i = thread; i < chunks; i += CHUNK) highest = fmaxf(highest, all[i * (p.size + 2) + p.size]);
    highest = block_reduced(highest, true);
    sum = 0.f;
    for (int i = thread; i < chunks; i += CHUNK)
        sum += all[i * (p.size + 2) + p.size + 1] * expf(all[i * (p.size + 2) + p.size] - highest);
    sum = block_reduced(sum, false);
    for (int i = thread; i < p.size; i += CHUNK) {
        float x = 0.f;
#pragma unroll 4
        for (int j = 0; j < chunks; j++) x += all[j * (p.size + 2) + i] * expf(all[j * (p.size + 2) + p.size] - highest);
        to[i] = x / sum;
    }
    if (thread == 0) p.arrived[row * p.heads + head] = 0;
}
