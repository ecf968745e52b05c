// Which pairs of two sorted halves can hold one of the k best sums; knows nothing of scores.
//
// If a and b are sorted downwards, the sum a[i] + b[j] is beaten or equalled by the (i+1)(j+1) sums above and left of
// it. So only pairs with (i+1)(j+1) <= k can be among the k best: 119 of 1,024 for k = 32. The pairs are listed by
// that product, so that the pairs for any k are a prefix of one table.
#pragma once

namespace pkm {

constexpr int kMaxTopK = 64;

constexpr int staircase_size(int k) {
  int total = 0;
  for (int i = 1; i <= k; i++) total += k / i;
  return total;
}

struct Staircase {
  unsigned char first[staircase_size(kMaxTopK)] = {};
  unsigned char second[staircase_size(kMaxTopK)] = {};

  constexpr Staircase() {
    int next = 0;
    for (int product = 1; product <= kMaxTopK; product++) {
      for (int i = 1; i <= product; i++) {
        if (product % i != 0) continue;
        first[next] = static_cast<unsigned char>(i - 1);
        second[next] = static_cast<unsigned char>(product / i - 1);
        next++;
      }
    }
  }
};

}  // namespace pkm
