//! Makes the folder of a new connector: it builds and passes every check at once, and is then made the provider's.

mod template;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rapport_sandbox::Manifest;

use template::{FILES, STANDALONE_FILES};

/// A connector that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its folder.
    pub folder: PathBuf,
    /// The files in it, relative to the folder.
    pub files: Vec<String>,
    /// Where its crate has the SDK from.
    pub sdk: Sdk,
}

/// Where a connector's crate has the SDK from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// The crate is a member of the checkout's workspace.
    Workspace,
    /// A checkout elsewhere on this machine: its `plugins/sdk`.
    Path(PathBuf),
    /// The public repository.
    Git,
}

/// Names that the template's `lib.rs` uses for something else.
const TAKEN_TYPES: [&str; 12] = [
    "Context",
    "Exchange",
    "Inbound",
    "Operation",
    "Option",
    "Receipt",
    "Rejection",
    "Result",
    "Self",
    "Sending",
    "Turn",
    "Webhook",
];

/// Where the new connector's crate gets the SDK if it is not made in the checkout at or above the working directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    /// A folder that a person named.
    pub sdk: Option<&'a Path>,
    /// The checkout that compiled this command. It may be gone.
    pub compiled_from: Option<&'a Path>,
}

impl<'a> Source<'a> {
    /// The folder that a person named, or else the checkout that compiled this command.
    pub fn of_process(sdk: Option<&'a Path>) -> Self {
        Self { sdk, compiled_from: Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2) }
    }
}

/// Makes a connector called `name`: in `parent`, or in `plugins/` of the checkout at or above `here`.
///
/// # Errors
/// The name is not one that a manifest takes, the folder exists, there is no checkout, or a file cannot be written.
pub fn new(name: &str, parent: Option<&Path>, here: &Path, source: Source<'_>) -> Result<Made> {
    let checkout = checkout(here)?;
    let parent = match (parent, &checkout) {
        (Some(parent), _) => parent.to_owned(),
        (None, Some(checkout)) => checkout.join("plugins"),
        (None, None) => bail!(
            "`{}` is not in a checkout of Rapport; fix: add `--path FOLDER`, the folder in which the connector is made",
            here.display()
        ),
    };
    let manifest = fill(template::MANIFEST, name, &Sdk::Workspace);
    Manifest::parse(&manifest).with_context(|| format!("connector `{name}`"))?;
    let folder = parent.join(name);
    if folder.exists() {
        bail!("`{}` already exists; fix: choose another name, or delete the folder", folder.display());
    }
    let sdk = sdk(&parent, checkout.as_deref(), source)?;
    let files = write(&folder, name, &sdk)?;
    if let Sdk::Path(path) = &sdk {
        // The versions that the checkout was tested with; cargo takes out what the connector does not need.
        let lock = path.ancestors().nth(2).map(|checkout| checkout.join("Cargo.lock"));
        if let Some(lock) = lock.filter(|lock| lock.is_file()) {
            fs::copy(&lock, folder.join("Cargo.lock")).with_context(|| format!("`{}`", lock.display()))?;
        }
    }
    Ok(Made { folder, files, sdk })
}

impl Made {
    /// What was made, and what to do with it now.
    pub fn next_steps(&self) -> String {
        let folder = self.folder.display();
        let sdk = match &self.sdk {
            Sdk::Workspace => "the workspace's SDK".to_owned(),
            Sdk::Path(path) => format!(
                "the SDK in `{}`, by path; fix: write `{}` in its Cargo.toml before you give it to others",
                path.display(),
                git()
            ),
            Sdk::Git => format!(
                "the SDK of {}, by git, at tag {TAG}; if that tag does not exist, {SDK_BY_PATH}",
                env!("CARGO_PKG_REPOSITORY")
            ),
        };
        let words = match &self.sdk {
            Sdk::Workspace => self.folder.file_name().unwrap_or_default().display().to_string(),
            Sdk::Path(_) | Sdk::Git => folder.to_string(),
        };
        let besides = match &self.sdk {
            Sdk::Workspace => {
                "\nTwo files besides it change: Cargo.lock, at the next build, and the table of connectors in README.md, which \
                 a test compares:\n`BLESS=1 cargo test -p rapport-tests --test it reference` writes it.\n"
            }
            Sdk::Path(_) | Sdk::Git => "",
        };
        format!(
            "made {folder}, {} files, with {sdk}\n\n\
             rapport connector test {words}            runs every check, natively and in the sandbox\n\
             rapport connector test {words} --bless    after a change: writes what fixtures come to; read the diff\n\
             rapport connector sign {words}            signs fixtures that you changed, as the provider would\n\
             rapport connector inspect {words}         what it imports, what it may use, and what must be set\n\
             rapport connector try {words} --operation text   one message: its request, what is answered, what came of it\n\n\
             Begin with `fixtures/inbound`: put in requests of the provider as they came, with their signatures.\n{besides}",
            self.files.len()
        )
    }
}

