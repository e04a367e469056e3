// Loads and stores of the input's number formats as vectors of the kernel's own precision.
// Included inside a namespace and a target region.

// Whether a 16-bit format has its own stream().
template <class F, class = void>
struct Streams : std::false_type {};
template <class F>
struct Streams<F, std::void_t<decltype(F::streams)>> : std::true_type {};

// Whether there is a maximum() over 16-bit numbers as they are, and a pairOf() that narrows two
// vectors at a time.
template <class F, class = void>
struct Pairs : std::false_type {};
template <class F>
struct Pairs<F, std::void_t<decltype(F::pairs)>> : std::true_type {};

// S: the vectors that the kernel computes with. T: the type in memory. `Brain` tells the two 16-bit
// formats apart. Partial forms touch nothing past element n - 1.
template <class S, class T, bool Brain = false>
struct Element {
  using Type = T;
  using Real = typename S::Real;
  using V = typename S::V;
  static constexpr bool native = std::is_same<T, Real>::value;

  using Format = typename std::conditional<Brain, Brain16, Half16>::type;
  static constexpr bool streams =
      native || (sizeof(T) == 2 && sizeof(Real) == 4 && Streams<Format>::value);

  static constexpr bool pairs = sizeof(T) == 2 && sizeof(Real) == 4 && Pairs<Format>::value;

  static CTC_INLINE Real get(const T* p) {
    if constexpr (sizeof(T) == 2) {
      return static_cast<Real>(Brain ? brainToFloat(*p) : halfToFloat(*p));
    } else {
      return static_cast<Real>(*p);
    }
  }

  static CTC_INLINE V load(const T* p) {
    if constexpr (native) {
      return S::load(p);
    } else if constexpr (sizeof(T) == 2 && sizeof(Real) == 4) {
      return Format::widen(p);
    } else {
      Real wide[S::W];
      for (int i = 0; i < S::W; ++i) wide[i] = get(p + i);
      return S::load(wide);
    }
  }

  static CTC_INLINE V loadPartial(const T* p, int n, Real fill) {
    if constexpr (native) {
      return S::loadPartial(p, n, fill);
    } else {
      Real wide[S::W];
      for (int i = 0; i < S::W; ++i) wide[i] = i < n ? get(p + i) : fill;
      return S::load(wide);
    }
  }

  static CTC_INLINE void store(T* p, V v) {
    if constexpr (native) {
      S::store(p, v);
    } else if constexpr (sizeof(T) == 2 && sizeof(Real) == 4) {
      Format::narrow(p, v);
    } else {
      storePartial(p, v, S::W);
    }
  }

  // Two vectors, one after the other.
  static CTC_INLINE void storeTwo(T* p, V a, V b) {
    if constexpr (pairs) {
      Format::narrowTwo(p, a, b);
    } else {
      store(p, a);
      store(p + S::W, b);
    }
  }

  // Past the caches; p aligned to W elements. Only where `streams`.
  static CTC_INLINE void stream(T* p, V v) {
    if constexpr (native) {
      S::stream(p, v);
    } else {
      Format::stream(p, v);
    }
  }

  static CTC_INLINE void streamTwo(T* p, V a, V b) {
    if constexpr (pairs) {
      Format::streamTwo(p, a, b);
    } else {
      stream(p, a);
      stream(p + S::W, b);
    }
  }

  static CTC_INLINE void storePartial(T* p, V v, int n) {
    if constexpr (native) {
      S::storePartial(p, v, n);
    } else if constexpr (sizeof(T) == 2 && sizeof(Real) == 4) {
      T narrow[S::W];
      Format::narrow(narrow, v);
      for (int i = 0; i < n; ++i) p[i] = narrow[i];
    } else {
      Real wide[S::W];
      S::store(wide, v);
      for (int i = 0; i < n; ++i) p[i] = rounded(wide[i]);
    }
  }

 private:
  // From float64 (the wide kernel) to a narrower type. 16-bit formats go through float rounded to
  // odd, so that the second rounding cannot move a tie.
  static CTC_INLINE T rounded(Real x) {
    if constexpr (sizeof(T) == 2) {
      const float odd = roundToOdd(static_cast<double>(x));
      return Brain ? floatToBrain(odd) : floatToHalf(odd);
    } else {
      return static_cast<T>(x);
    }
  }
};
