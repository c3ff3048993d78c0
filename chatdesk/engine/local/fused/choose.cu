// Sampling: a block for a row of logits. Nothing is sorted: tokens are ordered by how far their score lies below the
// highest, in steps of 1/131072, and within a step by their place. What top-k, top-p and min-p keep is the beginning of
// that order, and a token is drawn by the point in it up to which a random share of the kept mass lies.

#define BINS 2048       // of a pass; a coarse bin is 1/64 wide, a fine one 1/131072
#define FINE 131072.0
#define CHOOSERS 1024   // threads
#define COLUMNS 256
#define AT_ONCE 16

struct Choose {
    const float* logits;      // [rows, vocabulary]
    float* scores;            // [rows, vocabulary], written here
    unsigned char* seen;      // [rows, vocabulary], 1 for tokens that count as repeated
    const double* numbers;    // [rows, COLUMNS], in [0, 1)
    const float* settings;    // temperature (0: the best), top-k, top-p, min-p, penalty
    long long* inputs;        // of the next step: the ids, behind them the position
    int* results;             // [rows, 3]: id, log-probability of the model, and after the filters (as float)
    int vocabulary, column, next_place;
};

struct Bins {
    u32 low[BINS], high[BINS];  // the mass of a coarse bin, over that of its upper end, times 2^28
    u32 count[BINS], fine[BINS];
    double parts[32], answer;
    int bin;
};

// What lies before the two bins of a thread; `total`: in all of them. Neighbours agree to the last bit.
__device__ __noinline__ double before_mine(Bins& s, double mine, double& total) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    double up_to = mine;
#pragma unroll
    for (int i = 1; i < 32; i <<= 1) {
        double other = __shfl_up_sync(0xffffffffu, up_to, i);
        if (lane >= i) up_to += other;
    }
    double before = __shfl_up_sync(0xffffffffu, up_to, 1);
    if (lane == 0) before = 0;
    __syncthreads();
    if (lane == 31) s.parts[warp] = up_to;
    __syncthreads();
    double base = 0;
    total = 0;
    for (int i = 0; i < CHOOSERS / 32; i++) {
        if (i == warp) base = total;
        total += s.parts[i];
    }
    return base + before;
}

// The bin that holds a point of the joined bins, of which a thread has two; `before`: what lies before it.
__device__ __noinline__ int bin_at(Bins& s, double a, double b, double point, double& before) {
    double total, first = before_mine(s, a + b, total), next = first + (a + b);
    if (point >= total) point = total * (1 - 1e-15);
    if (threadIdx.x == 0) s.bin = 0, s.answer = 0;
    __syncthreads();
    if (point >= first && point < next) {
        bool is_second = b > 0 && point >= first + a;
        s.bin = 2 * threadIdx.x + is_second, s.answer = is_second ? first + a : first;
    }
    __syncthreads();
    before = s.answer;
    return s.bin;
}

__device__ double before_bin(Bins& s, double a, double b, int bin) {
    double total, first = before_mine(s, a + b, total);
    if (threadIdx.x == bin / 2) s.answer = bin % 2 ? first + a : first;
    __syncthreads();
    return s.answer;
}

struct Order {
    const float* scores;
    int vocabulary;
    float best;
    // Steps below the best; BINS * BINS where the token is too far to ever be drawn.
    __device__ __forceinline__ u32 steps(float score) const {
        float below = (best - score) * float(FINE);
        return below < float(BINS) * BINS ? u32(below) : BINS * BINS;
    }
    // For each token of this thread, in order; several are read at once, or each would be waited for.
    template <class Do> __device__ __forceinline__ void each(Do take) const {
        for (int first = threadIdx.x; first < vocabulary; first += AT_ONCE * CHOOSERS) {
            float read[AT_ONCE];
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++) read[j] = first + j * CHOOSERS < vocabulary ? scores[first + j * CHOOSERS] : 0.f;
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++)
                if (first + j * CHOOSERS < vocabulary) take(first + j * CHOOSERS, steps(read[j]));
        }
    }
};

struct Place {
    int coarse, fine, count;  // tokens in the fine bin
    double before, weight;    // mass before it, and of each of its tokens
};

