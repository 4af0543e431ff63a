//! A zip whose bytes depend on nothing but what is in it.

use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

/// Zopfli, once over, which takes a minute and 3 % off zlib's best: a package is made once and fetched at every cold start.
const LEVEL: i64 = 10;
/// zlib's best.
const LEVEL_OF_LARGE: i64 = 9;
/// Bytes above which a file is not for production, such as a debug build, and not worth the minutes.
const LARGE_BYTES: usize = 32 << 20;

/// What may be done with a file.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    Program,
    Data,
}

impl Mode {
    fn permissions(self) -> u32 {
        match self {
            Self::Program => 0o755,
            Self::Data => 0o644,
        }
    }
}

/// A file of the zip.
pub struct Entry {
    pub name: String,
    /// As it is.
    pub bytes: u64,
    /// As it lies in the zip.
    pub zipped: u64,
}

/// A zip that is being written, in memory.
pub(super) struct Archive {
    zip: ZipWriter<Cursor<Vec<u8>>>,
}

impl Archive {
    pub(super) fn new() -> Self {
        Self { zip: ZipWriter::new(Cursor::default()) }
    }

    /// Adds a file. Its time is 1980-01-01, where a zip's clock begins.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8], mode: Mode) -> Result<()> {
        let level = if bytes.len() <= LARGE_BYTES { LEVEL } else { LEVEL_OF_LARGE };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(level))
            // The whole file at once, not in pieces.
            .with_zopfli_buffer(None)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(mode.permissions());
        self.zip.start_file(name, options).and_then(|()| Ok(self.zip.write_all(bytes)?)).context("the zip")
    }

    /// The zip, and what is in it.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Vec<Entry>)> {
        let bytes = self.zip.finish().context("the zip")?.into_inner();
        let mut read = zip::ZipArchive::new(Cursor::new(&bytes)).context("the zip")?;
        let mut entries = Vec::with_capacity(read.len());
        for index in 0..read.len() {
            let file = read.by_index_raw(index).context("the zip")?;
            let name = file.name().context("the zip")?.into_owned();
            entries.push(Entry { name, bytes: file.size(), zipped: file.compressed_size() });
        }
        Ok((bytes, entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip_of(files: &[(&str, &[u8], Mode)]) -> (Vec<u8>, Vec<Entry>) {
        let mut archive = Archive::new();
        files.iter().for_each(|(name, bytes, mode)| archive.add(name, bytes, *mode).unwrap());
        archive.finish().unwrap()
    }

    #[test]
    fn the_same_files_are_the_same_bytes_and_a_program_can_be_run() {
        let files: [(&str, &[u8], Mode); 2] =
            [("bootstrap", &[7; 10_000], Mode::Program), ("connectors/a", b"{}", Mode::Data)];
        let (bytes, entries) = zip_of(&files);
        assert_eq!(bytes, zip_of(&files).0);
        let mut read = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let modes: Vec<_> = (0..2).map(|index| read.by_index(index).unwrap().unix_mode().unwrap() & 0o777).collect();
        assert_eq!(modes, [0o755, 0o644]);
        assert_eq!((entries[0].name.as_str(), entries[0].bytes), ("bootstrap", 10_000));
        assert!(entries[0].zipped < 100, "it is compressed");
    }
}
