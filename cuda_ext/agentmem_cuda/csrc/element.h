// The stored number formats and their exact conversions, for the host and for the device; knows no tensor and no kernel.
#pragma once
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define PKM_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define PKM_HOST_DEVICE inline
#endif

namespace pkm {

struct bf16 {
  uint16_t bits;
};

struct fp16 {
  uint16_t bits;
};

PKM_HOST_DEVICE float as_float(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
#endif
}

PKM_HOST_DEVICE uint32_t as_bits(float value) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(value);
#else
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
#endif
}

PKM_HOST_DEVICE float to_float(float value) { return value; }
PKM_HOST_DEVICE float to_float(bf16 value) { return as_float(static_cast<uint32_t>(value.bits) << 16); }

PKM_HOST_DEVICE float to_float(fp16 value) {
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(value.bits));
#else
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  const uint32_t magnitude = value.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return as_float(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  // Scaling by 2^112 moves the exponent from 5 to 8 bits and makes subnormal halves exact without a loop.
  return as_float(sign | as_bits(as_float(magnitude << 13) * 0x1p112f));
#endif
}

// Every narrowing rounds to nearest, ties to even, as torch does.
PKM_HOST_DEVICE void from_float(float value, float* out) { *out = value; }

PKM_HOST_DEVICE void from_float(float value, bf16* out) {
#ifdef __CUDA_ARCH__
  out->bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
  const uint32_t bits = as_bits(value);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  out->bits = is_nan ? 0x7fc0u : static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}

PKM_HOST_DEVICE void from_float(float value, fp16* out) {
#ifdef __CUDA_ARCH__
  out->bits = __half_as_ushort(__float2half_rn(value));
#else
  const uint32_t bits = as_bits(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    out->bits = sign | 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {  // 65520 and above round to infinity
    out->bits = sign | 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14: let the adder round at the subnormal's last place
    out->bits = sign | static_cast<uint16_t>(as_bits(as_float(magnitude) + 0.5f) - as_bits(0.5f));
  } else {
    const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    out->bits = sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13);
  }
#endif
}

}  // namespace pkm
