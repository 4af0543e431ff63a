//! The contract's versions: each is one module that binds it to wasmtime and turns its types into the model's.

pub(crate) mod v0_2;
