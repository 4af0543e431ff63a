//! Lines for whoever operates the connection. Never a body, a name, a number, an address or a secret.

pub use crate::bindings::inbound::rapport::connector::log::Level;

/// For the author of the connector: something known was left out on purpose.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Something unknown was kept or skipped, and nothing is wrong.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Part of the payload could not become an event.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// The connection cannot work until somebody mends it.
pub fn error(message: &str) {
    write(Level::Error, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: Level, message: &str) {
    crate::bindings::inbound::rapport::connector::log::write(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: Level, message: &str) {
    crate::testing::host::log(level, message);
}
