// Runs a CUDA kernel on the CPU, its threads as fibers that meet at barriers. The blocks run one after the other; but one
// whose threads all wait for another block is left where it is, and gone on with when the others have had their turn.
//
// With a seed, all that the device leaves open is drawn: the order of blocks, warps and lanes between two meetings, when
// copies are made, and when other blocks see what one has told them.
#include <link.h>
#include <setjmp.h>
#include <ucontext.h>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __launch_bounds__(...)
#define __device__
#define __forceinline__ inline
#define __noinline__
#define __shared__ static thread_local  // so that the linker puts them together: see `of_block`
using std::max;
using std::min;
struct uint4 { unsigned x, y, z, w; };
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
struct dim { int x, y, z; };
static dim threadIdx, blockIdx, blockDim, gridDim;
static uint4* emulated_shared;

namespace emulated {
const int STACK = 1 << 16, PATIENCE = 10000, MARGIN = 4096;  // bytes behind shared memory
const size_t AT_ONCE[] = {0, 1, 1000};  // copies that are made in a turn, numbers that are seen
struct Barrier;
struct Copy { void* to; const void* from; int bytes; Barrier* at; int thread, group; };
struct Told { unsigned long long *at, x; };
struct Fiber { jmp_buf at; std::unique_ptr<char[]> stack; bool over; };
struct Meeting { int arrived, turn; };
struct Block {
    dim place;
    std::vector<Fiber> fibers;
    std::vector<uint4> dynamic;
    std::vector<char> own;  // its __shared__ variables while another block runs
    std::deque<Copy> copies;  // that are under way
    std::deque<Told> told;  // that others do not see yet
    int groups[1024];  // of copies that each thread has begun
    size_t order;  // in which copies are made and numbers seen: the oldest first, any, the newest first
    Meeting all, named, warps[32];
    int living, lives[32];
    char slots[1024][16];
    unsigned operands[1024][6];
};
static jmp_buf scheduler;
static ucontext_t beginning, birth;
static Block* block;
static int current;
static bool has_moved;
static const char* failure;
static unsigned long long seed;

static size_t drawn(size_t below) {
    if (!seed) return 0;
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % below;
}

static void pass() {  // swapcontext would ask the system each time
    if (!_setjmp(block->fibers[current].at)) _longjmp(scheduler, 1);
}
static void meet(Meeting& m, int& members) {
    int turn = m.turn;
    m.arrived++;
    while (m.turn == turn) {
        if (m.arrived >= members) { m.arrived = 0; m.turn++; has_moved = true; break; }
        pass();
    }
}
}  // namespace emulated