/// The checkout of Rapport at or above a folder: what has the SDK in `plugins/`.
fn checkout(here: &Path) -> Result<Option<PathBuf>> {
    let here = here.canonicalize().with_context(|| format!("`{}`", here.display()))?;
    Ok(here.ancestors().find(|folder| folder.join("plugins/sdk/Cargo.toml").is_file()).map(Path::to_owned))
}

fn sdk(parent: &Path, checkout: Option<&Path>, source: Source<'_>) -> Result<Sdk> {
    let named = source.sdk.map(|folder| {
        let path = folder.canonicalize().with_context(|| format!("`--sdk {}`", folder.display()))?;
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
        if !manifest.contains("name = \"rapport-sdk\"") {
            bail!(
                "`--sdk {}`: the folder is not the SDK's crate; fix: name `plugins/sdk` of a checkout of Rapport",
                folder.display()
            );
        }
        Ok(path)
    });
    let named = named.transpose()?;
    fs::create_dir_all(parent).with_context(|| format!("`{}`", parent.display()))?;
    let parent = parent.canonicalize().with_context(|| format!("`{}`", parent.display()))?;
    let compiled_from = source.compiled_from.map(|checkout| checkout.join("plugins/sdk"));
    Ok(match (named, checkout) {
        (Some(path), _) => Sdk::Path(path),
        (None, Some(checkout)) if parent == checkout.join("plugins") => Sdk::Workspace,
        (None, Some(checkout)) => Sdk::Path(checkout.join("plugins/sdk")),
        (None, None) => match compiled_from.filter(|sdk| sdk.join("Cargo.toml").is_file()) {
            Some(path) => Sdk::Path(path),
            None => Sdk::Git,
        },
    })
}

/// Writes every file, and gives their names.
fn write(folder: &Path, name: &str, sdk: &Sdk) -> Result<Vec<String>> {
    let cargo = match sdk {
        Sdk::Workspace => template::CARGO_IN_WORKSPACE,
        Sdk::Path(_) | Sdk::Git => template::CARGO_ALONE,
    };
    let more: &[(&str, &str)] = if *sdk == Sdk::Workspace { &[] } else { &STANDALONE_FILES };
    let files = [("Cargo.toml", cargo), ("connector.toml", template::MANIFEST)];
    let mut written = Vec::new();
    for (path, text) in files.iter().chain(FILES).chain(more) {
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&file, fill(text, name, sdk)))
            .with_context(|| format!("`{}`", file.display()))?;
        written.push((*path).to_owned());
    }
    Ok(written)
}

/// The template's text with the connector's names.
fn fill(text: &str, name: &str, sdk: &Sdk) -> String {
    let sdk = match sdk {
        Sdk::Workspace => String::new(),
        Sdk::Path(path) => format!("path = {:?}", path.display().to_string()),
        Sdk::Git => git(),
    };
    text.replace("{{name}}", name)
        .replace("{{Title}}", &words(name).join(" "))
        .replace("{{Type}}", &type_name(name))
        .replace("{{sdk}}", &sdk)
}

/// The tag of the release that this command is of: what it makes is compiled with the SDK that it was made for.
const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// What an author does where the tag does not exist.
pub(super) const SDK_BY_PATH: &str = "write `rapport-sdk = { path = \"<checkout of Rapport>/plugins/sdk\" }` in its Cargo.toml, or make \
                                      it with `rapport connector new --sdk <checkout of Rapport>/plugins/sdk`";

fn git() -> String {
    format!("git = {:?}, tag = {TAG:?}", env!("CARGO_PKG_REPOSITORY"))
}

/// `acme-chat` as a Rust type: `AcmeChat`.
fn type_name(name: &str) -> String {
    let name = words(name).concat();
    if TAKEN_TYPES.contains(&name.as_str()) { format!("{name}Connector") } else { name }
}

