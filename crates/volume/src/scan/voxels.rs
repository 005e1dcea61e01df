//! The voxels of a file, one after the other as values.

use std::io::Read;
use std::path::{Path, PathBuf};

use nifti::NiftiType;

use super::container::{Content, damaged};
use super::header::Header;
use crate::error::VolumeError;

/// Behind its voxels a stream may have so many bytes; other programs pass over them too.
const MAX_REST: u64 = 1 << 20;
/// Voxels that are read at a time.
const CHUNK: usize = 1 << 15;

/// Reads voxels in the order of the file, the first axis fastest, scaled as the header says.
pub(super) struct Voxels {
    content: Box<dyn Read + Send>,
    path: PathBuf,
    kind: NiftiType,
    is_big: bool,
    scaling: Option<[f32; 2]>,
    /// Bytes that the file must have, and those of them that were read.
    needed: u64,
    found: u64,
    bytes: Vec<u8>,
}

impl Voxels {
    /// Begins at the first voxel of a file.
    pub fn open(path: &Path, header: &Header) -> Result<Self, VolumeError> {
        let mut content = Content::open(path)?;
        let skipped = std::io::copy(&mut content.by_ref().take(header.offset), &mut std::io::sink());
        let found = skipped.map_err(|error| damaged(path, &error))?;
        let voxels = Self::new(path, header, Box::new(content), header.offset + header.n_bytes(), found);
        if found < header.offset { Err(voxels.truncated()) } else { Ok(voxels) }
    }

    /// Begins at the first voxel of those that [`raw`](Self::raw) gave.
    pub fn of_raw(path: &Path, header: &Header, raw: std::sync::Arc<[u8]>) -> Self {
        Self::new(path, header, Box::new(std::io::Cursor::new(raw)), header.n_bytes(), 0)
    }

    fn new(path: &Path, header: &Header, content: Box<dyn Read + Send>, needed: u64, found: u64) -> Self {
        let (kind, is_big, scaling) = (header.kind, header.is_big, header.scaling);
        Self { content, path: path.to_owned(), kind, is_big, scaling, needed, found, bytes: Vec::new() }
    }

    /// Appends the next `n` voxels. Memory grows with what is there, not with what the header claims.
    ///
    /// # Errors
    /// There are fewer, or they can't be unpacked.
    pub fn read(&mut self, n: usize, values: &mut Vec<f32>) -> Result<(), VolumeError> {
        let mut left = n;
        while left > 0 {
            let now = left.min(CHUNK);
            self.next_bytes(now * self.kind.size_of())?;
            decode(&self.bytes, self.kind, self.is_big, self.scaling, values);
            left -= now;
        }
        Ok(())
    }

    /// The bytes of all voxels, which must be the next to be read, and the checks of [`finish`](Self::finish).
    ///
    /// # Errors
    /// As there.
    pub fn raw(mut self) -> Result<Vec<u8>, VolumeError> {
        let mut raw = Vec::new();
        while self.found < self.needed {
            self.next_bytes((self.needed - self.found).min(CHUNK as u64) as usize)?;
            raw.extend_from_slice(&self.bytes);
        }
        self.finish()?;
        Ok(raw)
    }

    fn next_bytes(&mut self, n: usize) -> Result<(), VolumeError> {
        self.bytes.clear();
        let read = self.content.by_ref().take(n as u64).read_to_end(&mut self.bytes);
        self.found += read.map_err(|error| damaged(&self.path, &error))? as u64;
        if self.bytes.len() < n { Err(self.truncated()) } else { Ok(()) }
    }

    /// Reads to the end of the stream, where its checksum and length are compared.
    ///
    /// # Errors
    /// They differ, or there is more behind the voxels than other data of a scan could be.
    pub fn finish(mut self) -> Result<(), VolumeError> {
        let rest = std::io::copy(&mut self.content.by_ref().take(MAX_REST + 1), &mut std::io::sink());
        if rest.map_err(|error| damaged(&self.path, &error))? > MAX_REST {
            let reason = format!(
                "it has more than {MAX_REST} bytes behind the {} that its header needs: header and voxels don't belong \
                 together",
                self.needed
            );
            return Err(VolumeError::malformed(&self.path, reason));
        }
        Ok(())
    }

    fn truncated(&self) -> VolumeError {
        let reason = format!(
            "it is truncated: its header needs {} bytes, it has {}; get it again",
            self.needed, self.found
        );
        VolumeError::malformed(&self.path, reason)
    }
}

/// Appends numbers as f32, scaled.
fn decode(bytes: &[u8], kind: NiftiType, is_big: bool, scaling: Option<[f32; 2]>, values: &mut Vec<f32>) {
    use NiftiType::{Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    let start = values.len();
    macro_rules! numbers {
        ($kind:ty) => {{
            const SIZE: usize = size_of::<$kind>();
            values.extend(bytes.as_chunks::<SIZE>().0.iter().map(|&chunk| {
                let number = if is_big { <$kind>::from_be_bytes(chunk) } else { <$kind>::from_le_bytes(chunk) };
                #[allow(clippy::cast_lossless, clippy::cast_precision_loss)]
                let number = number as f32;
                number
            }));
        }};
    }
    match kind {
        Uint8 => numbers!(u8),
        Int8 => numbers!(i8),
        Uint16 => numbers!(u16),
        Int16 => numbers!(i16),
        Uint32 => numbers!(u32),
        Int32 => numbers!(i32),
        Uint64 => numbers!(u64),
        Int64 => numbers!(i64),
        Float32 => numbers!(f32),
        Float64 => numbers!(f64),
        // No header of another kind is accepted.
        _ => {}
    }
    if let Some([slope, inter]) = scaling {
        values[start..].iter_mut().for_each(|value| *value = *value * slope + inter);
    }
}
