// Runs a CUDA kernel on the CPU, its threads as fibers that meet at barriers. The blocks run one after the other; but one
// whose threads all wait for another block is left where it is, and gone on with when the others have had their turn.
#include <link.h>
#include <setjmp.h>
#include <ucontext.h>
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
const int STACK = 1 << 16, PATIENCE = 10000;
struct Barrier;
struct Copy { void* to; const void* from; int bytes; Barrier* at; };
struct Fiber { jmp_buf at; std::unique_ptr<char[]> stack; bool over; };
struct Meeting { int arrived, turn; };
struct Block {
    dim place;
    std::vector<Fiber> fibers;
    std::vector<uint4> dynamic;
    std::vector<char> own;  // its __shared__ variables while another block runs
    std::deque<Copy> copies;  // that are under way
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
[[noreturn]] static void __trap() { fputs("emulator: the kernel has trapped\n", stderr), abort(); }
template <class T> static T __ldcg(const T* at) { return *at; }
template <class T> static void __stcg(T* at, T x) { *at = x; }
template <class T> static T exchanged(T* at, T x) { T before = *at; *at = x; return before; }
template <class T> static T atomicAdd(T* at, T x) { return exchanged(at, T(*at + x)); }
template <class T> static T atomicMin(T* at, T x) { return exchanged(at, min(*at, x)); }
template <class T> static T atomicMax(T* at, T x) { return exchanged(at, max(*at, x)); }
template <class T> static T atomicExch(T* at, T x) { return exchanged(at, x); }
static unsigned long long peek(const unsigned long long* at) { return *(const volatile unsigned long long*)at; }
static void peek(const unsigned long long* at, unsigned long long& a, unsigned long long& b) { a = peek(at), b = peek(at + 1); }
static void tell(unsigned long long* at, unsigned long long x) { *at = x; }
// Copies are made late, so that who does not wait finds the old. A barrier: signals and bytes to come, and its turn.
namespace emulated {
struct Barrier { short missing, all; int bytes : 30; unsigned turn : 1; };
static_assert(sizeof(Barrier) == 8, "as on the device");
static void turned(Barrier& b) {
    if (!b.missing && !b.bytes) b.missing = b.all, b.turn ^= 1, has_moved = true;
}
static void copied() {  // the oldest
    Copy c = block->copies.front();
    block->copies.pop_front();
    memcpy(c.to, c.from, c.bytes);
    if (!c.at) return;
    if (c.bytes) c.at->bytes -= c.bytes; else c.at->missing--;
    turned(*c.at);
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
static void signal_copied(unsigned long long* at) { emulated::block->copies.push_back({0, 0, 0, (Barrier*)at}); }
static void copy(void* to, const void* from) { emulated::block->copies.push_back({to, from, 16, 0}); }
static void bulk(void* to, const void* from, int bytes, unsigned long long* at) { emulated::block->copies.push_back({to, from, bytes, (Barrier*)at}); }
static void prefetch(const void*) {}
static void commit() {}
template <int LEFT> static void copied_but() { while (!emulated::block->copies.empty()) emulated::copied(); }
static void await(unsigned long long* at, unsigned turn) {
    while (((Barrier*)at)->turn == turn) {
        if (!emulated::block->copies.empty()) emulated::copied();
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
static float half_of(unsigned word, int upper) {  // a bfloat16
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
    b.dynamic.assign(bytes / 16 + 1, {~0u, ~0u, ~0u, ~0u});
    b.own.assign(of_block().size, 0xff);
    b.all = b.named = {}, b.copies.clear(), b.living = threads;
    for (int w = 0; w < 32; w++) b.warps[w] = {}, b.lives[w] = max(0, min(32, threads - w * 32));
    for (int t = 0; t < threads; t++) b.fibers[t].over = false;
}
static void go_on(Block& b) {  // until it is over, or all its threads wait for another block
    block = &b, blockIdx = b.place, emulated_shared = b.dynamic.data();
    char* shared = of_block().at;
    memcpy(shared, b.own.data(), b.own.size());
    do {
        has_moved = false;
        for (volatile int t = 0; t < blockDim.x; t++) if (!b.fibers[t].over) {
            current = t, threadIdx = {t, 0, 0};
            if (!_setjmp(scheduler)) _longjmp(b.fibers[t].at, 1);
        }
    } while (has_moved && b.living);
    memcpy(b.own.data(), shared, b.own.size());
}
static void run_blocks(const int* grid, int threads, int bytes, std::function<void()> kernel) {
    static std::vector<std::unique_ptr<Block>> blocks;  // the first `waiting` of them are under way
    body = kernel;
    gridDim = {grid[0], grid[1], grid[2]}, blockDim = {threads, 1, 1};
    size_t waiting = 0;
    for (int z = 0; z < grid[2]; z++) for (int y = 0; y < grid[1]; y++) for (int x = 0; x < grid[0]; x++) {
        if (waiting == blocks.size()) blocks.emplace_back(new Block);
        begin(*blocks[waiting], {x, y, z}, threads, bytes);
        go_on(*blocks[waiting]);
        waiting += blocks[waiting]->living > 0;
    }
    for (int turn = 0; waiting; turn++) {
        if (turn == PATIENCE) fputs("emulator: blocks wait for one another for ever\n", stderr), abort();
        for (size_t i = waiting; i--;) {
            go_on(*blocks[i]);
            if (!blocks[i]->living) std::swap(blocks[i], blocks[--waiting]), turn = 0;
        }
    }
}
}  // namespace emulated
