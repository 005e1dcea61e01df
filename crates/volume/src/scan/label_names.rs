//! The names of labels that a header brings along.

use std::collections::BTreeMap;
use std::io::Read;

use super::container::{Content, damaged};
use super::file::ScanFile;
use crate::error::VolumeError;

/// Where extensions begin, behind four bytes of which the first says whether there are any.
const NIFTI_1_EXTENSIONS: usize = 352;
const NIFTI_2_EXTENSIONS: usize = 544;
/// Tables of thousands of labels have less.
const MAX_BYTES: u64 = 4 << 20;

impl ScanFile {
    /// The names of labels by their values, where a label table lies in the header's extensions: as this program writes it, and
    /// TotalSegmentator and Connectome Workbench do. Empty where there is none that can be read.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn label_names(&self) -> Result<BTreeMap<u16, String>, VolumeError> {
        let mut bytes = Vec::new();
        let content = Content::open(&self.path)?;
        let n_bytes = self.header().offset.min(MAX_BYTES);
        content.take(n_bytes).read_to_end(&mut bytes).map_err(|error| damaged(&self.path, &error))?;
        let is_version_2 = bytes.get(4..8) == Some(b"n+2\0");
        let start = if is_version_2 { NIFTI_2_EXTENSIONS } else { NIFTI_1_EXTENSIONS };
        let names = extensions(&bytes, start, self.header().is_big).find_map(table_of).unwrap_or_default();
        Ok(names)
    }
}

/// The contents of the extensions that begin at `start`.
fn extensions(bytes: &[u8], start: usize, is_big: bool) -> impl Iterator<Item = &[u8]> {
    let is_there = bytes.get(start.saturating_sub(4)).is_some_and(|&flag| flag != 0);
    let mut rest = bytes.get(start..).filter(|_| is_there).unwrap_or_default();
    std::iter::from_fn(move || {
        let size = *rest.first_chunk::<4>()?;
        let size = if is_big { u32::from_be_bytes(size) } else { u32::from_le_bytes(size) };
        let (own, behind) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        rest = behind;
        // Size and code, then the content.
        own.get(8..)
    })
}

/// The labels of a table of Connectome Workbench.
fn table_of(content: &[u8]) -> Option<BTreeMap<u16, String>> {
    let text = std::str::from_utf8(content).ok()?.trim_end_matches('\0');
    let document = roxmltree::Document::parse(text).ok()?;
    let labels = document.descendants().filter(|node| node.has_tag_name("Label"));
    let names: BTreeMap<u16, String> = labels
        .filter_map(|label| Some((label.attribute("Key")?.parse().ok()?, label.text()?.trim().to_owned())))
        .filter(|(code, name): &(u16, String)| *code > 0 && !name.is_empty())
        .collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelTable;

    fn names(pairs: &[(u16, &str)]) -> Option<BTreeMap<u16, String>> {
        Some(pairs.iter().map(|&(code, name)| (code, name.to_owned())).collect())
    }

    #[test]
    fn tables_that_this_program_writes_are_read_and_what_is_none_is_passed_over() {
        let table = LabelTable::new(&["left <kidney> & \"co\"", "liver"]).with_codes([3, 300]);
        let xml = format!("{}\0\0\0", table.to_caret_xml());
        assert_eq!(table_of(xml.as_bytes()), names(&[(3, "left <kidney> & \"co\""), (300, "liver")]));
        let text = "<CaretExtension><Label Key=\"0\">?</Label><Label Key=\"x\">a</Label><Label>b</Label></CaretExtension>";
        for none in [text.as_bytes(), b"", b"\xff\xfe", b"<a", b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"] {
            assert_eq!(table_of(none), None);
        }
    }

    #[test]
    fn extensions_end_where_their_sizes_lead_nowhere() {
        let mut bytes = vec![0; 352];
        bytes[348] = 1;
        for (size, content) in [(16_u32, b"abcdefgh"), (16, b"ijklmnop")] {
            bytes.extend(size.to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend(content);
        }
        let found = |bytes: &[u8]| extensions(bytes, 352, true).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(found(&bytes), [b"abcdefgh".to_vec(), b"ijklmnop".to_vec()]);
        for size in [0_u32, 7, 17, u32::MAX] {
            bytes[368..372].copy_from_slice(&size.to_be_bytes());
            assert_eq!(found(&bytes), [b"abcdefgh".to_vec()], "{size}");
        }
        bytes[348] = 0;
        assert!(found(&bytes).is_empty() && found(&[]).is_empty());
    }
}
