//! The files of a new connector, with `{{name}}`, `{{Title}}`, `{{Type}}` and `{{sdk}}` for what is filled in.

/// `Cargo.toml` of a member of the checkout's workspace.
pub(super) const CARGO_IN_WORKSPACE: &str = include_str!("template/cargo-in-workspace.toml");
/// `Cargo.toml` of a folder anywhere else.
pub(super) const CARGO_ALONE: &str = include_str!("template/cargo-alone.toml");
/// `connector.toml`
pub(super) const MANIFEST: &str = include_str!("template/connector.toml");

/// What only a folder outside of a checkout has.
pub(super) const STANDALONE_FILES: [(&str, &str); 1] = [(".gitignore", "/target\n")];

/// Names the same file in the connector's folder and in the template.
macro_rules! files {
    ($($path:literal),+ $(,)?) => { [$(($path, include_str!(concat!("template/", $path)))),+] };
}

/// All other files.
pub(super) const FILES: &[(&str, &str)] = &files![
    "README.md",
    "src/lib.rs",
    "src/payload.rs",
    "src/sending.rs",
    "src/inbound.rs",
    "src/settings.rs",
    "fixtures/connection.json",
    "fixtures/inbound/field-unknown.http",
    "fixtures/inbound/field-unknown.events.json",
    "fixtures/inbound/no-json.http",
    "fixtures/inbound/no-json.events.json",
    "fixtures/inbound/nothing-usable.http",
    "fixtures/inbound/nothing-usable.events.json",
    "fixtures/inbound/several.http",
    "fixtures/inbound/several.events.json",
    "fixtures/inbound/signature-missing.http",
    "fixtures/inbound/signature-missing.events.json",
    "fixtures/inbound/signature-repeated.http",
    "fixtures/inbound/signature-repeated.events.json",
    "fixtures/inbound/signature-wrong.http",
    "fixtures/inbound/signature-wrong.events.json",
    "fixtures/inbound/text.http",
    "fixtures/inbound/text.events.json",
    "fixtures/inbound/type-unknown.http",
    "fixtures/inbound/type-unknown.events.json",
    "fixtures/inbound/workspace-of-others.http",
    "fixtures/inbound/workspace-of-others.events.json",
    "fixtures/outbound/answer-lost.exchanges.json",
    "fixtures/outbound/answer-lost.operation.json",
    "fixtures/outbound/answer-lost.outcome.json",
    "fixtures/outbound/answer-lost.requests.json",
    "fixtures/outbound/media.operation.json",
    "fixtures/outbound/media.outcome.json",
    "fixtures/outbound/media.requests.json",
    "fixtures/outbound/not-connected.exchanges.json",
    "fixtures/outbound/not-connected.operation.json",
    "fixtures/outbound/not-connected.outcome.json",
    "fixtures/outbound/not-connected.requests.json",
    "fixtures/outbound/second-part-limited.exchanges.json",
    "fixtures/outbound/second-part-limited.operation.json",
    "fixtures/outbound/second-part-limited.outcome.json",
    "fixtures/outbound/second-part-limited.requests.json",
    "fixtures/outbound/text.exchanges.json",
    "fixtures/outbound/text.operation.json",
    "fixtures/outbound/text.outcome.json",
    "fixtures/outbound/text.requests.json",
    "fixtures/outbound/token-refused.exchanges.json",
    "fixtures/outbound/token-refused.operation.json",
    "fixtures/outbound/token-refused.outcome.json",
    "fixtures/outbound/token-refused.requests.json",
    "fixtures/outbound/two-parts.exchanges.json",
    "fixtures/outbound/two-parts.operation.json",
    "fixtures/outbound/two-parts.outcome.json",
    "fixtures/outbound/two-parts.requests.json",
    "fixtures/outbound/typing.operation.json",
    "fixtures/outbound/typing.outcome.json",
    "fixtures/outbound/typing.requests.json",
    "fixtures/outbound/user-unknown.exchanges.json",
    "fixtures/outbound/user-unknown.operation.json",
    "fixtures/outbound/user-unknown.outcome.json",
    "fixtures/outbound/user-unknown.requests.json",
];
