"""Under which identifier does a name appear in code?

A loss may call its parameter δ, `lambda_` or `y0`; C, Python and their
libraries have words of their own. An `Allocator` gives each wish a valid ASCII
identifier: Greek letters are spelled out, other letters become their code
point, reserved words and identifiers already given get a number. The same
wishes in the same order give the same identifiers.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

_MAX_LENGTH = 56  # C99 promises 63 significant characters; room for a number

RESERVED_PYTHON: frozenset[str] = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls", "np", "numpy"}
)

_C_KEYWORDS = """
    alignas alignof auto bool break case char const constexpr continue default do double else enum extern false float
    for goto if inline int long nullptr register restrict return short signed sizeof static static_assert struct switch
    thread_local true typedef typeof typeof_unqual union unsigned void volatile while asm fortran complex imaginary I
    noreturn unreachable offsetof size_t ptrdiff_t max_align_t wchar_t nullptr_t NULL errno main
    and and_eq bitand bitor catch class compl const_cast decltype delete dynamic_cast explicit export friend mutable
    namespace new noexcept not not_eq operator or or_eq private protected public reinterpret_cast static_cast template
    this throw try typeid typename using virtual wchar_t xor xor_eq linux unix
"""
_MATH_FUNCTIONS = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh drem erf erfc exp exp10 exp2 expm1 fabs fdim
    finite floor fma fmax fmaximum fmin fminimum fmod frexp gamma hypot ilogb j0 j1 jn ldexp lgamma lgamma_r llogb
    llrint llround lrint lround log log10 log1p log2 logb modf nan nearbyint
    nextafter nextdown nexttoward nextup pow pow10
    powr rint rootn round roundeven remainder remquo rsqrt scalb scalbln scalbn significand sin sincos sinh sinpi cospi
    tanpi sqrt tan tanh tgamma trunc y0 y1 yn canonicalize compoundn pown getpayload setpayload totalorder
"""
_MATH_OTHERS = """
    double_t float_t fpclassify isfinite isinf isnan isnormal isgreater isgreaterequal isless islessequal islessgreater
    isunordered signbit signgam iscanonical issignaling issubnormal iszero iseqsig matherr exception
    HUGE_VAL HUGE_VALF HUGE_VALL INFINITY NAN SNAN MAXFLOAT FP_INFINITE FP_NAN FP_NORMAL FP_SUBNORMAL FP_ZERO
    FP_ILOGB0 FP_ILOGBNAN FP_FAST_FMA FP_FAST_FMAF MATH_ERRNO MATH_ERREXCEPT math_errhandling
    M_E M_LOG2E M_LOG10E M_LN2 M_LN10 M_PI M_PI_2 M_PI_4 M_1_PI M_2_PI M_2_SQRTPI M_SQRT2 M_SQRT1_2
    OVERFLOW UNDERFLOW DOMAIN SING PLOSS TLOSS
    INTMAX_C UINTMAX_C isinff isinfl isnanf isnanl lgammaf_r lgammal_r
    intptr_t uintptr_t intmax_t uintmax_t INTPTR_MIN INTPTR_MAX UINTPTR_MAX INTMAX_MIN INTMAX_MAX UINTMAX_MAX
    PTRDIFF_MIN PTRDIFF_MAX SIZE_MAX SIG_ATOMIC_MIN SIG_ATOMIC_MAX WCHAR_MIN WCHAR_MAX WINT_MIN WINT_MAX
"""


def _reserved_c() -> frozenset[str]:
    functions = _MATH_FUNCTIONS.split()
    words = {*_C_KEYWORDS.split(), *functions, *_MATH_OTHERS.split()}
    words |= {f + suffix for f in functions for suffix in ("f", "l")}
    for bits in (8, 16, 32, 64):
        for kind in ("", "_least", "_fast"):
            words |= {f"int{kind}{bits}_t", f"uint{kind}{bits}_t"}
            stem = kind.upper()
            words |= {f"INT{stem}{bits}_MIN", f"INT{stem}{bits}_MAX", f"UINT{stem}{bits}_MAX"}
        words |= {f"INT{bits}_C", f"UINT{bits}_C"}
    return frozenset(words)


RESERVED_C: frozenset[str] = _reserved_c()

_ASCII = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_GREEK_NAME = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?([A-Z]+)")
_SPELLED = {"LAMDA": "LAMBDA"}  # Unicode's spelling, and everyone's


def transliterate(name: str) -> str:
    """ASCII letters for any letters: δ -> delta, Δ -> Delta, é -> e, 一 -> u4e00."""
    pieces: list[str] = []
    for c in unicodedata.normalize("NFKC", name):
        if c in _ASCII:
            pieces.append(c)
            continue
        base = unicodedata.normalize("NFD", c)[0]
        if base in _ASCII:
            pieces.append(base)
        elif match := _GREEK_NAME.match(unicodedata.name(base, "")):
            word = _SPELLED.get(match[2], match[2])
            pieces.append(word.lower() if match[1] == "SMALL" else word.title())
        elif c.isalnum():
            pieces.append(f"u{ord(c):04x}")
        else:
            pieces.append("_")
    return "".join(pieces)


class Allocator:
    """Gives unique identifiers; two of them never differ in case alone."""

    def __init__(self, reserved: frozenset[str]) -> None:
        self._taken = {word.lower() for word in reserved}

    def allocate(self, wish: str) -> str:
        """A fresh identifier as near to `wish` as the rules allow."""
        # Identifiers with leading or double underscores belong to the implementation of C.
        stem = re.sub(r"_+", "_", transliterate(wish)).lstrip("_")[:_MAX_LENGTH] or "v"
        if stem[0].isdigit():
            stem = "v" + stem
        result, number = stem, 1
        while result.lower() in self._taken or (number > 1 and result == stem):
            number += 1
            result = f"{stem.rstrip('_')}_{number}"
        self._taken.add(result.lower())
        return result
