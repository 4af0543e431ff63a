//! A short name of what an event says, so that the same news of two versions of a record is one event.

use rapport_sdk::event;
use serde::Serialize;

/// FNV-1a of 64 bits, by its authors' parameters: no protection against anybody, only against coincidence.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Sixteen hexadecimal digits of the JSON of `news`.
pub fn of<T: Serialize + ?Sized>(news: &T) -> String {
    let hash = event::json(news).bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fnv_1a_and_the_same_for_ever() {
        // Of the two bytes `""`, computed by another implementation of the published algorithm.
        assert_eq!(of(""), "07cc7607b4949e25");
        assert_ne!(of("a"), of("b"));
    }
}
