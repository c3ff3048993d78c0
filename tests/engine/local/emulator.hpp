// Runs a CUDA kernel's blocks one after the other on the CPU, its threads as fibers that meet at barriers.
#include <setjmp.h>
#include <ucontext.h>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __launch_bounds__(threads)
#define __device__
#define __forceinline__ inline
#define __noinline__
#define __shared__ static
using std::min;
struct uint4 { unsigned x, y, z, w; };
struct dim { int x, y, z; };
static dim threadIdx, blockIdx, blockDim, gridDim;
static uint4* emulated_shared;

struct Fiber { jmp_buf at; std::vector<char> stack; bool over; };
struct Meeting { int arrived, turn; };
static jmp_buf scheduler;
static ucontext_t beginning, birth;
static std::vector<Fiber> fibers;
static Meeting all, warps[32];
static int current, living, lives[32];
static double slots[1024];

static void pass() {  // swapcontext would ask the system each time
    if (!_setjmp(fibers[current].at)) _longjmp(scheduler, 1);
}
static void meet(Meeting& m, int& members) {
    int turn = m.turn;
    m.arrived++;
    while (m.turn == turn) {
        if (m.arrived >= members) { m.arrived = 0; m.turn++; break; }
        pass();
    }
}
static void __syncthreads() { meet(all, living); }
static void __syncwarp() { meet(warps[current / 32], lives[current / 32]); }
template <class T> static T from_other(T x, int other) {
    slots[current] = x;
    __syncwarp();
    T y = (T)slots[other];
    __syncwarp();
    return y;
}
static float __shfl_xor_sync(unsigned, float x, int mask) { return from_other(x, current ^ mask); }
static double __shfl_up_sync(unsigned, double x, int by) { return from_other(x, current % 32 < by ? current : current - by); }
static void __threadfence() {}
template <class T> static T atomicAdd(T* at, T x) { T before = *at; *at += x; return before; }
static void atomicMin(int* at, int x) { *at = min(*at, x); }
static float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
static unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
static float rsqrtf(float x) { return 1 / sqrtf(x); }

static std::function<void()> body;
static void live() {
    if (!_setjmp(fibers[current].at)) swapcontext(&birth, &beginning);
    for (;;) {
        body();
        fibers[current].over = true;
        living--, lives[current / 32]--;
        pass();
    }
}
static void make_fibers(int threads) {
    for (current = (int)fibers.size(), fibers.resize(threads > current ? threads : current); current < threads; current++) {
        fibers[current].stack.resize(1 << 16);
        getcontext(&birth);
        birth.uc_stack.ss_sp = fibers[current].stack.data(), birth.uc_stack.ss_size = 1 << 16;
        makecontext(&birth, live, 0);
        swapcontext(&beginning, &birth);
    }
}
static void run_blocks(const int* grid, int threads, int bytes, std::function<void()> kernel) {
    body = kernel;
    gridDim = {grid[0], grid[1], grid[2]}, blockDim = {threads, 1, 1};
    std::vector<uint4> memory(bytes / 16 + 1);
    emulated_shared = memory.data();
    make_fibers(threads);
    for (int z = 0; z < grid[2]; z++) for (int y = 0; y < grid[1]; y++) for (int x = 0; x < grid[0]; x++) {
        memset((void*)memory.data(), 0xff, bytes);
        blockIdx = {x, y, z};
        all = {}, living = threads;
        for (int w = 0; w < 32; w++) warps[w] = {}, lives[w] = w * 32 < threads ? 32 : 0;
        for (int t = 0; t < threads; t++) fibers[t].over = false;
        while (living) for (volatile int t = 0; t < threads; t++) if (!fibers[t].over) {
            current = t, threadIdx = {t, 0, 0};
            if (!_setjmp(scheduler)) _longjmp(fibers[t].at, 1);
        }
    }
}
