//! Where random numbers come from: the operating system's, or a test's seed.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

/// Draws 128 random bits: for waits and for the ids of new profiles.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> u128 + Send + Sync>);

impl Entropy {
    /// The operating system's.
    pub fn system() -> Self {
        let random = SystemRandom::new();
        Self::of(move || {
            let mut bytes = [0; 16];
            random.fill(&mut bytes).expect("the operating system's randomness does not end");
            u128::from_be_bytes(bytes)
        })
    }

    /// Another source. Ids of profiles must not repeat, so neither may it.
    pub fn of(draw: impl Fn() -> u128 + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    pub(crate) fn draw(&self) -> u128 {
        (self.0)()
    }
}