/// The words of a name, each with a capital.
fn words(name: &str) -> Vec<String> {
    let capital = |word: &str| {
        let mut characters = word.chars();
        characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
    };
    name.split('-').filter(|word| !word.is_empty()).map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_title_and_a_type() {
        let sdk = Sdk::Workspace;
        assert_eq!(fill("{{name}} {{Title}} {{Type}}", "acme-chat-2", &sdk), "acme-chat-2 Acme Chat 2 AcmeChat2");
        assert_eq!(fill("{{Type}}", "context", &sdk), "ContextConnector");
    }

    #[test]
    fn a_name_that_no_manifest_takes_is_refused_with_the_rule() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Acme", "acme chat", "7up", "", "../acme", "ä", &"a".repeat(41)] {
            let error = format!("{:#}", new(name, Some(folder.path()), folder.path(), Source::default()).unwrap_err());
            assert!(
                error.contains("a letter, then letters, digits and `-`") || error.contains("`id`"),
                "{name}: {error}"
            );
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let made = new("acme", Some(folder.path()), folder.path(), Source::default()).unwrap();
        assert_eq!(made.sdk, Sdk::Git);
        let cargo = fs::read_to_string(made.folder.join("Cargo.toml")).unwrap();
        let pinned = concat!("tag = \"v", env!("CARGO_PKG_VERSION"), "\" }");
        assert!(cargo.contains(pinned), "{cargo}");
        fs::write(made.folder.join("README.md"), "mine").unwrap();
        let error = new("acme", Some(folder.path()), folder.path(), Source::default()).unwrap_err().to_string();
        assert!(error.ends_with("already exists; fix: choose another name, or delete the folder"), "{error}");
        assert_eq!(fs::read_to_string(made.folder.join("README.md")).unwrap(), "mine");
    }

    #[test]
    fn outside_of_a_checkout_the_folder_has_to_be_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = new("acme", None, folder.path(), Source::default()).unwrap_err().to_string();
        assert!(error.ends_with("fix: add `--path FOLDER`, the folder in which the connector is made"), "{error}");
    }

    #[test]
    fn outside_of_a_checkout_the_sdk_is_the_named_one_or_the_one_that_compiled_this_command_or_the_release() {
        let folder = tempfile::tempdir().unwrap();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let sdk = checkout.join("plugins/sdk");
        let gone = folder.path().join("gone");
        let make = |name, source| new(name, Some(folder.path()), folder.path(), source);

        let compiled = make("compiled", Source::of_process(None)).unwrap();
        assert_eq!(compiled.sdk, Sdk::Path(sdk.clone()));
        let lock = fs::read(compiled.folder.join("Cargo.lock")).unwrap();
        assert_eq!(lock, fs::read(checkout.join("Cargo.lock")).unwrap());
        let named = make("named", Source { sdk: Some(&sdk), compiled_from: Some(&gone) }).unwrap();
        assert_eq!(named.sdk, Sdk::Path(sdk.clone()));

        let released = make("released", Source { sdk: None, compiled_from: Some(&gone) }).unwrap();
        assert_eq!(released.sdk, Sdk::Git);
        assert!(released.next_steps().contains("if that tag does not exist, write `rapport-sdk = { path = "));

        let wrong = make("wrong", Source { sdk: Some(folder.path()), compiled_from: None }).unwrap_err().to_string();
        assert!(wrong.ends_with("fix: name `plugins/sdk` of a checkout of Rapport"), "{wrong}");
        assert!(!folder.path().join("wrong").exists());
    }

    #[test]
    fn what_changes_besides_the_folder_is_said() {
        let made = Made { folder: "plugins/acme".into(), files: Vec::new(), sdk: Sdk::Workspace };
        let said = made.next_steps();
        for expected in ["Cargo.lock", "`BLESS=1 cargo test -p rapport-tests --test it reference`"] {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made = new("acme-chat", Some(folder.path()), here, Source::default()).unwrap();
        assert!(matches!(&made.sdk, Sdk::Path(path) if path.ends_with("plugins/sdk")));
        for file in &made.files {
            let text = fs::read_to_string(made.folder.join(file)).unwrap();
            assert!(!text.contains("{{") && !text.contains("}} "), "{file}");
        }
    }
}
