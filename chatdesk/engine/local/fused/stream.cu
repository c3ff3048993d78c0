// What the persistent kernel (persistent.cu) goes by: numbers that go from block to block, and how weights come in.
//
// Compiled for FLOAT (1 bfloat16, 2 float16), ROWS (at most 8), BITS, WARPS (that compute), SIZE (of a head, at most
// 256), STAGE (bytes of weights that come in as one: eight rows, so many columns of them), DEPTH (stages), TILES (tiles
// that a block sums up together), HELD and IS_ONE (pairs of an input that a thread norms, and whether these are all).

#define THREADS (32 * WARPS)  // that compute; one more warp fetches
#define SCALES 16384  // where the scales of four bits lie in a stage
#define SIGNALS (BITS < 8 ? 33 : 1)  // that a stage is there: of the bytes, and of each lane where some are copied by it
#define PAD 64  // bytes behind a row in a stage, so that the banks of eight rows are others

enum { EMBED, PRODUCT, ATTEND };
enum { NUMBERS, PAIRS, LOGITS };  // what a product gives: numbers with tags, two of half the size, plain numbers
enum { WHOLE, INT8, INT4 };  // from INT4 on: how many tiles of 16 columns are packed together

struct Phase {
    int kind, pad[3];
    unsigned char body[240];
};

struct Step {
    const Phase* phases;
    u32* steps;  // made so far, for each block
    int count;  // of the phases
};

// What lies in the shared memory of a block.
struct Room {
    unsigned char* ring;    // [DEPTH, STAGE]
    Phase *phases, *coming;  // [3]: this one and the next two; [2]: those of who fetches
    u64 *full, *empty;      // [DEPTH]
    float* parts;           // [2, TILES, WARPS, ROWS, 8]: sums over some of the columns
    float* sums;            // [2, WARPS]
    Float* zeros;           // [8]
    Float* staged;          // [ROWS, columns], and what attention needs

    __device__ __forceinline__ Room(uint4* shared) {
        ring = (unsigned char*)shared;
        phases = (Phase*)(ring + DEPTH * STAGE), coming = phases + 3;
        full = (u64*)(coming + 2), empty = full + DEPTH;
        parts = (float*)(empty + DEPTH);
        sums = parts + 2 * TILES * WARPS * ROWS * 8;
        zeros = (Float*)(sums + 2 * WARPS), staged = zeros + 8;
    }

    // Sums of 32 inputs each, behind these: ``[ROWS, columns / 32]``.
    __device__ __forceinline__ float* of_groups(int pitch) const { return (float*)(staged + ROWS * pitch); }
};

__device__ __forceinline__ const Product& product_of(const Phase& phase) { return *(const Product*)phase.body; }

// A number, or two of half the size, and the step and the phase it belongs to.
__device__ __forceinline__ u64 said(u32 x, u32 tag) { return (u64)tag << 32 | x; }
__device__ __forceinline__ u64 said(float x, u32 tag) { return said(__float_as_uint(x), tag); }
__device__ __forceinline__ u32 tag_of(u64 x) { return u32(x >> 32); }
__device__ __forceinline__ float value_of(u64 x) { return __uint_as_float(u32(x)); }

// While another block has not written yet.
struct Patience {
    u32 looks = 0;
    __device__ __forceinline__ void wait() {
        if (++looks == 1u << 22) __trap();  // seconds: a fault must not hang
        idle();
    }
};

// Ask again until a number is there.
__device__ __forceinline__ float awaited(const u64* at, u64 x, u32 tag) {
    for (Patience patience; tag_of(x) != tag; x = peek(at)) patience.wait();
    return value_of(x);
}

