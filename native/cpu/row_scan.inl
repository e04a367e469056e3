// Passes over one frame's scores in double. Included inside a namespace and a target region: the
// same source for every instruction set, and the same bits, since lanes and their order are written
// out and nothing is contracted to fused multiply-adds. CTC_ROW_LANES doubles fit into a vector;
// more only make it faster.

// The stride-1 loop is apart so that the compiler can vectorise it.
template <class Stored, class Widen>
static void copyStrided(const Stored* from, int64_t stride, int64_t count, double* to,
                        Widen widen) {
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<double>(widen(from[i]));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<double>(widen(from[i * stride]));
  }
}

#if defined(__GNUC__)
typedef double Lanes __attribute__((vector_size(8 * CTC_ROW_LANES)));
typedef uint64_t LaneBits __attribute__((vector_size(8 * CTC_ROW_LANES)));
#endif

// *power = exp(x) for x in [-700, 0], relative error below 3e-16: 2^k times a minimax polynomial of
// the remainder, without a branch or a call. For one number or for Lanes: the same operations.
template <class Number, class Bits>
static CTC_INLINE void expSmall(const Number& x, Number* power) {
  const double shift = 0x1.8p52;  // adding it rounds to an integer, kept in the low mantissa bits
  const Number shifted = x * 1.4426950408889634 + shift;
  const Number k = shifted - shift;
  // ln 2 in two parts; the first has enough trailing zeros for k times it to be exact.
  const Number r = (x - k * 0x1.62e42fefap-1) - k * 0x1.cf79abc9e3b3ap-40;
  Number q = r * 2.49997683978424e-08 + 2.7630623278116767e-07;
  q = q * r + 2.7557589194833036e-06;
  q = q * r + 2.480149212918539e-05;
  q = q * r + 0.00019841269501331382;
  q = q * r + 0.0013888888944476123;
  q = q * r + 0.00833333333349782;
  q = q * r + 0.041666666666527345;
  q = q * r + 0.16666666666666405;
  q = q * r + 0.5000000000000011;
  const Number p = r * r * q + (r + 1.0);
  Bits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 52) + uint64_t{0x3ff0000000000000};  // k, as a double's exponent field
  Number scale;
  std::memcpy(&scale, &bits, sizeof scale);
  *power = p * scale;
}

// Copies a frame's scores, as stored, to row [C].
static void readRow(const Tensor& input, int64_t frame, int64_t utterance, double* row) {
  const int64_t at = frame * input.frameStride + utterance * input.utteranceStride;
  const int64_t stride = input.classStride;
  const int64_t count = input.classes;
  switch (input.dtype) {
    case DType::float32:
      return copyStrided(static_cast<const float*>(input.data) + at, stride, count, row,
                         [](float x) { return x; });
    case DType::float64:
      return copyStrided(static_cast<const double*>(input.data) + at, stride, count, row,
                         [](double x) { return x; });
    case DType::float16:
      return copyStrided(static_cast<const uint16_t*>(input.data) + at, stride, count, row,
                         halfToFloat);
    case DType::bfloat16:
      return copyStrided(static_cast<const uint16_t*>(input.data) + at, stride, count, row,
                         brainToFloat);
  }
}

// A row's largest score, or NaN when the row is nonfinite in the loss's sense: a NaN, a +Infinity,
// or nothing but -Infinity.
static double finiteMax(const double* row, int64_t classes) {
  constexpr int lanes = 8;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double largest[lanes];
  double poison[lanes] = {};  // stays 0 unless NaN or +Infinity is met; -Infinity is only a mask
  for (int lane = 0; lane < lanes; ++lane) largest[lane] = -infinity;
  const int64_t whole = classes - classes % lanes;
  for (int64_t c = 0; c < whole; c += lanes) {
    for (int lane = 0; lane < lanes; ++lane) {
      const double x = row[c + lane];
      largest[lane] = x > largest[lane] ? x : largest[lane];
      poison[lane] += x < infinity ? 0.0 : 1.0;
    }
  }
  for (int64_t c = whole; c < classes; ++c) {
    largest[0] = row[c] > largest[0] ? row[c] : largest[0];
    poison[0] += row[c] < infinity ? 0.0 : 1.0;
  }
  for (int lane = 1; lane < lanes; ++lane) {
    largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
    poison[0] += poison[lane];
  }
  if (poison[0] != 0 || largest[0] == -infinity) return std::numeric_limits<double>::quiet_NaN();
  return largest[0];
}

