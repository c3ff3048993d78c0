// What C++ has no words for: instructions of a device from Hopper on. (Where there is none, an emulator has the same names.)

#ifdef __CUDACC__
// Numbers that go from block to block while both run: past the first cache, eight bytes always whole.
__device__ __forceinline__ u64 peek(const u64* at) {
    u64 x;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(x) : "l"(at) : "memory");
    return x;
}
__device__ __forceinline__ void peek(const u64* at, u64& a, u64& b) {
    asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];" : "=l"(a), "=l"(b) : "l"(at) : "memory");
}
__device__ __forceinline__ void tell(u64* at, u64 x) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" :: "l"(at), "l"(x) : "memory");
}

// The body of a loop that waits for another block.
__device__ __forceinline__ void idle() {}

// For so many threads of a block.
__device__ __forceinline__ void named_barrier(int name, int threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(threads) : "memory");
}

__device__ __forceinline__ u32 shared_at(const void* at) { return u32(__cvta_generic_to_shared(at)); }

// A barrier in shared memory: so many signals, and all bytes that are expected, are one of its turns, even or odd.
__device__ __forceinline__ void ready(u64* at, int signals) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_at(at)), "r"(signals) : "memory");
}
__device__ __forceinline__ void signal(u64* at) {
    asm volatile("{ .reg .b64 state; mbarrier.arrive.shared.b64 state, [%0]; }" ::"r"(shared_at(at)) : "memory");
}
__device__ __forceinline__ bool is_over(u64* at, u32 turn) {
    u32 found;
    asm volatile("{ .reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
        : "=r"(found) : "r"(shared_at(at)), "r"(turn) : "memory");
    return found;
}
__device__ __forceinline__ void await(u64* at, u32 turn) {
    for (u32 looks = 0; !is_over(at, turn);)
        if (++looks == 1u << 26) __trap();  // seconds: a fault must not hang
}

// Copies into shared memory that go on beside the work: sixteen bytes, and a signal when all that a lane has begun are there.
__device__ __forceinline__ void copy(void* to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_at(to)), "l"(from) : "memory");
}
__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int GROUPS_LEFT> __device__ __forceinline__ void copied_but() {
    asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS_LEFT) : "memory");
}
__device__ __forceinline__ void signal_copied(u64* at) {
    asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(shared_at(at)) : "memory");
}
__device__ __forceinline__ void prefetch(const void* at) { asm volatile("prefetch.global.L2 [%0];" ::"l"(at)); }

// Many bytes at once.
__device__ __forceinline__ void expect(u64* at, int bytes) {
    asm volatile("{ .reg .b64 state; mbarrier.arrive.expect_tx.shared.b64 state, [%0], %1; }" ::"r"(shared_at(at)), "r"(bytes) : "memory");
}
__device__ __forceinline__ void bulk(void* to, const void* from, int bytes, u64* at) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
        ::"r"(shared_at(to)), "l"(from), "r"(bytes), "r"(shared_at(at)) : "memory");
}
__device__ __forceinline__ void all_ready() { asm volatile("fence.proxy.async;" ::: "memory"); }

// A product of 16 by 16 and 16 by 8 numbers is added to ``to``. A lane has, of the rows lane / 4 and lane / 4 + 8 of the
// first, ``a.x`` and ``a.y`` of the first half of the columns, ``a.z`` and ``a.w`` of the second; of the column lane / 4
// of the second ``b`` and ``later``; of the result two columns of each row.
__device__ __forceinline__ void multiply(float* to, uint4 a, u32 b, u32 later) {
#if FLOAT == 2
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
        : "+f"(to[0]), "+f"(to[1]), "+f"(to[2]), "+f"(to[3]) : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b), "r"(later));
}

// Two numbers of half the size.
__device__ __forceinline__ u32 two(float a, float b) {
    u32 both;
#if FLOAT == 2
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(b), "f"(a));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(b), "f"(a));
#endif
    return both;
}

// The bits of a mask, and others, at once: only one of the two may be a part of the instruction.
__device__ __forceinline__ u32 spliced(u32 x, u32 mask, u32 others) {
    u32 both;
    asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(both) : "r"(x), "r"(mask), "r"(others));
    return both;
}

// Two bfloat16 each.
__device__ __forceinline__ u32 added_twos(u32 a, u32 b) {
    u32 sum;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(0x3f803f80u), "r"(b));
    return sum;
}
#endif