// Eight rows of weights that a block multiplies, the `index`th of its own.
struct Tile {
    int part, row;
    __device__ __forceinline__ Tile(const Product& p, int first, int index) {
        part = p.is_gated ? index % 2 : 0, row = first + (p.is_gated ? index / 2 : index) * gridDim.x;
        if (!p.is_gated)
            for (; part < p.parts - 1 && row >= (p.heights[part] + 7) / 8; part++) row -= (p.heights[part] + 7) / 8;
        row *= 8;
    }
};

__device__ __forceinline__ int first_unit(const Product& p) {
    int first = blockIdx.x - p.rotated;
    return first < 0 ? first + gridDim.x : first;
}

__device__ __forceinline__ int tiles_of(const Product& p, int first) {
    return (p.units - first + (int)gridDim.x - 1) / (int)gridDim.x << p.is_gated;
}

// All threads that compute.
__device__ __forceinline__ void meet() { named_barrier(1, THREADS); }

// A place in the ring; `turn`: whether it is used for an even or odd time.
struct Place {
    int stage;
    u32 turn;
    __device__ __forceinline__ void next() {
        if (++stage == DEPTH) stage = 0, turn ^= 1;
    }
};

// Rows of so many bytes, the last of them again where there are no more.
__device__ __forceinline__ void fetch_rows(unsigned char* to, int pitch, const unsigned char* from, long long step, int rows, int bytes, u64* full) {
    int lane = threadIdx.x % 32;
    if (lane == 0) expect(full, 8 * bytes);
    __syncwarp();
    if (lane < 8) bulk(to + lane * pitch, from + min(lane, rows - 1) * step, bytes, full);
}

// Some columns of a tile.
__device__ __forceinline__ void fetch(const Product& p, const Tile& tile, int column, unsigned char* to, u64* full) {
    int columns = min(p.columns, p.width - column);
    const unsigned char* from = (const unsigned char*)p.weights[tile.part];
    if (BITS < 8 && p.format >= INT4) {
        const unsigned char* scales = (const unsigned char*)p.scales[tile.part];
        for (int i = threadIdx.x % 32; i < columns / 16; i += 32)  // two lanes for each group of 32 columns
            copy(to + SCALES + i * 16, scales + ((long long)(column / 32 + i / 2) * p.strides[tile.part] + tile.row + i % 2 * 4) * 4);
        fetch_rows(to, columns / 2, from + (long long)(tile.row / 8 * p.width + column) * 4, columns / 2, 8, columns / 2, full);
    } else {
        int size = p.format == INT8 ? 1 : 2;
        from += ((long long)tile.row * p.width + column) * size;
        fetch_rows(to, p.columns * size + PAD, from, (long long)p.width * size, p.heights[tile.part] - tile.row, columns * size, full);
    }
    if (SIGNALS > 1) signal_copied(full);
}

// One warp of a block: all weights of its tiles, in the order in which they will be multiplied.
__device__ __forceinline__ void fetch_all(const Step& step, Room& room) {
    int lane = threadIdx.x % 32;
    const uint4* records = (const uint4*)step.phases;
    Place place = {0, 1};
    uint4 record = records[lane % 16];
    for (int phase = 0; phase < step.count; phase++) {
        Phase& here = room.coming[phase % 2];
        if (lane < 16) ((uint4*)&here)[lane] = record;
        __syncwarp();
        if (phase + 1 < step.count) record = records[(phase + 1) * 16 + lane % 16];
        if (here.kind != PRODUCT) continue;
        const Product& p = product_of(here);
        if (p.gain)
            for (int i = lane * 64; i < p.width; i += 2048) prefetch(p.gain + i), prefetch((p.shift ? p.shift : p.gain) + i);
        int first = first_unit(p), tiles = tiles_of(p, first);
        for (int index = 0; index < tiles; index++) {
            Tile tile(p, first, index);
            for (int column = 0; column < p.width; column += p.columns) {
                await(room.empty + place.stage, place.turn);
                fetch(p, tile, column, room.ring + place.stage * STAGE, room.full + place.stage);
                place.next();
            }
        }
    }
}
