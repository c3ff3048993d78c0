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

#ifdef __CUDACC__
// One has arrived: who sees the number grow sees also what its block has written up to the last `__syncthreads`.
__device__ __forceinline__ void arrive(u64* at) { asm volatile("red.release.gpu.global.add.u64 [%0], 1;" ::"l"(at) : "memory"); }

// How many have arrived.
__device__ __forceinline__ u64 seen(const u64* at) {
    u64 number;
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(number) : "l"(at) : "memory");
    return number;
}

// The body of a loop that waits for another block.
__device__ __forceinline__ void idle() {}
#endif

// Until so many have arrived; what takes seconds is a fault, and must not hang.
__device__ __forceinline__ void wait_for(const u64* at, u64 goal) {
    for (u32 looks = 0; seen(at) < goal; idle())
        if (++looks == 1u << 22) __trap();
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
