//! Small weight files made on the spot, byte by byte.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A tensor to be written.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

pub fn entry(key: &str, shape: &[usize], values: impl IntoIterator<Item = f32>) -> Entry {
    let values: Vec<f32> = values.into_iter().collect();
    assert_eq!(values.len(), shape.iter().product::<usize>(), "{key}");
    Entry { key: key.to_owned(), shape: shape.to_vec(), values }
}

/// Ascending values.
pub fn counting(key: &str, shape: &[usize]) -> Entry {
    entry(key, shape, (0..shape.iter().product::<usize>()).map(|i| i as f32 / 8.0))
}

/// How floats are stored.
#[derive(Clone, Copy)]
pub enum Stored {
    F32,
    F16,
    Bf16,
}

/// A folder for one test's files.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

pub fn safetensors(entries: &[Entry], stored: Stored) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for entry in entries {
        let begin = data.len();
        for value in &entry.values {
            let bits = value.to_bits();
            match stored {
                Stored::F32 => data.extend(bits.to_le_bytes()),
                Stored::Bf16 => data.extend(((bits >> 16) as u16).to_le_bytes()),
                Stored::F16 => data.extend(half(*value).to_le_bytes()),
            }
        }
        let dtype = match stored {
            Stored::F32 => "F32",
            Stored::F16 => "F16",
            Stored::Bf16 => "BF16",
        };
        header.insert(
            entry.key.clone(),
            serde_json::json!({
                "dtype": dtype, "shape": entry.shape, "data_offsets": [begin, data.len()]
            }),
        );
    }
    with_header(&serde_json::Value::Object(header).to_string(), &data)
}

pub fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// A float that f16 holds exactly, as f16.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) & 0x8000;
    if value == 0.0 {
        return sign as u16;
    }
    let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
    assert!((1..31).contains(&exponent) && bits & 0x1fff == 0, "{value} is no f16");
    (sign | (exponent as u32) << 10 | (bits >> 13 & 0x3ff)) as u16
}

/// What `torch.save` writes: a zip with a pickled dictionary and one member a tensor. The tensors lie
/// under the keys `nesting`, beside an epoch number.
pub fn pytorch(entries: &[Entry], nesting: &[&str]) -> Vec<u8> {
    archive(dictionary(entries, nesting), entries)
}

/// The archive of a pickle and the values of its tensors.
fn archive(pickle: Vec<u8>, entries: &[Entry]) -> Vec<u8> {
    let mut members = vec![("archive/data.pkl".to_owned(), pickle)];
    for (i, entry) in entries.iter().enumerate() {
        let bytes = entry.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        members.push((format!("archive/data/{i}"), bytes));
    }
    members.push(("archive/version".to_owned(), b"3\n".to_vec()));
    zip(&members)
}

/// The first three pickles of PyTorch's form before 1.6: magic number, version, system.
pub fn legacy_start() -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}(".to_vec();
    string(&mut file, "protocol_version");
    file.extend(b"M\xe9\x03");
    string(&mut file, "little_endian");
    file.extend(b"\x88u.");
    file
}

/// What `torch.save` wrote before PyTorch 1.6: pickles, then the values one tensor after the other.
pub fn legacy(entries: &[Entry]) -> Vec<u8> {
    let mut file = legacy_start();
    file.extend(dictionary(entries, &[]));
    file.extend(b"\x80\x02](");
    (0..entries.len()).for_each(|i| string(&mut file, &i.to_string()));
    file.extend(b"e.");
    for entry in entries {
        file.extend((entry.values.len() as u64).to_le_bytes());
        file.extend(entry.values.iter().flat_map(|v| v.to_le_bytes()));
    }
    file
}

/// [`pytorch`], with one tensor as a view that repeats its first value up to the shape `claimed`.
pub fn pytorch_with_view(entries: &[Entry], key: &str, claimed: &[usize]) -> Vec<u8> {
    let mut pickle = dictionary(entries, &[]);
    // Another tensor of the same name in the same storage: the last one counts.
    pickle.truncate(pickle.len() - 2);
    let storage = entries.iter().position(|entry| entry.key == key).unwrap();
    let n_stored = entries[storage].values.len();
    tensor(&mut pickle, key, &storage.to_string(), n_stored, claimed, &vec![0; claimed.len()]);
    pickle.extend(b"u.");
    archive(pickle, entries)
}

/// The pickled dictionary of a checkpoint.
fn dictionary(entries: &[Entry], nesting: &[&str]) -> Vec<u8> {
    let mut pickle = vec![0x80, 2];
    for key in nesting {
        pickle.extend(b"}");
        string(&mut pickle, "epoch");
        pickle.extend(b"K\x03s");
        string(&mut pickle, key);
    }
    pickle.extend(b"}(");
    for (i, entry) in entries.iter().enumerate() {
        let strides: Vec<usize> =
            (0..entry.shape.len()).map(|axis| entry.shape[axis + 1..].iter().product()).collect();
        tensor(&mut pickle, &entry.key, &i.to_string(), entry.values.len(), &entry.shape, &strides);
    }
    pickle.extend(b"u");
    pickle.extend(vec![b's'; nesting.len()]);
    pickle.extend(b".");
    pickle
}

/// An archive as `torch.save` makes it, but with this pickle and these members, all of them compressed.
pub fn compressed(pickle: &[u8], members: &[(&str, u64)]) -> Vec<u8> {
    use std::io::Write as _;
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(1));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("archive/data.pkl", options).unwrap();
    archive.write_all(pickle).unwrap();
    for (name, n_zeros) in members {
        archive.start_file(*name, options.large_file(true)).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(*n_zeros), &mut archive).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The pickle of one tensor, with any shape and strides, in a storage of `n_stored` elements.
pub fn pickled_tensor(key: &str, n_stored: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    tensor(&mut pickle, key, "0", n_stored, shape, strides);
    pickle.extend(b"u.");
    pickle
}

/// A key and its tensor, in the storage `storage`.
fn tensor(pickle: &mut Vec<u8>, key: &str, storage: &str, n_stored: usize, shape: &[usize], strides: &[usize]) {
    string(pickle, key);
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    string(pickle, "storage");
    pickle.extend(b"ctorch\nFloatStorage\n");
    string(pickle, storage);
    string(pickle, "cpu");
    int(pickle, n_stored);
    // Newer files leave out the last field, the view, which is nothing.
    pickle.extend(b"tQ");
    int(pickle, 0);
    pickle.extend(b"(");
    shape.iter().for_each(|&n| int(pickle, n));
    pickle.extend(b"t(");
    strides.iter().for_each(|&n| int(pickle, n));
    pickle.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
}

fn string(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn int(pickle: &mut Vec<u8>, value: usize) {
    // LONG1, which holds any size.
    pickle.extend(b"\x8a\x08");
    pickle.extend((value as i64).to_le_bytes());
}

fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let mut common = Vec::new();
        // Version 2.0, no flags, stored, no time.
        for field in [20_u16, 0, 0, 0, 0] {
            common.extend(field.to_le_bytes());
        }
        for field in [crc32(bytes), bytes.len() as u32, bytes.len() as u32] {
            common.extend(field.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((file.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(bytes);
    }
    let (start, n) = (file.len() as u32, members.len() as u16);
    let size = directory.len() as u32;
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(n.to_le_bytes());
    file.extend(n.to_le_bytes());
    file.extend(size.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