__device__ double coarse_mass(const Bins& s, int bin) {
    return exp(-bin / 64.0) * (s.high[bin] * 16.0 + s.low[bin] / 268435456.0);
}

enum { AT_MASS, AT_COUNT, AT_STEPS };

// The place up to which so much mass lies, or so many tokens, or those so many steps below the best.
__device__ __noinline__ Place place_of(Bins& s, const Order& order, int what, double value) {
    int one = 2 * threadIdx.x, two = one + 1;
    double a = coarse_mass(s, one), b = coarse_mass(s, two), counted = 0, inner;
    Place place;
    if (what == AT_MASS) place.coarse = bin_at(s, a, b, value, place.before);
    if (what == AT_COUNT) place.coarse = bin_at(s, s.count[one], s.count[two], value, counted);
    if (what == AT_STEPS) place.coarse = min(BINS - 1, int(value) / BINS);
    if (what != AT_MASS) place.before = before_bin(s, a, b, place.coarse);
    s.fine[one] = s.fine[two] = 0;
    __syncthreads();
    order.each([&](int, u32 steps) {
        if (steps / BINS == u32(place.coarse)) atomicAdd(&s.fine[steps % BINS], 1u);
    });
    __syncthreads();
    double a_weight = exp(-(place.coarse * BINS + one) / FINE), b_weight = exp(-(place.coarse * BINS + two) / FINE);
    a = s.fine[one] * a_weight, b = s.fine[two] * b_weight;
    if (what == AT_MASS) place.fine = bin_at(s, a, b, value - place.before, inner);
    if (what == AT_COUNT) place.fine = bin_at(s, s.fine[one], s.fine[two], value - counted, inner);
    if (what == AT_STEPS) place.fine = int(value) >= BINS * BINS ? BINS - 1 : int(value) % BINS;
    if (what != AT_MASS) inner = before_bin(s, a, b, place.fine);
    place.before += inner;
    place.count = s.fine[place.fine];
    place.weight = exp(-(place.coarse * BINS + place.fine) / FINE);
    return place;
}

// How much of the mass the filters keep.
__device__ double kept_mass(Bins& s, const Order& order, float top_k, float top_p, float min_p) {
    double total;
    before_mine(s, coarse_mass(s, 2 * threadIdx.x) + coarse_mass(s, 2 * threadIdx.x + 1), total);
    double kept = total;
    if (top_k > 0 && top_k < order.vocabulary) {
        Place last = place_of(s, order, AT_COUNT, top_k - 0.5);
        kept = fmin(kept, last.before + last.count * last.weight);
    }
    if (top_p < 1) {
        double share = top_p * kept;
        Place last = place_of(s, order, AT_MASS, share);
        double kept_there = fmin(fmax(ceil((share - last.before) / last.weight), 1.0), double(last.count));
        kept = fmin(kept, last.before + kept_there * last.weight);
    }
    if (min_p > 0) {
        Place last = place_of(s, order, AT_STEPS, fmin(-log(double(min_p)) * FINE, double(BINS) * BINS));
        kept = fmin(kept, last.before + last.count * last.weight);
    }
    return kept;
}

// The token at a point of the order.
__device__ int drawn(Bins& s, const Order& order, double point) {
    Place place = place_of(s, order, AT_MASS, point);
    u32 wanted = place.coarse * BINS + place.fine;
    double left = fmin(floor(fmax(point - place.before, 0.0) / place.weight), place.count - 1.0), total;
    int mine = 0;
    order.each([&](int, u32 steps) { mine += steps == wanted; });
    double first = before_mine(s, mine, total);
    if (threadIdx.x == 0) s.bin = 0;
    __syncthreads();
    if (mine && left >= first && left < first + mine) {
        int over = int(left - first);
        order.each([&](int i, u32 steps) {
            if (steps == wanted && over-- == 0) s.bin = i;
        });
    }
    __syncthreads();
    return s.bin;
}

