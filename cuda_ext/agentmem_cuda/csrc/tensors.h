// Checks and allocations shared by the bindings, against torch's stable ABI only.
#pragma once
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <cstdint>
#include <initializer_list>
#include <optional>

namespace pkm {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline Tensor empty_on(const Tensor& like, std::initializer_list<int64_t> sizes, ScalarType type) {
  return torch::stable::new_empty(like, torch::headeronly::IntHeaderOnlyArrayRef(sizes.begin(), sizes.size()), type);
}

// Rows are read sixteen bytes at a time on a GPU; a view that starts between is copied.
inline Tensor aligned(const Tensor& tensor) {
  Tensor whole = torch::stable::contiguous(tensor);
  if (reinterpret_cast<uintptr_t>(whole.data_ptr()) % 16 != 0) whole = torch::stable::clone(whole);
  return whole;
}

inline void check_type(const Tensor& tensor, ScalarType expected, const char* sentence) {
  STD_TORCH_CHECK(tensor.scalar_type() == expected, sentence);
}

inline void check_stored(const Tensor& tensor) {
  const ScalarType type = tensor.scalar_type();
  STD_TORCH_CHECK(type == ScalarType::Float || type == ScalarType::BFloat16 || type == ScalarType::Half,
                  "the native lookup takes float32, bfloat16 and float16; cast the tensor, or call "
                  "agentmem_cuda.use_native('off') before its first use");
}

// What pkm_bag and its backward need to be true, in one place.
inline void check_bag(const Tensor& values, const Tensor& slots, const Tensor& weights,
                      const std::optional<Tensor>& row_of_slot) {
  check_stored(values);
  STD_TORCH_CHECK(values.dim() == 2, "values must be (n_rows, d), and have ", values.dim(), " dimensions");
  STD_TORCH_CHECK(values.size(1) > 0 && values.size(1) % 8 == 0, "the width of the values must be a multiple of 8 and is ",
                  values.size(1));
  STD_TORCH_CHECK(values.size(0) < (int64_t{1} << 31), "a table holds less than 2^31 rows and this one has ",
                  values.size(0));
  STD_TORCH_CHECK(slots.dim() == 2 && weights.dim() == 2 && slots.size(0) == weights.size(0) &&
                      slots.size(1) == weights.size(1),
                  "slots and weights must both be (batch, bag)");
  STD_TORCH_CHECK(slots.size(0) * slots.size(1) < (int64_t{1} << 31), "batch * bag must stay below 2^31 and is ",
                  slots.size(0) * slots.size(1));
  check_type(slots, ScalarType::Long, "slots must be int64");
  check_type(weights, ScalarType::Float, "weights must be float32");
  if (row_of_slot) check_type(*row_of_slot, ScalarType::Int, "row_of_slot must be int32");
}

}  // namespace pkm
