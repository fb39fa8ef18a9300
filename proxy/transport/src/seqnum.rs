//! Sequence numbers: 16 bits, wrapping, starting near the wrap on purpose.

/// First number of every reliable and split counter (`SEQNUM_INITIAL`, `network/mtp/internal.h`).
pub(crate) const INITIAL: u16 = 65500;

/// Where a received number lies relative to the next expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// The next expected number.
    Next,
    /// 1 to 0x7fff numbers ahead.
    Ahead,
    /// 1 to 0x7fff numbers behind: received before.
    Old,
    /// Exactly half the space away, neither ahead nor behind.
    Ambiguous,
}

/// Classifies `seqnum` the way the engine's receive window of 0x8000 does.
pub(crate) fn classify(seqnum: u16, next: u16) -> Position {
    match seqnum.wrapping_sub(next) {
        0 => Position::Next,
        1..=0x7fff => Position::Ahead,
        0x8000 => Position::Ambiguous,
        0x8001..=0xffff => Position::Old,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_around_the_wrap_are_classified_as_the_engine_does() {
        assert_eq!(classify(65535, 65535), Position::Next);
        assert_eq!(classify(0, 65535), Position::Ahead);
        assert_eq!(classify(65534, 65535), Position::Old);
        assert_eq!(classify(32766, 65535), Position::Ahead);
        assert_eq!(classify(32767, 65535), Position::Ambiguous);
        assert_eq!(classify(32768, 65535), Position::Old);
    }

    #[test]
    fn every_distance_has_exactly_one_class() {
        for next in [0u16, 1, 32767, 32768, 65500, 65535] {
            let mut counts = [0usize; 4];
            for seqnum in 0..=u16::MAX {
                counts[classify(seqnum, next) as usize] += 1;
            }
            assert_eq!(counts, [1, 0x7fff, 0x7fff, 1]);
        }
    }
}
