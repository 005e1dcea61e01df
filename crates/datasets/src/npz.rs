//! Arrays in numpy's npz archives, for readers that trust nothing.
//!
//! Only members that are asked for by name are unpacked, in memory: paths inside the archive lead
//! nowhere. Headers are parsed here: one that is no plain dictionary of `descr`, `fortran_order` and
//! `shape`, an array of Python objects, or a size that the member does not have is refused before anything
//! is allocated for it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use fastersam_files::{AtomicFile, FileError};
use fastersam_volume::VolumeError;
use ndarray::{ArrayD, ArrayView, Dimension, IxDyn, ShapeBuilder};
use zip::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::error::DatasetError;

/// Real headers have 128 bytes.
const MAX_HEADER: usize = 4096;
/// The most numbers of an array: 512 slices of 512 x 512.
const MAX_NUMBERS: u64 = 1 << 27;
/// Bytes that are unpacked at a time; a multiple of every number's size.
const CHUNK: usize = 1 << 20;

/// An archive that is open for reading.
pub struct Npz<'a> {
    path: &'a Path,
    archive: ZipArchive<BufReader<File>>,
}

impl<'a> Npz<'a> {
    /// Reads the table of contents.
    ///
    /// # Errors
    /// Where the file is missing or no zip archive.
    pub fn open(path: &'a Path) -> Result<Self, DatasetError> {
        VolumeError::require_file(path)?;
        let file = File::open(path).map_err(FileError::at(path))?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|e| DatasetError::malformed(path, format!("it can't be read as npz ({e})")))?;
        Ok(Self { path, archive })
    }

    /// The file that it reads.
    #[must_use]
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The names of the arrays.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.archive.file_names().filter_map(|name| name.ok()?.strip_suffix(".npy").map(str::to_owned))
    }

    /// An array of numbers, as f32.
    ///
    /// # Errors
    /// Where the archive lacks it, or it is damaged, too large or no array of numbers.
    pub fn read(&mut self, name: &str) -> Result<ArrayD<f32>, DatasetError> {
        let path = self.path;
        let malformed = |reason: String| DatasetError::malformed(path, reason);
        let known = self.names().take(8).collect::<Vec<_>>().join(", ");
        let mut member = self
            .archive
            .by_name(&format!("{name}.npy"))
            .map_err(|e| malformed(format!("it has no readable array `{name}` ({e}); it has: {known}")))?;
        let claimed = member.size();
        let (header, header_len) = Header::read(&mut member).map_err(|e| malformed(format!("`{name}` {e}")))?;
        let n = header
            .n_elements()
            .ok_or_else(|| malformed(format!("`{name}` claims the shape {:?}", header.shape)))?;
        let n_bytes = n * header.kind.size() as u64;
        if claimed != header_len as u64 + n_bytes {
            return Err(malformed(format!(
                "`{name}` has {claimed} bytes, its shape {:?} needs {}",
                header.shape,
                header_len as u64 + n_bytes
            )));
        }
        // Grows with what arrives, not with what is claimed, and by f32 whatever is packed.
        let mut values: Vec<f32> = Vec::new();
        let mut bytes = Vec::new();
        let mut member = member.take(n_bytes + 1);
        loop {
            bytes.clear();
            let unpacked = member.by_ref().take(CHUNK as u64).read_to_end(&mut bytes);
            let n_new = unpacked.map_err(|e| malformed(format!("`{name}` can't be unpacked ({e})")))?;
            header.kind.to_f32(&bytes, header.big_endian, &mut values);
            if n_new < CHUNK {
                break;
            }
        }
        if values.len() as u64 != n || member.limit() != 1 {
            return Err(malformed(format!("`{name}` unpacks to another size than it claims")));
        }
        let shape = IxDyn(&header.shape).set_f(header.fortran);
        ArrayD::from_shape_vec(shape, values)
            .map(|array| if header.fortran { array.as_standard_layout().into_owned() } else { array })
            .map_err(|e| malformed(format!("`{name}` has an unexpected shape ({e})")))
    }
}

/// What an npy file says about its array.
struct Header {
    kind: Kind,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Types of numbers.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float(usize),
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Signed(n) | Self::Unsigned(n) | Self::Float(n) => n,
        }
    }

    fn to_f32(self, bytes: &[u8], big_endian: bool, values: &mut Vec<f32>) {
        let number = |chunk: &[u8]| {
            let mut wide = [0_u8; 8];
            for (place, byte) in chunk.iter().enumerate() {
                wide[if big_endian { chunk.len() - 1 - place } else { place }] = *byte;
            }
            let bits = u64::from_le_bytes(wide);
            match self {
                Self::Bool | Self::Unsigned(_) => bits as f32,
                Self::Signed(n) => {
                    let unused = 64 - 8 * n as u32;
                    ((bits << unused) as i64 >> unused) as f32
                }
                Self::Float(2) => half::f16::from_bits(bits as u16).to_f32(),
                Self::Float(4) => f32::from_bits(bits as u32),
                Self::Float(_) => f64::from_bits(bits) as f32,
            }
        };
        values.extend(bytes.chunks_exact(self.size()).map(number));
    }
}

