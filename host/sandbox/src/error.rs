//! Why a connector cannot be loaded. What goes wrong in a call is a [`CallError`](crate::CallError).

use thiserror::Error;

/// Why a component or an artefact did not become a connector.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Neither a component nor a core module.
    #[error("not a WebAssembly component; fix: give the `.wasm` that `rapport connector build` wrote")]
    NotWebAssembly,
    /// What a compiler writes before it is made a component.
    #[error(
        "a core WebAssembly module, not a component; fix: `rapport connector build`, \
         which compiles it and makes it a component"
    )]
    CoreModule,
    /// The file ends inside a section.
    #[error("the component ends inside a section; fix: build it again")]
    Truncated,
    /// It imports what the contract does not have.
    #[error("import `{import}`: a connector has no {power}; it is likely there for {cause}; fix: {fix}")]
    ForeignImport {
        /// The import as the component names it.
        import: String,
        /// What the import would give.
        power: &'static str,
        /// What in the connector pulled it in.
        cause: &'static str,
        /// What to do instead.
        fix: &'static str,
    },
    /// It exports no interface of the contract.
    #[error(
        "it exports none of `inbound`, `sending` and `polling` of `rapport:connector@0.2`; fix: implement the SDK's trait of \
         that name, and name it in `rapport_sdk::export!`"
    )]
    NoExport,
    /// It exports an interface of the contract without its function.
    #[error("export `{0}` has not the contract's function; fix: build it with this release's SDK")]
    MissingFunction(&'static str),
    /// Its imports or exports have other types than the contract.
    #[error("the component speaks another contract than `{contract}`: {detail}; fix: build it with this release's SDK")]
    OtherContract {
        /// The contract of this host.
        contract: &'static str,
        /// The first difference.
        detail: String,
    },
    /// It is larger than its manifest says.
    #[error(
        "the component has {found} KiB, its limit is {max}; fix: build it with `rapport connector build`, use fewer \
         dependencies, or raise `component-kib` in `[limits]` of connector.toml"
    )]
    TooLarge {
        /// KiB that it has.
        found: u64,
        /// KiB that it may have.
        max: u64,
    },
    /// The WebAssembly engine refuses it.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// The engine itself does not start.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// Its manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Its artefact is not to be trusted or not for this host.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// A file cannot be read.
    #[error("`{path}`: {source}")]
    File {
        /// The path that was asked for.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Why a `connector.toml` is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not TOML, or not UTF-8.
    #[error("connector.toml: {0}")]
    Syntax(String),
    /// A key that no connector has.
    #[error("connector.toml: unknown key `{key}`; fix: {fix}")]
    UnknownKey {
        /// The key with the names of its tables.
        key: String,
        /// The nearest key there is, or all of them.
        fix: String,
    },
    /// A key that every connector has.
    #[error("connector.toml: `{0}` is missing; fix: add `{0} = \"…\"`")]
    Missing(&'static str),
    /// A value of the wrong type or form.
    #[error("connector.toml: `{key}`: expected {expected}, found {found}")]
    Value {
        /// The key with the names of its tables.
        key: String,
        /// What would do.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A word that is none of those that a key takes, or the name of a secret that there is not.
    #[error("connector.toml: `{key}`: {problem}; fix: {fix}")]
    UnknownWord {
        /// The key with the names of its tables.
        key: String,
        /// What is wrong with the word.
        problem: String,
        /// The nearest word there is, or all of them.
        fix: String,
    },
    /// More than the host gives to any connector.
    #[error("connector.toml: `{key}` is {found}, the host's maximum is {max}; fix: ask for {max} or less")]
    OverMaximum {
        /// The limit.
        key: &'static str,
        /// What is asked for.
        found: u64,
        /// What may be asked for.
        max: u64,
    },
}

/// Why an artefact is refused. Nothing of it has been run or deserialised then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArtefactError {
    /// Compiled code or a component without a signature, or another file.
    #[error("not a signed artefact; fix: `rapport package` compiles and signs connectors")]
    Unsigned,
    /// It ends too early.
    #[error("the artefact is cut off after {0} bytes; fix: copy or package it again")]
    Truncated(usize),
    /// Written by another release.
    #[error("artefact format `{0}` is not known to this release; fix: `rapport package` with this release")]
    Format(u8),
    /// Signed by a key that this host does not trust.
    #[error(
        "the artefact is signed by `{0}`, which this host does not trust; fix: sign with a trusted key, or trust this one"
    )]
    UntrustedKey(String),
    /// Its signature does not fit its content.
    #[error(
        "the artefact was altered after it was signed by `{0}`; fix: package it again, and find out who changed it"
    )]
    Altered(String),
    /// Compiled by another engine version or with other settings.
    #[error(
        "the artefact is compiled for engine `{found}`, this host is `{expected}`; fix: `rapport package` with this release"
    )]
    OtherEngine {
        /// The engine that compiled it.
        found: String,
        /// The engine of this host.
        expected: String,
    },
    /// Compiled for another processor.
    #[error(
        "the artefact is compiled for `{found}`, this host is `{expected}`; fix: `rapport package` for `{expected}`"
    )]
    OtherTarget {
        /// What it is compiled for.
        found: String,
        /// What this host is.
        expected: String,
    },
    /// What is to be packed is not compiled code of a known processor.
    #[error("the compiled code is for no processor that Rapport knows; fix: compile it with `Sandbox::compile`")]
    UnknownTarget,
}
