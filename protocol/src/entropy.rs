//! Randomness, fed from outside: a stream out of one seed.

use crate::hash;

/// A stream of random bytes from a seed that the outside drew; the simulator counts its seeds up.
pub struct Entropy(blake3::OutputReader);

impl Entropy {
    /// Starts the stream of a seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(hash::ENTROPY.stream(&seed))
    }
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy(..)")
    }
}
