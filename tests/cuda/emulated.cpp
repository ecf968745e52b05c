// The launches of cuda_kernels.cu, with the same kernels and the same block shapes, on the emulator.
#include "emulator.h"

#include "cuda_launch.h"
#include "cuda_shapes.h"

namespace {

template <class Kernel>
void run(pkm::Shape shape, Kernel kernel) {
  emulator::launch(shape.blocks_x, shape.blocks_y, shape.threads_x, shape.threads_y, kernel);
}

template <class T>
void bag(const void* values, const int64_t* slots, const int32_t* row_of_slot, const float* weights, void* out,
         int64_t batch, int bag, int d, int64_t n_slots) {
  run(pkm::bag_shape<T>(batch, d), [=] {
    pkm::bag_kernel<T>(static_cast<const T*>(values), slots, row_of_slot, weights, static_cast<T*>(out), batch, bag, d,
                       n_slots);
  });
}

template <class T, bool kNeedWeights>
void backward(const void* values, const void* grad, const float* weights, const int64_t* rows, const int* starts,
              const int* positions, void* grad_rows, float* grad_weights, int64_t segments, int bag, int d) {
  run(pkm::backward_shape(segments), [=] {
    pkm::backward_kernel<T, kNeedWeights>(static_cast<const T*>(values), static_cast<const T*>(grad), weights, rows,
                                          starts, positions, static_cast<T*>(grad_rows), grad_weights, segments, bag,
                                          d);
  });
}

}  // namespace

extern "C" {

void emulate(int in_reverse, int with_barriers) {
  emulator::runs_in_reverse = in_reverse;
  emulator::has_barriers = with_barriers;
}

void emulated_select(const float* scores, float* weights, int64_t* slots, int64_t batch, int heads, int n_keys,
                     int top_k, int softmax) {
  const pkm::Staircase pairs;
  run(pkm::select_shape(batch, heads), [=] {
    pkm::select_kernel(scores, weights, slots, batch, heads, n_keys, top_k, pkm::staircase_size(top_k), softmax, pairs);
  });
}

// type: 0 float32, 1 bfloat16, 2 float16, as pkm::Stored.
void emulated_bag(int type, const void* values, const int64_t* slots, const int32_t* row_of_slot, const float* weights,
                  void* out, int64_t batch, int size, int d, int64_t n_slots) {
  const auto kernel = type == 0 ? bag<float> : type == 1 ? bag<pkm::bf16> : bag<pkm::fp16>;
  kernel(values, slots, row_of_slot, weights, out, batch, size, d, n_slots);
}

void emulated_backward(int type, const void* values, const void* grad, const float* weights, const int64_t* rows,
                       const int* starts, const int* positions, void* grad_rows, float* grad_weights,
                       int64_t segments, int size, int d) {
  const auto with = type == 0 ? backward<float, true> : type == 1 ? backward<pkm::bf16, true> : backward<pkm::fp16, true>;
  const auto without =
      type == 0 ? backward<float, false> : type == 1 ? backward<pkm::bf16, false> : backward<pkm::fp16, false>;
  (grad_weights ? with : without)(values, grad, weights, rows, starts, positions, grad_rows, grad_weights, segments,
                                  size, d);
}

void emulated_group(const int64_t* slots, const int32_t* row_of_slot, int count, int64_t n_slots, int64_t* rows,
                    int* starts, int* positions, int* counts) {
  const int size = pkm::group_size(count);
  run(pkm::group_shape(size), [=] {
    pkm::group_kernel(slots, row_of_slot, count, size, n_slots, rows, starts, positions, counts);
  });
}
}