// The lowest class of a row's largest score, or -1 when the row is nonfinite as in finiteMax().
template <class Stored>
static int64_t bestOf(const Stored* row, int64_t classes, double* largest) {
  constexpr Stored infinity = std::numeric_limits<Stored>::infinity();
  Stored most = -infinity;
  bool poisoned = false;
  int64_t c = 0;
#if defined(__GNUC__)
  typedef Stored Vector __attribute__((vector_size(8 * CTC_ROW_LANES)));
  typedef decltype(Vector{} < Vector{}) Mask;
  constexpr int width = 8 * CTC_ROW_LANES / sizeof(Stored);
  constexpr int step = 4 * width;
  const Vector limit = Vector{} + infinity;
  const auto any = [](const Mask& mask) CTC_LAMBDA {
    uint64_t parts[CTC_ROW_LANES];
    std::memcpy(parts, &mask, sizeof mask);
    uint64_t all = 0;
    for (const uint64_t part : parts) all |= part;
    return all != 0;
  };
  Vector tops[4] = {-limit, -limit, -limit, -limit};
  Mask finite[4] = {Vector{} == Vector{}, Vector{} == Vector{}, Vector{} == Vector{},
                    Vector{} == Vector{}};
  const auto look = [&](int64_t at, int chain) CTC_LAMBDA {
    Vector x;
    std::memcpy(&x, row + at, sizeof x);
    tops[chain] = x > tops[chain] ? x : tops[chain];
    finite[chain] &= x < limit;
  };
  for (; c + step <= classes; c += step) {
    for (int chain = 0; chain < 4; ++chain) look(c + chain * width, chain);
  }
  for (; c + width <= classes; c += width) look(c, 0);
  for (int chain = 0; chain < 4; ++chain) {
    for (int lane = 0; lane < width; ++lane) {
      most = tops[chain][lane] > most ? tops[chain][lane] : most;
    }
    poisoned = poisoned || any(~finite[chain]);
  }
#endif
  for (; c < classes; ++c) {
    most = row[c] > most ? row[c] : most;
    poisoned = poisoned || !(row[c] < infinity);
  }
  if (poisoned || most == -infinity) return -1;
  *largest = static_cast<double>(most);
  c = 0;
#if defined(__GNUC__)
  const Vector wanted = Vector{} + most;
  for (; c + step <= classes; c += step) {
    Mask hits = {};
    for (int i = 0; i < 4; ++i) {
      Vector x;
      std::memcpy(&x, row + c + static_cast<int64_t>(i) * width, sizeof x);
      hits |= x == wanted;
    }
    if (any(hits)) break;
  }
#endif
  while (row[c] != most) ++c;
  return c;
}

// The most probable class of a frame, read where it lies if it can be; `row` [C] is scratch.
static int64_t bestClass(const Tensor& input, int64_t frame, int64_t utterance, double* row,
                         double* largest) {
  const int64_t at = frame * input.frameStride + utterance * input.utteranceStride;
  if (input.classStride == 1 && input.dtype == DType::float32) {
    return bestOf(static_cast<const float*>(input.data) + at, input.classes, largest);
  }
  if (input.classStride == 1 && input.dtype == DType::float64) {
    return bestOf(static_cast<const double*>(input.data) + at, input.classes, largest);
  }
  readRow(input, frame, utterance, row);
  return bestOf(row, input.classes, largest);
}

// log(sum(exp(row - largest))), of numbers as they are stored.
template <class Stored>
static double logSumOf(const Stored* row, int64_t classes, double largest) {
  constexpr int lanes = 8;
  constexpr double lowest = -700;
  double sums[lanes] = {};
  const int64_t whole = classes - classes % lanes;
#if defined(__GNUC__)
  constexpr int width = CTC_ROW_LANES;
  const Lanes floor = Lanes{} + lowest;
  Lanes parts[lanes / width] = {};
  for (int64_t c = 0; c < whole; c += lanes) {
    for (int part = 0; part < lanes / width; ++part) {
      typedef Stored Few __attribute__((vector_size(sizeof(Stored) * CTC_ROW_LANES)));
      Few stored;
      std::memcpy(&stored, row + c + static_cast<int64_t>(part) * width, sizeof stored);
      Lanes x = __builtin_convertvector(stored, Lanes);
      x = x - largest;
      x = x > floor ? x : floor;
      Lanes power;
      expSmall<Lanes, LaneBits>(x, &power);
      parts[part] += power;
    }
  }
  std::memcpy(sums, parts, sizeof sums);
#else
  for (int64_t c = 0; c < whole; ++c) {
    const double x = static_cast<double>(row[c]) - largest;
    double power;
    expSmall<double, uint64_t>(x > lowest ? x : lowest, &power);
    sums[c % lanes] += power;
  }
#endif
  for (int64_t c = whole; c < classes; ++c) {
    const double x = static_cast<double>(row[c]) - largest;
    double power;
    expSmall<double, uint64_t>(x > lowest ? x : lowest, &power);
    sums[0] += power;
  }
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return std::log(sums[0]);
}

static double logSumOver(const double* row, int64_t classes, double largest) {
  return logSumOf(row, classes, largest);
}

// The same of a frame, read where it lies if it can be; `row` [C] is scratch.
static double frameLogSum(const Tensor& input, int64_t frame, int64_t utterance, double* row,
                          double largest) {
  if (input.classStride == 1 && input.dtype == DType::float32) {
    const int64_t at = frame * input.frameStride + utterance * input.utteranceStride;
    return logSumOf(static_cast<const float*>(input.data) + at, input.classes, largest);
  }
  readRow(input, frame, utterance, row);
  return logSumOf(row, input.classes, largest);
}