impl Header {
    /// The header and its length.
    fn read(from: &mut impl Read) -> Result<(Self, usize), String> {
        let mut start = [0; 8];
        from.read_exact(&mut start).map_err(|e| format!("is no npy array ({e})"))?;
        if &start[..6] != b"\x93NUMPY" {
            return Err("is no npy array: it does not begin with \\x93NUMPY".to_owned());
        }
        let n_length = if start[6] == 1 { 2 } else { 4 };
        let mut length = [0; 4];
        from.read_exact(&mut length[..n_length]).map_err(|e| format!("is cut off ({e})"))?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            return Err(format!("claims a header of {length} bytes"));
        }
        let mut text = vec![0; length];
        from.read_exact(&mut text).map_err(|e| format!("is cut off ({e})"))?;
        let text = String::from_utf8_lossy(&text);
        let header = Self::parse(&text).map_err(|reason| format!("{reason}; its header is {:?}", text.trim()))?;
        Ok((header, 8 + n_length + length))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value = |key: &str| {
            let quoted = ['\'', '"'].iter().find_map(|q| text.split_once(&format!("{q}{key}{q}")));
            let (_, rest) = quoted.ok_or_else(|| format!("says no `{key}`"))?;
            rest.trim_start().strip_prefix(':').map(str::trim_start).ok_or_else(|| format!("has a broken `{key}`"))
        };
        let descr = value("descr")?;
        let quote = descr.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let quote = quote.ok_or("is an array of records, not of numbers")?;
        let descr = descr[1..].split(quote).next().unwrap_or_default();
        let (order, code) = match descr.as_bytes().first() {
            Some(order @ (b'<' | b'>' | b'|' | b'=')) => (*order, &descr[1..]),
            _ => (b'|', descr),
        };
        let kind = match code {
            "b1" => Kind::Bool,
            "i1" | "i2" | "i4" | "i8" => Kind::Signed(usize::from(code.as_bytes()[1] - b'0')),
            "u1" | "u2" | "u4" | "u8" => Kind::Unsigned(usize::from(code.as_bytes()[1] - b'0')),
            "f2" => Kind::Float(2),
            "f4" => Kind::Float(4),
            "f8" => Kind::Float(8),
            _ if code.starts_with('O') => {
                return Err("is an array of Python objects, which are code: it is not read".to_owned());
            }
            _ => return Err(format!("has elements of type `{descr}`, not numbers of 1 to 8 bytes")),
        };
        let fortran = match value("fortran_order")? {
            text if text.starts_with("False") => false,
            text if text.starts_with("True") => true,
            _ => return Err("has a broken `fortran_order`".to_owned()),
        };
        let shape = value("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let sizes =
            shape.ok_or("has a broken `shape`")?.0.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape = sizes
            .map(|size| size.parse::<usize>().map_err(|_| format!("has the size `{size}` in its shape")))
            .collect::<Result<Vec<usize>, String>>()?;
        Ok(Self { kind, big_endian: order == b'>', fortran, shape })
    }

    fn n_elements(&self) -> Option<u64> {
        let n = self.shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64))?;
        (n > 0 && n <= MAX_NUMBERS).then_some(n)
    }
}

/// An archive that is being written; it appears under its name when it is finished.
pub(crate) struct NpzWriter<'a> {
    path: &'a Path,
    zip: ZipWriter<AtomicFile>,
}

/// Numbers that are written as they are.
pub(crate) trait Element: Copy {
    const DESCR: &'static str;
    fn bytes(self, to: &mut Vec<u8>);
}

impl Element for f32 {
    const DESCR: &'static str = "<f4";
    fn bytes(self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }
}

impl Element for u8 {
    const DESCR: &'static str = "|u1";
    fn bytes(self, to: &mut Vec<u8>) {
        to.push(self);
    }
}

impl<'a> NpzWriter<'a> {
    pub(crate) fn create(path: &'a Path) -> Result<Self, DatasetError> {
        Ok(Self { path, zip: ZipWriter::new(AtomicFile::create(path)?) })
    }

    pub(crate) fn add<T: Element, D: Dimension>(
        &mut self,
        name: &str,
        array: ArrayView<T, D>,
    ) -> Result<(), DatasetError> {
        let sizes: String = array.shape().iter().map(|n| format!("{n}, ")).collect();
        let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({sizes}), }}", T::DESCR);
        // Data begin at a multiple of 64.
        let padding = 64 - (10 + header.len() + 1) % 64;
        header.extend(std::iter::repeat_n(' ', padding % 64));
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        array.iter().for_each(|value| value.bytes(&mut bytes));
        // The fastest level: gray values of scans shrink little more at a higher one. No time of day, so that the same
        // data give the same file.
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .compression_level(Some(1))
            .large_file(bytes.len() > 1 << 31)
            .last_modified_time(zip::DateTime::default());
        self.zip.start_file(format!("{name}.npy"), options).map_err(|e| failed(self.path, e.into()))?;
        self.zip.write_all(&bytes).map_err(|e| failed(self.path, e))
    }

    pub(crate) fn finish(self) -> Result<(), DatasetError> {
        let Self { path, zip } = self;
        let file = zip.finish().map_err(|e| failed(path, e.into()))?;
        Ok(file.commit()?)
    }
}

/// What the system said, or what npz can't hold.
fn failed(path: &Path, cause: std::io::Error) -> DatasetError {
    FileError::at(path)(cause).into()
}

/// Writes an image and its label map, of two or three axes.
pub(crate) fn write_npz<D: Dimension>(
    path: &Path,
    image_key: &str,
    image: ArrayView<f32, D>,
    label: ArrayView<u8, D>,
) -> Result<(), DatasetError> {
    let mut npz = NpzWriter::create(path)?;
    npz.add(image_key, image)?;
    npz.add("label", label)?;
    npz.finish()
}
