// Launches the CUDA kernels. Compiled by nvcc without torch, which takes seconds instead of minutes.
#include "cuda_launch.h"
#include "cuda_shapes.h"

namespace pkm {
namespace {

dim3 blocks(Shape shape) { return dim3(static_cast<unsigned>(shape.blocks_x), static_cast<unsigned>(shape.blocks_y)); }
dim3 threads(Shape shape) { return dim3(static_cast<unsigned>(shape.threads_x), static_cast<unsigned>(shape.threads_y)); }

const char* outcome() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

template <class T>
void bag(const void* values, const int64_t* slots, const int32_t* row_of_slot, const float* weights, void* out,
         int64_t batch, int64_t bag, int64_t d, int64_t n_slots, cudaStream_t stream) {
  const Shape shape = bag_shape<T>(batch, d);
  bag_kernel<T><<<blocks(shape), threads(shape), 0, stream>>>(
      static_cast<const T*>(values), slots, row_of_slot, weights, static_cast<T*>(out), batch, static_cast<int>(bag),
      static_cast<int>(d), n_slots);
}

template <class T, bool kNeedWeights>
void backward(const void* values, const void* grad, const float* weights, const int64_t* rows, const int* starts,
              const int* positions, void* grad_rows, float* grad_weights, int64_t segments, int64_t bag, int64_t d,
              cudaStream_t stream) {
  const Shape shape = backward_shape(segments);
  backward_kernel<T, kNeedWeights><<<blocks(shape), threads(shape), 0, stream>>>(
      static_cast<const T*>(values), static_cast<const T*>(grad), weights, rows, starts, positions,
      static_cast<T*>(grad_rows), grad_weights, segments, static_cast<int>(bag), static_cast<int>(d));
}

}  // namespace

const char* launch_select(const float* scores, float* weights, int64_t* slots, int64_t batch, int64_t heads,
                          int64_t n_keys, int64_t top_k, bool softmax, void* stream) {
  const Shape shape = select_shape(batch, heads);
  static constexpr Staircase pairs;
  select_kernel<<<blocks(shape), threads(shape), 0, static_cast<cudaStream_t>(stream)>>>(
      scores, weights, slots, batch, static_cast<int>(heads), static_cast<int>(n_keys), static_cast<int>(top_k),
      staircase_size(static_cast<int>(top_k)), softmax, pairs);
  return outcome();
}

const char* launch_bag(Stored type, const void* values, const int64_t* slots, const int32_t* row_of_slot,
                       const float* weights, void* out, int64_t batch, int64_t size, int64_t d, int64_t n_slots,
                       void* stream) {
  const auto run = type == Stored::kFloat32 ? bag<float> : type == Stored::kBfloat16 ? bag<bf16> : bag<fp16>;
  run(values, slots, row_of_slot, weights, out, batch, size, d, n_slots, static_cast<cudaStream_t>(stream));
  return outcome();
}

const char* launch_backward(Stored type, const void* values, const void* grad, const float* weights,
                            const int64_t* rows, const int* starts, const int* positions, void* grad_rows,
                            float* grad_weights, int64_t segments, int64_t bag, int64_t d, void* stream) {
  const bool need_weights = grad_weights != nullptr;
  const auto run = type == Stored::kFloat32    ? (need_weights ? backward<float, true> : backward<float, false>)
                   : type == Stored::kBfloat16 ? (need_weights ? backward<bf16, true> : backward<bf16, false>)
                                               : (need_weights ? backward<fp16, true> : backward<fp16, false>);
  run(values, grad, weights, rows, starts, positions, grad_rows, grad_weights, segments, bag, d,
      static_cast<cudaStream_t>(stream));
  return outcome();
}

const char* launch_group(const int64_t* slots, const int32_t* row_of_slot, int64_t count, int64_t n_slots,
                         int64_t* rows, int* starts, int* positions, int* counts, void* stream) {
  const int size = group_size(count), bytes = size * static_cast<int>(sizeof(uint64_t));
  const Shape shape = group_shape(size);
  // Above 48 KiB shared memory must be asked for.
  cudaFuncSetAttribute(group_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  group_kernel<<<blocks(shape), threads(shape), bytes, static_cast<cudaStream_t>(stream)>>>(
      slots, row_of_slot, static_cast<int>(count), size, n_slots, rows, starts, positions, counts);
  return outcome();
}

}  // namespace pkm
