// Registers the CUDA kernels under the ops that agentmem_cuda/ops.py defines. Needs no CUDA header, so g++ compiles it;
// the library loads on a torch without CUDA too, where the dispatcher then knows the kernels and never calls them.
#include <torch/csrc/stable/accelerator.h>

#include <tuple>

#include "cuda_launch.h"
#include "staircase.h"
#include "tensors.h"

// In libtorch_cuda, which a CPU torch does not have: weak, so that its absence does not keep the library from loading.
extern "C" __attribute__((weak)) AOTITorchError aoti_torch_get_current_cuda_stream(int32_t, void**);
extern "C" int agentmem_cuda_has_cuda() { return 1; }

namespace pkm {
namespace {

constexpr int64_t kGroupMost = 8192;  // as in cuda_kernels.cuh

void* stream_of(const Tensor& tensor) {
  STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream != nullptr, "this torch was built without CUDA");
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return stream;
}

void check_launch(const char* error) { STD_TORCH_CHECK(error == nullptr, "a kernel did not start: ", error); }

Stored stored(const Tensor& tensor) {
  const ScalarType type = tensor.scalar_type();
  return type == ScalarType::Float ? Stored::kFloat32 : type == ScalarType::BFloat16 ? Stored::kBfloat16 : Stored::kFloat16;
}

const int32_t* map_pointer(const std::optional<Tensor>& row_of_slot) {
  return row_of_slot ? static_cast<const int32_t*>(row_of_slot->data_ptr()) : nullptr;
}

std::tuple<Tensor, Tensor> select(const Tensor& scores, int64_t top_k, bool softmax) {
  check_type(scores, ScalarType::Float, "scores must be float32");
  STD_TORCH_CHECK(scores.dim() == 3 && scores.size(0) % 2 == 0, "scores must be (2 * heads, batch, n_keys)");
  const int64_t heads = scores.size(0) / 2, batch = scores.size(1), n_keys = scores.size(2);
  STD_TORCH_CHECK(top_k >= 1 && top_k <= kMaxTopK && top_k <= n_keys, "top_k must lie between 1 and ",
                  n_keys < kMaxTopK ? n_keys : kMaxTopK, " and is ", top_k);
  STD_TORCH_CHECK(n_keys <= 46340, "n_keys must be at most 46340, so that n_keys^2 slots fit 31 bits, and is ", n_keys);
  const torch::stable::accelerator::DeviceGuard guard(scores.get_device_index());
  const Tensor s = torch::stable::contiguous(scores);
  Tensor weights = empty_on(scores, {batch, heads, top_k}, ScalarType::Float);
  Tensor slots = empty_on(scores, {batch, heads, top_k}, ScalarType::Long);
  if (batch * heads > 0)
    check_launch(launch_select(static_cast<const float*>(s.data_ptr()), static_cast<float*>(weights.data_ptr()),
                               static_cast<int64_t*>(slots.data_ptr()), batch, heads, n_keys, top_k, softmax,
                               stream_of(scores)));
  return {weights, slots};
}

Tensor bag(const Tensor& values, const Tensor& slots, const Tensor& weights, std::optional<Tensor> row_of_slot) {
  check_bag(values, slots, weights, row_of_slot);
  const torch::stable::accelerator::DeviceGuard guard(values.get_device_index());
  const Tensor v = aligned(values), s = torch::stable::contiguous(slots), w = torch::stable::contiguous(weights);
  if (row_of_slot) row_of_slot = torch::stable::contiguous(*row_of_slot);
  Tensor out = empty_on(values, {s.size(0), v.size(1)}, values.scalar_type());
  if (s.size(0) > 0)
    check_launch(launch_bag(stored(v), v.data_ptr(), static_cast<const int64_t*>(s.data_ptr()),
                            map_pointer(row_of_slot), static_cast<const float*>(w.data_ptr()), out.data_ptr(),
                            s.size(0), s.size(1), v.size(1), row_of_slot ? row_of_slot->numel() : v.size(0),
                            stream_of(values)));
  return out;
}

// Both gradients from positions that are grouped by row; what is not needed comes back empty.
std::tuple<Tensor, Tensor> bag_segments(const Tensor& grad, const Tensor& values, const Tensor& weights,
                                        const Tensor& rows, const Tensor& starts, const Tensor& positions,
                                        bool need_values, bool need_weights) {
  check_stored(values);
  STD_TORCH_CHECK(grad.scalar_type() == values.scalar_type(), "grad must have the values' dtype");
  check_type(rows, ScalarType::Long, "rows must be int64");
  check_type(starts, ScalarType::Int, "starts must be int32");
  check_type(positions, ScalarType::Int, "positions must be int32");
  const torch::stable::accelerator::DeviceGuard guard(values.get_device_index());
  const Tensor v = aligned(values), g = aligned(grad), w = torch::stable::contiguous(weights);
  const int64_t segments = rows.size(0), d = v.size(1), bag = w.size(1);
  Tensor grad_rows = empty_on(values, {need_values ? segments : 0, d}, values.scalar_type());
  Tensor grad_weights = empty_on(weights, {need_weights ? w.size(0) : 0, need_weights ? bag : 0}, ScalarType::Float);
  if (need_weights) grad_weights = torch::stable::zero_(grad_weights);
  if (segments > 0 && (need_values || need_weights))
    check_launch(launch_backward(stored(v), v.data_ptr(), g.data_ptr(), static_cast<const float*>(w.data_ptr()),
                                 static_cast<const int64_t*>(rows.data_ptr()), static_cast<const int*>(starts.data_ptr()),
                                 static_cast<const int*>(positions.data_ptr()),
                                 need_values ? grad_rows.data_ptr() : nullptr,
                                 need_weights ? static_cast<float*>(grad_weights.data_ptr()) : nullptr, segments, bag, d,
                                 stream_of(values)));
  return {grad_rows, grad_weights};
}

// Rows, starts, positions and counts = {segments, kept} of a batch of at most kGroupMost positions.
std::tuple<Tensor, Tensor, Tensor, Tensor> group(const Tensor& slots, int64_t n_slots,
                                                 std::optional<Tensor> row_of_slot) {
  const int64_t count = slots.numel();
  STD_TORCH_CHECK(count <= kGroupMost, "one block groups at most ", kGroupMost, " positions and was given ", count);
  check_type(slots, ScalarType::Long, "slots must be int64");
  const torch::stable::accelerator::DeviceGuard guard(slots.get_device_index());
  const Tensor s = torch::stable::contiguous(slots);
  if (row_of_slot) row_of_slot = torch::stable::contiguous(*row_of_slot);
  Tensor rows = empty_on(slots, {count}, ScalarType::Long), starts = empty_on(slots, {count + 1}, ScalarType::Int);
  Tensor positions = empty_on(slots, {count}, ScalarType::Int), counts = empty_on(slots, {2}, ScalarType::Int);
  check_launch(launch_group(static_cast<const int64_t*>(s.data_ptr()), map_pointer(row_of_slot), count, n_slots,
                            static_cast<int64_t*>(rows.data_ptr()), static_cast<int*>(starts.data_ptr()),
                            static_cast<int*>(positions.data_ptr()), static_cast<int*>(counts.data_ptr()),
                            stream_of(slots)));
  return {rows, starts, positions, counts};
}

}  // namespace
}  // namespace pkm

STABLE_TORCH_LIBRARY_IMPL(agentmem_cuda, CUDA, m) {
  m.impl("pkm_select", TORCH_BOX(&pkm::select));
  m.impl("pkm_bag", TORCH_BOX(&pkm::bag));
  m.impl("pkm_bag_segments", TORCH_BOX(&pkm::bag_segments));
  m.impl("pkm_group", TORCH_BOX(&pkm::group));
}
