//! Tests and benchmarks of the whole: `it/` and `benches/` run the real parts together. There is no code here.
