"""Check characters: the arithmetic that catches a misread or mistyped code.

Each function computes the check character that belongs to the characters before it. It requires characters of the
code's own alphabet; the caller has looked. What to do with a difference is the caller's business.
"""

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015: 31 characters, no I, O, S, V and Z; the value of a character is its place."""

_CSET_32 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_CSET_82_VALUE = {char: place for place, char in enumerate(_CSET_82)}
_PRIMES = tuple(number for number in range(2, 510) if all(number % factor for factor in range(2, number)))
"""The first 97: the longest value that an AI can have."""

_USCC_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def gs1_check_digit(digits: str) -> str:
    """GTIN, SSCC, GLN and other numeric keys (GS1 General Specifications, 7.9.1): weights 3, 1 from the right."""
    total = sum(map(int, digits[::-2])) * 3 + sum(map(int, digits[-2::-2]))
    return str(-total % 10)


def gs1_check_pair(text: str) -> str:
    """GMN and other alphanumeric keys: primes from the right, modulo 1021.

    GS1 General Specifications, section "Check character calculation (for alphanumeric keys)".
    Requires characters of GS1 AI character set 82, at most 97 of them.
    """
    weights = zip(reversed(text), _PRIMES, strict=False)
    total = sum(_CSET_82_VALUE[char] * weight for char, weight in weights) % 1021
    return _CSET_32[total >> 5] + _CSET_32[total & 31]


def mod_11_10_check_digit(digits: str) -> str:
    """Food licence numbers (GB/T 17710, ISO/IEC 7064 MOD 11,10)."""
    product = 10
    for digit in digits:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def uscc_check_character(first_17: str) -> str:
    """Unified social credit code (GB 32100-2015)."""
    total = sum(USCC_ALPHABET.index(char) * weight for char, weight in zip(first_17, _USCC_WEIGHTS, strict=True))
    # The outer remainder matters: a total that 31 divides gives 0, not 31.
    return USCC_ALPHABET[(31 - total % 31) % 31]


def organisation_check_character(first_8: str) -> str:
    """Organisation code inside the unified social credit code, places 9 to 17 (GB 11714)."""
    weights = zip(first_8, _ORGANISATION_WEIGHTS, strict=True)
    check = 11 - sum(_ORGANISATION_ALPHABET.index(char) * weight for char, weight in weights) % 11
    return {10: "X", 11: "0"}.get(check, str(check))
