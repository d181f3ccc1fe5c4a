"""Operations that are faster than torch's own operations on some devices and compute the same values."""
