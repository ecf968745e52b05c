// Registers the CPU kernels under the ops that agentmem_cuda/ops.py defines, and chooses the instruction level once.
#include <atomic>
#include <cstring>
#include <tuple>
#include <vector>

#include "cpu_levels.h"
#include "staircase.h"
#include "tensors.h"

namespace pkm {
namespace {

// ---- the instruction level ----------------------------------------------------------------------------------------

const Level* best_level() {
#ifdef PKM_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) return &kAvx512Bf16;
  if (avx512) return &kAvx512;
  if (avx2) return &kAvx2;
#endif
  return &kPortable;
}

// Best last; what the processor lacks cannot be chosen.
std::vector<const Level*> usable_levels() {
  std::vector<const Level*> levels = {&kPortable};
#ifdef PKM_X86
  for (const Level* level : {&kAvx2, &kAvx512, &kAvx512Bf16}) {
    if (levels.back() == best_level()) break;
    levels.push_back(level);
  }
#endif
  return levels;
}

std::atomic<const Level*> chosen_level{nullptr};

const Level& current_level() {
  const Level* level = chosen_level.load(std::memory_order_relaxed);
  if (level == nullptr) {
    level = best_level();
    chosen_level.store(level, std::memory_order_relaxed);
  }
  return *level;
}

const TypedKernels& kernels_for(ScalarType type) {
  const Level& level = current_level();
  if (type == ScalarType::BFloat16) return level.bfloat16;
  if (type == ScalarType::Half) return level.float16;
  return level.float32;
}

// ---- address ------------------------------------------------------------------------------------------------------

std::tuple<Tensor, Tensor> address(const Tensor& queries, const Tensor& keys, int64_t top_k, bool softmax) {
  check_stored(keys);
  STD_TORCH_CHECK(queries.scalar_type() == keys.scalar_type(), "queries and keys must have one dtype");
  STD_TORCH_CHECK(keys.dim() == 4 && keys.size(1) == 2, "keys must be (heads, 2, n_keys, d_key)");
  const int64_t heads = keys.size(0), n_keys = keys.size(2), d_key = keys.size(3);
  STD_TORCH_CHECK(queries.dim() == 3 && queries.size(1) == heads && queries.size(2) == 2 * d_key,
                  "queries must be (batch, heads, 2 * d_key)");
  STD_TORCH_CHECK(top_k >= 1 && top_k <= kMaxTopK && top_k <= n_keys, "top_k must lie between 1 and ",
                  n_keys < kMaxTopK ? n_keys : kMaxTopK, " and is ", top_k);
  STD_TORCH_CHECK(n_keys <= 46340, "n_keys must be at most 46340, so that n_keys^2 slots fit 31 bits, and is ", n_keys);
  const int64_t batch = queries.size(0);
  Tensor weights = empty_on(queries, {batch, heads, top_k}, ScalarType::Float);
  Tensor slots = empty_on(queries, {batch, heads, top_k}, ScalarType::Long);
  const Tensor q = torch::stable::contiguous(queries), k = torch::stable::contiguous(keys);
  const AddressTask task{q.data_ptr(),
                         k.data_ptr(),
                         static_cast<float*>(weights.data_ptr()),
                         static_cast<int64_t*>(slots.data_ptr()),
                         batch,
                         heads,
                         n_keys,
                         d_key,
                         top_k,
                         softmax};
  const auto kernel = kernels_for(keys.scalar_type()).address;
  torch::stable::parallel_for(0, heads * address_tiles(task), 1,
                              [&](int64_t first, int64_t last) { kernel(task, first, last); });
  return {weights, slots};
}

// ---- bag ----------------------------------------------------------------------------------------------------------

void check_slots(const Tensor& slots, int64_t n_slots) {
  const int64_t* slot = static_cast<const int64_t*>(slots.data_ptr());
  const int64_t count = slots.size(0) * slots.size(1);
  uint64_t highest = 0;  // a negative slot is a huge unsigned one
  for (int64_t i = 0; i < count; i++) highest = std::max(highest, static_cast<uint64_t>(slot[i]));
  STD_TORCH_CHECK(count == 0 || highest < static_cast<uint64_t>(n_slots), "slots must lie in [0, ", n_slots,
                  ") and one of them is ", static_cast<int64_t>(highest));
}

Tensor bag(const Tensor& values, const Tensor& slots, const Tensor& weights, std::optional<Tensor> row_of_slot) {
  check_bag(values, slots, weights, row_of_slot);
  const Tensor v = torch::stable::contiguous(values), s = torch::stable::contiguous(slots),
               w = torch::stable::contiguous(weights);
  if (row_of_slot) row_of_slot = torch::stable::contiguous(*row_of_slot);
  check_slots(s, row_of_slot ? row_of_slot->numel() : v.size(0));
  Tensor out = empty_on(values, {s.size(0), v.size(1)}, values.scalar_type());
  const BagTask task{v.data_ptr(),
                     static_cast<const int64_t*>(s.data_ptr()),
                     row_of_slot ? static_cast<const int32_t*>(row_of_slot->data_ptr()) : nullptr,
                     static_cast<const float*>(w.data_ptr()),
                     out.data_ptr(),
                     s.size(1),
                     v.size(1)};
  const auto kernel = kernels_for(values.scalar_type()).bag;
  torch::stable::parallel_for(0, s.size(0), 1, [&](int64_t first, int64_t last) { kernel(task, first, last); });
  return out;
}

// ---- backward -----------------------------------------------------------------------------------------------------

// All positions that read a row, as row << 32 | position.
std::vector<uint64_t> read_positions(const Tensor& slots, const std::optional<Tensor>& row_of_slot) {
  const int64_t* slot = static_cast<const int64_t*>(slots.data_ptr());
  const int32_t* row_of = row_of_slot ? static_cast<const int32_t*>(row_of_slot->data_ptr()) : nullptr;
  const int64_t count = slots.size(0) * slots.size(1);
  std::vector<uint64_t> positions(count);
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = row_of ? row_of[slot[i]] : slot[i];
    positions[kept] = static_cast<uint64_t>(row) << 32 | static_cast<uint32_t>(i);
    kept += row >= 0;
  }
  positions.resize(kept);
  return positions;
}

// Radix sort by row, stable, so that equal rows stay in the order of their positions and sums are reproducible.
void sort_by_row(std::vector<uint64_t>& positions) {
  constexpr int kBits = 11, kBuckets = 1 << kBits;
  uint64_t highest = 0;
  for (uint64_t p : positions) highest = std::max(highest, p >> 32);
  std::vector<uint64_t> sorted(positions.size());
  for (int shift = 32; highest != 0; shift += kBits, highest >>= kBits) {
    int64_t next[kBuckets + 1] = {};
    for (uint64_t p : positions) next[((p >> shift) & (kBuckets - 1)) + 1]++;
    for (int b = 0; b < kBuckets; b++) next[b + 1] += next[b];
    for (uint64_t p : positions) sorted[next[(p >> shift) & (kBuckets - 1)]++] = p;
    positions.swap(sorted);
  }
}

std::vector<int64_t> segment_starts(const std::vector<uint64_t>& positions) {
  std::vector<int64_t> starts;
  for (size_t i = 0; i < positions.size(); i++) {
    if (i == 0 || positions[i] >> 32 != positions[i - 1] >> 32) starts.push_back(static_cast<int64_t>(i));
  }
  starts.push_back(static_cast<int64_t>(positions.size()));
  return starts;
}

std::tuple<Tensor, Tensor, Tensor> bag_backward(const Tensor& grad, const Tensor& values, const Tensor& slots,
                                                const Tensor& weights, std::optional<Tensor> row_of_slot,
                                                bool need_values, bool need_weights) {
  check_bag(values, slots, weights, row_of_slot);
  const int64_t bag = slots.size(1), d = values.size(1);
  STD_TORCH_CHECK(grad.dim() == 2 && grad.size(0) == slots.size(0) && grad.size(1) == d &&
                      grad.scalar_type() == values.scalar_type(),
                  "grad must be (batch, d) of the values' dtype");
  const Tensor g = torch::stable::contiguous(grad), v = torch::stable::contiguous(values),
               s = torch::stable::contiguous(slots), w = torch::stable::contiguous(weights);
  if (row_of_slot) row_of_slot = torch::stable::contiguous(*row_of_slot);
  check_slots(s, row_of_slot ? row_of_slot->numel() : v.size(0));

  std::vector<uint64_t> positions = read_positions(s, row_of_slot);
  std::vector<int64_t> starts = {0};
  if (need_values) {
    sort_by_row(positions);
    starts = segment_starts(positions);
  }
  const int64_t segments = static_cast<int64_t>(starts.size()) - 1;
  Tensor rows = empty_on(slots, {segments}, ScalarType::Long);
  Tensor grad_rows = empty_on(values, {segments, d}, values.scalar_type());
  Tensor grad_weights = empty_on(weights, {need_weights ? s.size(0) : 0, need_weights ? bag : 0}, ScalarType::Float);
  if (need_weights) std::memset(grad_weights.data_ptr(), 0, grad_weights.numel() * sizeof(float));
  for (int64_t u = 0; u < segments; u++)
    static_cast<int64_t*>(rows.data_ptr())[u] = static_cast<int64_t>(positions[starts[u]] >> 32);

  const BackwardTask task{v.data_ptr(),
                          g.data_ptr(),
                          static_cast<const float*>(w.data_ptr()),
                          positions.data(),
                          starts.data(),
                          grad_rows.data_ptr(),
                          need_weights ? static_cast<float*>(grad_weights.data_ptr()) : nullptr,
                          bag,
                          d};
  const TypedKernels& kernels = kernels_for(values.scalar_type());
  const int64_t units = need_values ? segments : need_weights ? static_cast<int64_t>(positions.size()) : 0;
  const auto kernel = need_values ? kernels.backward : kernels.weight_backward;
  torch::stable::parallel_for(0, units, 16, [&](int64_t first, int64_t last) { kernel(task, first, last); });
  return {rows, grad_rows, grad_weights};
}

}  // namespace
}  // namespace pkm

// For `status` and for tests: the level in use, and the choice of another that the processor has.
extern "C" const char* agentmem_cuda_cpu_level() { return pkm::current_level().name; }

extern "C" int agentmem_cuda_choose_cpu_level(const char* name) {
  for (const pkm::Level* level : pkm::usable_levels()) {
    if (std::strcmp(level->name, name) == 0) {
      pkm::chosen_level.store(level);
      return 1;
    }
  }
  return 0;
}

STABLE_TORCH_LIBRARY_IMPL(agentmem_cuda, CPU, m) {
  m.impl("pkm_address", TORCH_BOX(&pkm::address));
  m.impl("pkm_bag", TORCH_BOX(&pkm::bag));
  m.impl("pkm_bag_backward", TORCH_BOX(&pkm::bag_backward));
}
