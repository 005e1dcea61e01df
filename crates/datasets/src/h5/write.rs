//! A small writer of HDF5: contiguous f32 and u8 data sets in the root group, which is all that the forms
//! of the field need. Version 0 of the superblock, readable by every HDF5 library.
//!
//! Source: HDF5 File Format Specification, version 3.0. Every address is a multiple of 8.

use std::io::Write;
use std::path::Path;

use ndarray::{ArrayView, Dimension};

use crate::error::DatasetError;

const UNDEFINED: u64 = u64::MAX;
/// Symbols in a leaf of the group's tree: twice this.
const LEAF_K: u16 = 4;
const INTERNAL_K: u16 = 16;
const SUPERBLOCK: u64 = 96;
const ROOT_HEADER: u64 = 40;
const TREE: u64 = 24 + 8 * (4 * INTERNAL_K as u64 + 1);
const HEAP: u64 = 32;
const SYMBOLS: u64 = 8 + 40 * 2 * LEAF_K as u64;

/// Writes `image` and `label`, both of two or three axes; the file appears when it is complete.
pub(crate) fn write_volume<D: Dimension, E: Dimension>(
    path: &Path,
    image: ArrayView<f32, D>,
    label: ArrayView<u8, E>,
) -> Result<(), DatasetError> {
    let image_bytes: Vec<u8> = image.iter().flat_map(|v| v.to_le_bytes()).collect();
    let label_bytes: Vec<u8> = label.iter().copied().collect();
    let sets = [
        DataSet { name: "image", datatype: FLOAT, shape: image.shape(), bytes: &image_bytes },
        DataSet { name: "label", datatype: BYTE, shape: label.shape(), bytes: &label_bytes },
    ];
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut scratch =
        tempfile::NamedTempFile::with_prefix_in(".writing-", folder).map_err(DatasetError::io(folder))?;
    scratch.write_all(&file(&sets)).map_err(DatasetError::io(path))?;
    scratch.into_temp_path().persist(path).map_err(|e| DatasetError::io(path)(e.error))
}

/// IEEE 754 of 4 bytes, little endian.
const FLOAT: &[u8] = &[0x11, 0x20, 0x1f, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0, 0, 0, 0, 0];
/// An unsigned integer of 1 byte.
const BYTE: &[u8] = &[0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0];

struct DataSet<'a> {
    name: &'a str,
    datatype: &'a [u8],
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl DataSet<'_> {
    /// Object header, version 1: data space, data type, fill value, layout.
    fn header(&self, data_at: u64) -> Vec<u8> {
        let mut space = vec![1, self.shape.len() as u8, 0, 0, 0, 0, 0, 0];
        self.shape.iter().for_each(|&n| space.extend((n as u64).to_le_bytes()));
        let mut layout = vec![3, 1];
        layout.extend(data_at.to_le_bytes());
        layout.extend((self.bytes.len() as u64).to_le_bytes());
        layout.resize(24, 0);
        // Space is allocated late, nothing is filled.
        let fill = vec![2, 2, 0, 0, 0, 0, 0, 0];
        object_header(&[(0x01, &space), (0x03, self.datatype), (0x05, &fill), (0x08, &layout)])
    }
}

fn object_header(messages: &[(u16, &[u8])]) -> Vec<u8> {
    let size: usize = messages.iter().map(|(_, data)| 8 + data.len()).sum();
    let mut header = vec![1, 0];
    header.extend((messages.len() as u16).to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend((size as u32).to_le_bytes());
    header.extend([0; 4]);
    for (kind, data) in messages {
        header.extend(kind.to_le_bytes());
        header.extend((data.len() as u16).to_le_bytes());
        header.extend([0; 4]);
        header.extend(*data);
    }
    header
}

/// The whole file; `sets` in the order of their names.
fn file(sets: &[DataSet]) -> Vec<u8> {
    let mut names = vec![0; 8];
    let name_at: Vec<u64> = sets
        .iter()
        .map(|set| {
            let at = names.len() as u64;
            names.extend(set.name.as_bytes());
            names.resize((names.len() + 8) / 8 * 8, 0);
            at
        })
        .collect();
    let tree_at = SUPERBLOCK + ROOT_HEADER;
    let heap_at = tree_at + TREE;
    let names_at = heap_at + HEAP;
    let symbols_at = names_at + names.len() as u64;
    let headers_at = symbols_at + SYMBOLS;
    let mut at = headers_at;
    let header_at: Vec<u64> = sets
        .iter()
        .map(|set| {
            let here = at;
            at += set.header(0).len() as u64;
            here
        })
        .collect();
    let data_at: Vec<u64> = sets
        .iter()
        .map(|set| {
            let here = at;
            at += (set.bytes.len() as u64).div_ceil(8) * 8;
            here
        })
        .collect();

    let mut file = b"\x89HDF\r\n\x1a\n".to_vec();
    file.extend([0, 0, 0, 0, 0, 8, 8, 0]);
    file.extend(LEAF_K.to_le_bytes());
    file.extend(INTERNAL_K.to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    words(&mut file, &[0, UNDEFINED, at, UNDEFINED]);
    // The root group's entry keeps the places of its tree and heap at hand.
    words(&mut file, &[0, SUPERBLOCK, 1, tree_at, heap_at]);
    let mut table = Vec::new();
    words(&mut table, &[tree_at, heap_at]);
    file.extend(object_header(&[(0x11, &table)]));

    file.extend(b"TREE\0\0\x01\0");
    words(&mut file, &[UNDEFINED, UNDEFINED, 0, symbols_at, name_at.last().copied().unwrap_or(0)]);
    file.resize(heap_at as usize, 0);
    file.extend(b"HEAP\0\0\0\0");
    // 1 for: nothing is free.
    words(&mut file, &[names.len() as u64, 1, names_at]);
    file.extend(&names);
    file.extend(b"SNOD\x01\0");
    file.extend((sets.len() as u16).to_le_bytes());
    for (name, header) in name_at.iter().zip(&header_at) {
        words(&mut file, &[*name, *header, 0, 0, 0]);
    }
    file.resize(headers_at as usize, 0);
    for (set, at) in sets.iter().zip(&data_at) {
        file.extend(set.header(*at));
    }
    for (set, at) in sets.iter().zip(&data_at) {
        file.resize(*at as usize, 0);
        file.extend(set.bytes);
    }
    file.resize(at as usize, 0);
    file
}

fn words(to: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| to.extend(value.to_le_bytes()));
}