// Where nothing is filtered, the order is that of the vocabulary, as on the CPU.
__device__ int drawn_of_all(Bins& s, const Order& order, double number, double& total) {
    int each = (order.vocabulary + CHOOSERS - 1) / CHOOSERS, from = threadIdx.x * each;
    int to = min(from + each, order.vocabulary);
    double mine = 0;
    for (int i = from; i < to; i++) mine += expf(order.scores[i] - order.best);
    double first = before_mine(s, mine, total), point = fmin(number * total, total * (1 - 1e-15));
    if (threadIdx.x == 0) s.bin = 0;
    __syncthreads();
    if (point >= first && point < first + mine) {
        int i = from;
        for (; i < to - 1; i++) {
            first += expf(order.scores[i] - order.best);
            if (first > point) break;
        }
        s.bin = i;
    }
    __syncthreads();
    return s.bin;
}

extern "C" __global__ void __launch_bounds__(CHOOSERS) choose(Choose p) {
    __shared__ Bins s;
    int row = blockIdx.x, thread = threadIdx.x;
    long long start = (long long)row * p.vocabulary;
    const float* logits = p.logits + start;
    float* scores = p.scores + start;
    float temperature = p.settings[0], penalty = p.settings[4];
    bool is_best = temperature == 0.f;
    float factor = is_best ? 1.f : 1.f / temperature, highest = LEAST, best = LEAST;
    for (int first = thread; first < p.vocabulary; first += AT_ONCE * CHOOSERS) {
        float read[AT_ONCE];
        bool is_seen[AT_ONCE];
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            int i = min(first + j * CHOOSERS, p.vocabulary - 1);
            read[j] = logits[i], is_seen[j] = penalty != 1.f && p.seen[start + i];
        }
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            if (first + j * CHOOSERS >= p.vocabulary) continue;
            float x = read[j], score = is_seen[j] ? (x < 0.f ? x * penalty : x / penalty) : x;
            score *= factor;
            scores[first + j * CHOOSERS] = score;
            highest = fmaxf(highest, x), best = fmaxf(best, score);
        }
    }
    highest = block_reduced(highest, true), best = block_reduced(best, true);
    Order order = {scores, p.vocabulary, best};
    for (int i = thread; i < BINS; i += CHOOSERS) s.low[i] = s.high[i] = s.count[i] = 0;
    if (thread == 0) s.bin = p.vocabulary;
    __syncthreads();
    float sum = 0.f;
#pragma unroll 16
    for (int i = thread; i < p.vocabulary; i += CHOOSERS) sum += expf(logits[i] - highest);
    bool counts = p.settings[1] > 0.f;
    order.each([&](int i, u32 steps) {
        u32 bin = steps / BINS;
        if (is_best) {
            if (steps == 0 && scores[i] == best) atomicMin(&s.bin, i);
        } else if (bin < BINS) {
            u32 mass = u32(expf(-float(steps % BINS) / float(FINE)) * 268435456.f);
            if (atomicAdd(&s.low[bin], mass) + mass < mass) atomicAdd(&s.high[bin], 1u);
            if (counts) atomicAdd(&s.count[bin], 1u);
        }
    });
    sum = block_reduced(sum, false);
    __syncthreads();
    double kept = 1;
    int id = s.bin < p.vocabulary ? s.bin : 0;
    double number = p.numbers[row * COLUMNS + p.column];
    bool is_filtered = (p.settings[1] > 0.f && p.settings[1] < p.vocabulary) || p.settings[2] < 1.f || p.settings[3] > 0.f;
    if (!is_best && is_filtered) {
        kept = kept_mass(s, order, p.settings[1], p.settings[2], p.settings[3]);
        id = drawn(s, order, number * kept);
    } else if (!is_best) {
        id = drawn_of_all(s, order, number, kept);
    }
    if (thread) return;
    p.seen[start + id] = 1;
    p.inputs[row] = id;
    if (row == 0) p.inputs[gridDim.x] = p.next_place;
    p.results[3 * row] = id;
    p.results[3 * row + 1] = int(__float_as_uint(logits[id] - highest - logf(sum)));
    p.results[3 * row + 2] = int(__float_as_uint(is_best ? 0.f : scores[id] - best - float(log(kept))));
}
