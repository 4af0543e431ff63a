//! Files in the place of the blob store: those beside the operation, and those that the provider gives.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use rapport_egress::{Blobs, Keeping, Work};
use ring::digest::{Context, SHA256};

/// Blobs that are files.
pub(super) struct Files {
    /// Where relative names begin.
    pub base: PathBuf,
    /// Where files go that the provider gives. `None`: they are not written.
    pub kept: Option<PathBuf>,
}

impl Blobs for Files {
    fn size<'a>(&'a self, key: &'a str) -> Work<'a, Option<u64>> {
        let found = fs::metadata(self.base.join(key)).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        Box::pin(async move { Ok(found) })
    }

    fn read<'a>(&'a self, key: &'a str, from: u64, bytes: u64) -> Work<'a, Vec<u8>> {
        let read = part(&self.base.join(key), from, bytes).map_err(|error| format!("`{key}`: {error}"));
        Box::pin(async move { read })
    }

    fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
        let kept = self.kept.clone();
        Box::pin(async move { Ok(Box::new(Incoming { folder: kept, bytes: Vec::new() }) as Box<dyn Keeping>) })
    }
}

fn part(path: &Path, from: u64, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut part = Vec::new();
    file.take(bytes).read_to_end(&mut part)?;
    Ok(part)
}

/// A file that comes. The way out ends it at 100 MB.
struct Incoming {
    folder: Option<PathBuf>,
    bytes: Vec<u8>,
}

impl Keeping for Incoming {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Work<'a, ()> {
        self.bytes.extend_from_slice(bytes);
        Box::pin(async { Ok(()) })
    }

    /// The key is the file's path, or a hash if it is not written.
    fn finish(self: Box<Self>) -> Work<'static, String> {
        let mut context = Context::new(&SHA256);
        context.update(&self.bytes);
        let name: String = context.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let written = match &self.folder {
            None => Ok(format!("not-written-{name}")),
            Some(folder) => {
                let path = folder.join(name);
                let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, &self.bytes));
                written.map(|()| path.display().to_string()).map_err(|error| format!("`{}`: {error}", path.display()))
            }
        };
        Box::pin(async move { written })
    }
}
