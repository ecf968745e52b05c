// Runs CUDA kernels on the CPU, one block at a time, each thread a fiber: enough for the kernels of this project.
//
// Threads run until they wait: for their block at __syncthreads, for their warp at a shuffle or a ballot. They are
// started in forward or in reverse order, and a result that depends on it betrays a missing barrier. Shared memory is
// filled with NaN before each block, so that reading what nobody wrote shows.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("emulated_shared")))
#define PKM_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emulator::dynamic_shared)

struct uint4 {
  uint32_t x, y, z, w;
};

struct Index {
  unsigned x = 0, y = 0, z = 0;
};
static Index threadIdx, blockIdx, blockDim;

// The linker names the ends of a section.
extern "C" char __start_emulated_shared[], __stop_emulated_shared[];

namespace emulator {

static bool runs_in_reverse = false;
static bool has_barriers = true;
alignas(64) static char dynamic_shared[1 << 17];

struct Thread {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[1 << 16]};
  bool is_done = true;
  Index index;
};

// Those who meet at a barrier or a collective: `arrived` of `present` have come to meeting number `meeting`.
struct Group {
  int present = 0, arrived = 0;
  unsigned meeting = 0;
  uint64_t slots[2][32];
};

static std::vector<Thread> threads;
static std::vector<Group> warps;
static Group block;
static ucontext_t scheduler;
static std::size_t current;
static std::function<void()> body;

inline void pause() { swapcontext(&threads[current].context, &scheduler); }

inline void wait_for(Group& group) {
  const unsigned meeting = group.meeting;
  if (++group.arrived == group.present) {
    group.arrived = 0;
    group.meeting++;
    return;
  }
  while (group.meeting == meeting) pause();
}

inline void leave(Group& group) {
  group.present--;
  if (group.present > 0 && group.arrived == group.present) {
    group.arrived = 0;
    group.meeting++;
  }
}

static void run_thread() {
  body();
  threads[current].is_done = true;
  leave(warps[current / 32]);
  leave(block);
  pause();
}

// Each lane brings a value; the answer is what `read` makes of all of them. Two sets of slots alternate, so that a
// lane which hurries on to the next collective does not overwrite what another has still to read.
template <class Read>
auto collective(uint64_t value, Read read) {
  Group& warp = warps[current / 32];
  uint64_t* slots = warp.slots[warp.meeting & 1];
  slots[current % 32] = value;
  wait_for(warp);
  return read(slots);
}

template <class Kernel>
void launch(int64_t blocks_x, int blocks_y, int threads_x, int threads_y, Kernel kernel) {
  const std::size_t count = static_cast<std::size_t>(threads_x) * threads_y;
  body = kernel;
  blockDim = {static_cast<unsigned>(threads_x), static_cast<unsigned>(threads_y), 1};
  if (threads.size() < count) threads.resize(count);
  for (int y = 0; y < blocks_y; y++) {
    for (int64_t x = 0; x < blocks_x; x++) {
      std::memset(__start_emulated_shared, 0xff, __stop_emulated_shared - __start_emulated_shared);
      std::memset(dynamic_shared, 0xff, sizeof dynamic_shared);
      warps.assign((count + 31) / 32, Group{});
      block = Group{};
      for (std::size_t i = 0; i < count; i++) {
        Thread& thread = threads[i];
        thread.is_done = false;
        thread.index = {static_cast<unsigned>(i % threads_x), static_cast<unsigned>(i / threads_x), 0};
        warps[i / 32].present++;
        block.present++;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = 1 << 16;
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, run_thread, 0);
      }
      while (block.present > 0) {
        for (std::size_t i = 0; i < count; i++) {
          current = runs_in_reverse ? count - 1 - i : i;
          if (threads[current].is_done) continue;
          threadIdx = threads[current].index;
          blockIdx = {static_cast<unsigned>(x), static_cast<unsigned>(y), 0};
          swapcontext(&scheduler, &threads[current].context);
        }
      }
    }
  }
}

template <class T>
T unpack(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T>
T shuffle(T value, int from) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return collective(bits, [from](const uint64_t* slots) { return unpack<T>(slots[from & 31]); });
}

}  // namespace emulator

inline void __syncthreads() {
  if (emulator::has_barriers) emulator::wait_for(emulator::block);
}
inline void __syncwarp() {
  if (emulator::has_barriers) emulator::wait_for(emulator::warps[emulator::current / 32]);
}
template <class T>
T __shfl_sync(unsigned, T value, int from) {
  return emulator::shuffle(value, from);
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulator::shuffle(value, static_cast<int>(emulator::current & 31) ^ mask);
}
inline unsigned __ballot_sync(unsigned, bool vote) {
  const std::size_t first = emulator::current / 32 * 32;
  return emulator::collective(vote, [first](const uint64_t* slots) {
    unsigned lanes = 0;
    for (std::size_t i = 0; i < 32 && first + i < emulator::threads.size(); i++)
      if (!emulator::threads[first + i].is_done && slots[i]) lanes |= 1u << i;
    return lanes;
  });
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
