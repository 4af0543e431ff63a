//! The outer layer of a WebAssembly binary: what it is, and its custom sections.
//!
//! The layout is the component model's binary format (`design/mvp/Binary.md`): an eight-byte preamble, then sections of
//! one id byte, a LEB128 size and that many bytes. A custom section (id 0) begins with its name.

use crate::error::LoadError;
#[cfg(feature = "compiler")]
use crate::limits::Limits;

/// The custom section in which a component carries its `connector.toml`.
pub(crate) const MANIFEST_SECTION: &str = "rapport:manifest";

const MAGIC: &[u8] = b"\0asm";
const MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];
const CUSTOM: u8 = 0;

/// The component with `manifest`, the text of its `connector.toml`, as its last section. One that was there is dropped.
///
/// # Errors
/// `bytes` is not a component.
pub fn with_manifest(bytes: &[u8], manifest: &str) -> Result<Vec<u8>, LoadError> {
    expect_component(bytes)?;
    let mut out = bytes[..8].to_vec();
    for section in Sections::of(bytes) {
        let section = section?;
        if section.name() != Some(MANIFEST_SECTION) {
            out.extend_from_slice(section.whole);
        }
    }
    let mut body = Vec::with_capacity(manifest.len() + MANIFEST_SECTION.len() + 1);
    write_leb128(&mut body, MANIFEST_SECTION.len());
    body.extend_from_slice(MANIFEST_SECTION.as_bytes());
    body.extend_from_slice(manifest.as_bytes());
    out.push(CUSTOM);
    write_leb128(&mut out, body.len());
    out.append(&mut body);
    Ok(out)
}

/// The content of the first custom section called `name`.
pub(crate) fn custom_section<'a>(bytes: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, LoadError> {
    expect_component(bytes)?;
    for section in Sections::of(bytes) {
        let section = section?;
        if section.name() == Some(name) {
            return Ok(section.custom().map(|(_, content)| content));
        }
    }
    Ok(None)
}

/// Refuses all that is not a component, and says what it is instead.
pub(crate) fn expect_component(bytes: &[u8]) -> Result<(), LoadError> {
    match (bytes.get(..4), bytes.get(4..8)) {
        (Some(MAGIC), Some(COMPONENT)) => Ok(()),
        (Some(MAGIC), Some(MODULE)) => Err(LoadError::CoreModule),
        _ => Err(LoadError::NotWebAssembly),
    }
}

/// Refuses a component that is larger than its manifest says.
#[cfg(feature = "compiler")]
pub(crate) fn expect_size(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let (found, max) = (bytes.len().div_ceil(1024) as u64, limits.component_kib);
    if found > max {
        return Err(LoadError::TooLarge { found, max });
    }
    Ok(())
}

struct Sections<'a> {
    rest: &'a [u8],
}

struct Section<'a> {
    id: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Sections<'a> {
    fn of(component: &'a [u8]) -> Self {
        Self { rest: &component[8..] }
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<Section<'a>, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&id, after_id) = self.rest.split_first()?;
        let section = read_leb128(after_id).and_then(|(size, after_size)| {
            let content = after_size.get(..size)?;
            let whole = &self.rest[..self.rest.len() - after_size.len() + size];
            Some(Section { id, whole, content })
        });
        self.rest = section.as_ref().map_or(&[], |section| &self.rest[section.whole.len()..]);
        Some(section.ok_or(LoadError::Truncated))
    }
}

impl<'a> Section<'a> {
    fn custom(&self) -> Option<(&'a str, &'a [u8])> {
        if self.id != CUSTOM {
            return None;
        }
        let (size, rest) = read_leb128(self.content)?;
        Some((std::str::from_utf8(rest.get(..size)?).ok()?, &rest[size..]))
    }

    fn name(&self) -> Option<&'a str> {
        self.custom().map(|(name, _)| name)
    }
}

fn read_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

fn write_leb128(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_manifest_comes_out_as_it_went_in() {
        let long = "x".repeat(300);
        let component = with_manifest(EMPTY, &long).unwrap();
        assert_eq!(custom_section(&component, MANIFEST_SECTION).unwrap(), Some(long.as_bytes()));
    }

    #[test]
    fn a_second_manifest_replaces_the_first() {
        let once = with_manifest(EMPTY, "old").unwrap();
        let twice = with_manifest(&once, "new").unwrap();
        assert_eq!(custom_section(&twice, MANIFEST_SECTION).unwrap(), Some(&b"new"[..]));
        assert_eq!(twice.len(), once.len());
    }

    #[test]
    fn a_component_without_the_section_has_none() {
        assert_eq!(custom_section(EMPTY, MANIFEST_SECTION).unwrap(), None);
    }

    #[test]
    fn a_section_that_promises_more_than_there_is_is_an_error() {
        let cut = &with_manifest(EMPTY, "text").unwrap()[..12];
        assert!(matches!(custom_section(cut, MANIFEST_SECTION), Err(LoadError::Truncated)));
        let endless = [EMPTY, &[0, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
        assert!(matches!(custom_section(&endless, MANIFEST_SECTION), Err(LoadError::Truncated)));
    }

    #[test]
    fn what_is_no_component_is_called_what_it_is() {
        assert!(matches!(expect_component(b"\0asm\x01\0\0\0"), Err(LoadError::CoreModule)));
        assert!(matches!(expect_component(b"\x7fELF...."), Err(LoadError::NotWebAssembly)));
        assert!(matches!(expect_component(b""), Err(LoadError::NotWebAssembly)));
    }
}