static void idle() { emulated::pass(); }  // the body of a loop that waits for another block
static void __syncthreads() { emulated::meet(emulated::block->all, emulated::block->living); }
static void __syncwarp() {
    int warp = emulated::current / 32;
    emulated::meet(emulated::block->warps[warp], emulated::block->lives[warp]);
}
template <class T> static T from_other(T x, int lane) {
    int current = emulated::current;
    memcpy(emulated::block->slots[current], &x, sizeof(T));
    __syncwarp();
    T y;
    memcpy(&y, emulated::block->slots[current / 32 * 32 + lane % 32], sizeof(T));
    __syncwarp();
    return y;
}
template <class T> static T __shfl_sync(unsigned, T x, int lane) { return from_other(x, lane); }
template <class T> static T __shfl_xor_sync(unsigned, T x, int mask) { return from_other(x, threadIdx.x ^ mask); }
template <class T> static T __shfl_up_sync(unsigned, T x, int by) {
    int lane = threadIdx.x % 32;
    return from_other(x, lane < by ? lane : lane - by);
}
template <class T> static T __shfl_down_sync(unsigned, T x, int by) {
    int lane = threadIdx.x % 32;
    return from_other(x, lane + by > 31 ? lane : lane + by);
}
static unsigned __ballot_sync(unsigned, bool x) {
    unsigned all = 0;
    for (int lane = 0; lane < 32; lane++) all |= unsigned(__shfl_sync(0, x, lane)) << lane;
    return all;
}
static void __threadfence() {}
static void __trap() { emulated::failure = "the kernel has trapped"; for (;;) emulated::pass(); }
template <class T> static T __ldcg(const T* at) { return *at; }
template <class T> static void __stcg(T* at, T x) { *at = x; }
template <class T> static T exchanged(T* at, T x) { T before = *at; *at = x; return before; }
template <class T> static T atomicAdd(T* at, T x) { return exchanged(at, T(*at + x)); }
template <class T> static T atomicMin(T* at, T x) { return exchanged(at, min(*at, x)); }
template <class T> static T atomicMax(T* at, T x) { return exchanged(at, max(*at, x)); }
template <class T> static T atomicExch(T* at, T x) { return exchanged(at, x); }
static unsigned long long peek(const unsigned long long* at) { return *(const volatile unsigned long long*)at; }
static void peek(const unsigned long long* at, unsigned long long& a, unsigned long long& b) { a = peek(at), b = peek(at + 1); }
static void tell(unsigned long long* at, unsigned long long x) {
    if (emulated::seed) emulated::block->told.push_back({at, x}); else *at = x;
}
// Copies are made late, so that who does not wait finds the old. A barrier: signals and bytes to come, and its turn.
namespace emulated {
struct Barrier { short missing, all; int bytes : 30; unsigned turn : 1; };
static_assert(sizeof(Barrier) == 8, "as on the device");
static void turned(Barrier& b) {
    if (!b.missing && !b.bytes) b.missing = b.all, b.turn ^= 1, has_moved = true;
}
static void copied(size_t i) {
    auto& copies = block->copies;
    if (copies[i].at && !copies[i].bytes)  // a signal, which comes behind the thread's own copies
        for (size_t before = i; before--;) if (!copies[before].at && copies[before].thread == copies[i].thread) i = before;
    Copy c = copies[i];
    copies.erase(copies.begin() + i);
    memcpy(c.to, c.from, c.bytes);
    if (!c.at) return;
    if (c.bytes) c.at->bytes -= c.bytes; else c.at->missing--;
    turned(*c.at);
}
static size_t next_of(size_t size) {
    return block->order == 0 ? 0 : block->order == 1 ? drawn(size) : size - 1;
}
static void copied() { copied(next_of(block->copies.size())); }
static void seen() {  // what was told to one place in the order in which it was told
    auto& told = block->told;
    size_t i = next_of(told.size());
    for (size_t before = i; before--;) if (told[before].at == told[i].at) i = before;
    *told[i].at = told[i].x;
    told.erase(told.begin() + i), has_moved = true;
}
static void begin(void* to, const void* from, int bytes, void* at) {
    block->copies.push_back({to, from, bytes, (Barrier*)at, current, block->groups[current]});
}
}  // namespace emulated

