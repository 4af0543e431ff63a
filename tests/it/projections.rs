//! Events become what is known.

mod fold;
