//! What a component may import, and what to say of all else.

use crate::error::LoadError;

/// The contract of this host, as component names write it.
pub(crate) const CONTRACT: &str = "rapport:connector@0.2";

const INTERFACES: [&str; 4] = ["types", "http", "log", "verify"];

/// Refuses the first import that is not of the contract. `wasi:io` comes with others, so these are named first.
pub(crate) fn check<'a>(imports: impl Iterator<Item = &'a str>) -> Result<(), LoadError> {
    let mut foreign: Vec<&str> = imports.filter(|import| !is_ours(import)).collect();
    foreign.sort_by_key(|import| import.starts_with("wasi:io/"));
    foreign.first().map_or(Ok(()), |import| Err(refuse(import)))
}

fn is_ours(import: &str) -> bool {
    let Some((interface, version)) = import.strip_prefix("rapport:connector/").and_then(|rest| rest.split_once('@'))
    else {
        return false;
    };
    INTERFACES.contains(&interface) && version.starts_with("0.2.")
}

fn refuse(import: &str) -> LoadError {
    let (_, power, cause, fix) = *REFUSALS
        .iter()
        .find(|(prefix, ..)| import.starts_with(prefix))
        .expect("the last row has the empty prefix, which every import starts with");
    LoadError::ForeignImport { import: import.to_owned(), power, cause, fix }
}

/// Prefix of an import → what it would give, what pulls it in, what to do instead. The first that fits is said.
const REFUSALS: [(&str, &str, &str, &str); 11] = [
    ("wasi:clocks/", "clock", "`std::time`", "use `context.now`"),
    (
        "wasi:random/",
        "randomness",
        "a random number, a UUID or a `HashMap`'s seed",
        "use `context.entropy`, or `BTreeMap`",
    ),
    ("wasi:cli/environment", "environment", "`std::env`, or the target wasm32-wasip2", "use `context.config`"),
    ("wasi:cli/exit", "process", "`std::process::exit`, or the target wasm32-wasip2", "return a rejection"),
    ("wasi:cli/", "terminal", "`println!`, `eprintln!`, or the target wasm32-wasip2", "use the import `log`"),
    ("wasi:filesystem/", "file system", "`std::fs`", "put the file in with `include_str!` or `include_bytes!`"),
    ("wasi:sockets/", "network", "`std::net`", "return requests from `sending`; the host sends them"),
    ("wasi:http/", "network", "an HTTP client", "return requests from `sending`; the host sends them"),
    ("wasi:io/", "stream", "the target wasm32-wasip2", "build with `rapport connector build`"),
    (
        "rapport:connector/",
        "such interface in this release",
        "another version of the contract",
        "build with this release's SDK",
    ),
    ("", "such power", "a binding to another host", "remove it: the contract's imports are `log` and `verify`"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_allowed_in_every_compatible_version() {
        check(["rapport:connector/log@0.2.0", "rapport:connector/verify@0.2.9"].into_iter()).unwrap();
    }

    #[test]
    fn a_foreign_import_is_named_with_its_cause_and_fix() {
        let imports = ["rapport:connector/log@0.2.0", "wasi:io/streams@0.2.6", "wasi:clocks/wall-clock@0.2.6"];
        let error = check(imports.into_iter()).unwrap_err().to_string();
        assert_eq!(
            error,
            "import `wasi:clocks/wall-clock@0.2.6`: a connector has no clock; it is likely there for `std::time`; \
             fix: use `context.now`"
        );
    }

    #[test]
    fn another_version_of_the_contract_is_foreign() {
        assert!(check(["rapport:connector/log@0.1.2"].into_iter()).is_err());
        assert!(check(["rapport:connector/blobs@0.2.0"].into_iter()).is_err());
        assert!(check(["log"].into_iter()).is_err());
    }
}