using emulated::Barrier;
static void ready(unsigned long long* at, int signals) { *(Barrier*)at = {(short)signals, (short)signals, 0, 0}; }
static void all_ready() {}
static void signal(unsigned long long* at) {
    ((Barrier*)at)->missing--;
    emulated::turned(*(Barrier*)at);
}
static void expect(unsigned long long* at, int bytes) {
    ((Barrier*)at)->bytes += bytes;
    signal(at);
}
static void signal_copied(unsigned long long* at) { emulated::begin(0, 0, 0, at); }
static void copy(void* to, const void* from) { emulated::begin(to, from, 16, 0); }
static void bulk(void* to, const void* from, int bytes, unsigned long long* at) { emulated::begin(to, from, bytes, at); }
static void prefetch(const void*) {}
static void commit() { emulated::block->groups[emulated::current]++; }
template <int LEFT> static void copied_but() {
    auto& copies = emulated::block->copies;
    int current = emulated::current, last = emulated::block->groups[current] - LEFT;
    for (size_t i = 0; i < copies.size();)
        if (copies[i].thread == current && !copies[i].at && copies[i].group < last) emulated::copied(i); else i++;
}
static void await(unsigned long long* at, unsigned turn) {
    while (((Barrier*)at)->turn == turn) {
        if (!emulated::block->copies.empty() && !emulated::seed) emulated::copied();
        emulated::pass();
    }
}
static void named_barrier(int, int threads) { emulated::meet(emulated::block->named, threads); }
static unsigned __byte_perm(unsigned a, unsigned b, unsigned order) {
    unsigned long long bytes = (unsigned long long)b << 32 | a;
    unsigned made = 0;
    for (int i = 0; i < 4; i++) made |= unsigned(bytes >> 8 * (order >> 4 * i & 7) & 255) << 8 * i;
    return made;
}
static float float_of(unsigned short bits) {  // of a float16
    int exponent = bits >> 10 & 31, rest = bits & 0x3ff;
    float size = exponent == 31 ? (rest ? NAN : INFINITY) : ldexpf(exponent ? rest | 0x400 : rest, max(exponent, 1) - 25);
    return bits >> 15 ? -size : size;
}
static unsigned short half(float x) {
    int exponent;
    frexpf(x, &exponent);
    int step = x == 0 ? -24 : max(exponent - 11, -24);  // the last bit is worth two to that
    unsigned bits = x != x ? 0x7e00 : fabsf(x) >= 65520 ? 0x7c00 : unsigned(nearbyintf(ldexpf(fabsf(x), -step))) + (step + 24 << 10);
    return bits | std::signbit(x) << 15;
}
static float half_of(unsigned word, int upper) {  // a bfloat16, or a float16
#if FLOAT == 2
    return float_of(upper ? word >> 16 : word);
#endif
    unsigned bits = upper ? word & 0xffff0000u : word << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static void multiply(float* to, uint4 a, unsigned b, unsigned later) {
    auto* warp = emulated::block->operands + emulated::current / 32 * 32;
    unsigned mine[6] = {a.x, a.y, a.z, a.w, b, later};
    memcpy(warp[emulated::current % 32], mine, sizeof(mine));
    __syncwarp();
    for (int n = 0; n < 4; n++)
        for (int i = 0; i < 4; i++)
            for (int part = 0; part < 4; part++) {
                int row = emulated::current % 32 / 4 * 4 + i, column = (emulated::current % 4 * 2 + n % 2) * 4 + i;
                to[n] += half_of(warp[row][part / 2 * 2 + n / 2], part % 2) * half_of(warp[column][4 + part / 2], part % 2);
            }
    __syncwarp();
}
static unsigned spliced(unsigned x, unsigned mask, unsigned others) { return x & mask | others; }
static unsigned two(float a, float b) {
#if FLOAT == 2
    return half(a) | unsigned(half(b)) << 16;
#endif
    auto rounded = [](float x) {
        unsigned bits;
        memcpy(&bits, &x, 4);
        return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    };
    return rounded(a) | rounded(b) << 16;
}
#define __expf expf
static unsigned added_twos(unsigned a, unsigned b) {
    float low = half_of(a, 0) + half_of(b, 0), high = half_of(a, 1) + half_of(b, 1);
    unsigned x, y;
    memcpy(&x, &low, 4), memcpy(&y, &high, 4);
    return x >> 16 | (y & 0xffff0000u);
}
static float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
static unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
static int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
static float rsqrtf(float x) { return 1 / sqrtf(x); }

namespace emulated {
static std::function<void()> body;
static void live() {
    if (!_setjmp(block->fibers[current].at)) swapcontext(&birth, &beginning);
    for (;;) {
        body();
        block->fibers[current].over = has_moved = true;
        block->living--, block->lives[current / 32]--;
        pass();
    }
}
struct Memory { char* at; size_t size; };
static Memory of_block() {  // where all __shared__ variables of this library lie
    static thread_local volatile char first;  // or there is no memory for them yet
    first = 0;
    Memory found = {0, 0};
    dl_iterate_phdr([](dl_phdr_info* library, size_t, void* found) {
        bool is_this = false;
        size_t size = 0;
        for (int i = 0; i < library->dlpi_phnum; i++) {
            auto& part = library->dlpi_phdr[i];
            is_this |= part.p_type == PT_LOAD && size_t(&scheduler) - library->dlpi_addr - part.p_vaddr < part.p_memsz;
            if (part.p_type == PT_TLS) size = part.p_memsz;
        }
        if (is_this) *(Memory*)found = {(char*)library->dlpi_tls_data, size};
        return int(is_this);
    }, &found);
    return found;
}
static void begin(Block& b, dim place, int threads, int bytes) {
    block = &b, b.place = place;
    for (current = (int)b.fibers.size(), b.fibers.resize(max(threads, current)); current < threads; current++) {
        b.fibers[current].stack.reset(new char[STACK]);
        getcontext(&birth);
        birth.uc_stack.ss_sp = b.fibers[current].stack.get(), birth.uc_stack.ss_size = STACK;
        makecontext(&birth, live, 0);
        swapcontext(&beginning, &birth);
    }
    b.dynamic.assign((bytes + MARGIN) / 16 + 1, {~0u, ~0u, ~0u, ~0u});
    b.own.assign(of_block().size, 0xff);
    b.all = b.named = {}, b.copies.clear(), b.told.clear(), b.order = drawn(3), b.living = threads;
    for (int w = 0; w < 32; w++) b.warps[w] = {}, b.lives[w] = max(0, min(32, threads - w * 32));
    for (int t = 0; t < threads; t++) b.fibers[t].over = false, b.groups[t] = 0;
}
static void turn(Block& b, unsigned late) {  // of all threads but those of some warps
    int threads = blockDim.x, step = 1, first = 0;
    if (seed) for (first = (int)drawn(threads), step = 0; std::__gcd(step, threads) != 1;) step = (int)drawn(threads) + 1;
    for (volatile int i = 0; i < threads && !failure; i++) {
        int t = (first + i * step) % threads;
        if (b.fibers[t].over || late >> t / 32 & 1) continue;
        current = t, threadIdx = {t, 0, 0};
        if (!_setjmp(scheduler)) _longjmp(b.fibers[t].at, 1);
    }
}
static bool go_on(Block& b) {  // until it is over, or all its threads wait for another block; whether any has moved
    block = &b, blockIdx = b.place, emulated_shared = b.dynamic.data();
    char* shared = of_block().at;
    memcpy(shared, b.own.data(), b.own.size());
    bool has_any = false;
    unsigned late = seed ? unsigned(drawn(1u << 31) & drawn(1ull << 32)) : 0;
    size_t turns = seed ? drawn(32) + 1 : 0, copies = b.order == 2 ? 1 : AT_ONCE[drawn(3)], told = AT_ONCE[drawn(3)];
    do {
        has_moved = false;
        turn(b, late);
        for (size_t n = seed ? min(b.copies.size(), copies) : 0; n--;) copied();
        for (size_t n = b.living ? min(b.told.size(), told) : b.told.size(); n--;) seen();
        has_any |= has_moved;
    } while (!failure && b.living && (seed ? --turns : has_moved));
    memcpy(b.own.data(), shared, b.own.size());
    return has_any;
}
static bool is_over(const Block& b, int bytes) {
    const char* behind = (const char*)b.dynamic.data() + bytes;
    if (!b.living && std::count(behind, behind + MARGIN, char(-1)) < MARGIN) failure = "it has written behind its shared memory";
    return !b.living;
}
static void run_all(const int* grid, int threads, int bytes, bool together, std::vector<std::unique_ptr<Block>>& blocks) {
    size_t waiting = 0;  // the first of the blocks
    for (int z = 0; z < grid[2]; z++) for (int y = 0; y < grid[1]; y++) for (int x = 0; x < grid[0]; x++) {
        if (waiting == blocks.size()) blocks.emplace_back(new Block);
        begin(*blocks[waiting], {x, y, z}, threads, bytes);
        if (!seed || !together) while (go_on(*blocks[waiting]) && seed && blocks[waiting]->living);
        waiting += !is_over(*blocks[waiting], bytes);
        if (failure) return;
    }
    for (int turn = 0; waiting && !failure; turn++) {
        if (turn == PATIENCE) failure = "its blocks wait for one another for ever";
        for (size_t i = waiting; i-- && !failure;) {
            if (seed) std::swap(blocks[i], blocks[drawn(waiting)]);
            if (go_on(*blocks[i])) turn = 0;
            if (is_over(*blocks[i], bytes)) std::swap(blocks[i], blocks[--waiting]);
        }
    }
}
static const char* run_blocks(const int* grid, int threads, int bytes, bool together, unsigned long long from, std::function<void()> kernel) {
    static std::vector<std::unique_ptr<Block>> blocks;
    body = kernel, failure = 0, seed = from;
    gridDim = {grid[0], grid[1], grid[2]}, blockDim = {threads, 1, 1};
    run_all(grid, threads, bytes, together, blocks);
    if (failure) blocks.clear();  // their threads are in the midst of it
    return failure;
}
}  // namespace emulated
