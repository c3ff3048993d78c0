// The whole decode step as one kernel: a block for each multiprocessor goes through all phases of the step (embeddings,
// products, attention), while one of its warps fetches the weights, as far ahead as there is room, over the ends of phases.
//
// Nothing else is waited for but numbers: each that goes from block to block is written together with a tag, the step
// and the phase it belongs to, and whoever reads it asks until the tag is there. A buffer is written anew only by a phase
// that needs results of all those who have read it.

__device__ __forceinline__ void embedded(const Embed& p, u32 tag) {
    long long place = p.inputs[ROWS];
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < p.width * ROWS; i += gridDim.x * THREADS) {
        int row = i / p.width, at = i % p.width;
        tell((u64*)p.target + row * p.stride + at, said(embedding(p, p.inputs[row], place, at), tag));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS + 32, 1) persistent(Step p) {
    extern __shared__ uint4 shared[];
    Room room(shared);
    const uint4* records = (const uint4*)p.phases;
    u32 step = p.steps[blockIdx.x], base = step * u32(p.count) + 1;
    if (threadIdx.x == THREADS) {
        for (int i = 0; i < DEPTH; i++) ready(room.full + i, SIGNALS), ready(room.empty + i, WARPS);
        all_ready();
    }
    if (threadIdx.x < 8) room.zeros[threadIdx.x] = 0;
    if (threadIdx.x < 32 && threadIdx.x / 16 < p.count) ((uint4*)room.phases)[threadIdx.x] = records[threadIdx.x];
    __syncthreads();
    if (threadIdx.x >= THREADS) {
        fetch_all(p, room);
        return;
    }
    Place place = {0, 0};
    for (int phase = 0; phase < p.count; phase++) {
        if (threadIdx.x < 16) copy((uint4*)(room.phases + (phase + 2) % 3) + threadIdx.x, records + min(phase + 2, p.count - 1) * 16 + threadIdx.x);
        commit();
        const Phase& here = room.phases[phase % 3];
        if (here.kind == EMBED) embedded(*(const Embed*)here.body, base);
        if (here.kind == ATTEND) Attention(*(const Attend*)here.body, room, base + phase - 1, base + phase).run();
        if (here.kind == PRODUCT) multiplied(product_of(here), room, place, base, phase);
        copied_but<1>();
        meet();
    }
    if (threadIdx.x == 0) p.steps[blockIdx.x] = step + 1;
}
