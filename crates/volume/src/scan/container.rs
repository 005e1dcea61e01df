//! What a file is, by its first bytes, and the bytes that are packed in it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use fastersam_files::FileError;
use flate2::bufread::GzDecoder;

use crate::error::VolumeError;

const GZIP: &[u8] = &[0x1f, 0x8b];
/// What is looked at: NIfTI-2's header, and a DICOM file's mark.
const HEAD_BYTES: u64 = 540;

/// The bytes of a file, unpacked where they are packed, whatever its name says.
pub(super) struct Content {
    reader: Box<dyn Read + Send>,
    /// Whether the bytes are packed in the file.
    pub is_packed: bool,
}

impl Content {
    /// Opens a file. A gzip stream may have several members; bytes behind the last one are passed over, as zeros there are by
    /// other programs. Each member's checksum and length are compared when its end is read.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn open(path: &Path) -> Result<Self, VolumeError> {
        VolumeError::require_file(path)?;
        let at = FileError::at(path);
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(&at)?);
        let is_packed = file.fill_buf().map_err(&at)?.starts_with(GZIP);
        let reader: Box<dyn Read + Send> =
            if is_packed { Box::new(Members { member: Some(GzDecoder::new(file)) }) } else { Box::new(file) };
        Ok(Self { reader, is_packed })
    }

    /// The first bytes of a file's content; fewer where there are no more, or what is packed can't be unpacked.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn head(path: &Path) -> Result<Vec<u8>, VolumeError> {
        let mut head = Vec::new();
        match Self::open(path)?.take(HEAD_BYTES).read_to_end(&mut head) {
            Ok(_) => Ok(head),
            Err(error) if head.is_empty() => Err(damaged(path, &error)),
            Err(_) => Ok(head),
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// The members of a gzip stream, one after the other.
struct Members<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            if let Some(ended) = self.member.take() {
                let mut rest = ended.into_inner();
                if rest.fill_buf()?.first() == GZIP.first() {
                    self.member = Some(GzDecoder::new(rest));
                }
            }
        }
        Ok(0)
    }
}

/// A stream that can't be unpacked.
pub(super) fn damaged(path: &Path, error: &io::Error) -> VolumeError {
    VolumeError::malformed(
        path,
        format!("it can't be unpacked ({error}); it is damaged or truncated: get it again"),
    )
}

/// What a file is that is no NIfTI file, and what can be done; by its first bytes and its name.
pub(super) fn what_it_is(path: &Path, head: &[u8]) -> &'static str {
    const KINDS: [(&[u8], &str); 13] = [
        (GZIP, "it is packed twice: unpack it once with gunzip"),
        (b"PK\x03\x04", "it is a zip archive: take the scan out of it"),
        (b"\x78\x01", "it is a zlib stream, not gzip: write the scan anew as .nii.gz"),
        (b"\x78\x9c", "it is a zlib stream, not gzip: write the scan anew as .nii.gz"),
        (b"\x78\xda", "it is a zlib stream, not gzip: write the scan anew as .nii.gz"),
        (b"NRRD", "it is an NRRD file: convert it to .nii.gz, for instance with 3D Slicer or SimpleITK"),
        (b"ObjectType", "it is a MetaImage file: convert it to .nii.gz, for instance with 3D Slicer or SimpleITK"),
        (b"NDims", "it is a MetaImage file: convert it to .nii.gz, for instance with 3D Slicer or SimpleITK"),
        (b"\x00\x00\x00\x01", "it is a FreeSurfer volume (.mgh, .mgz): convert it with mri_convert"),
        (b"\x89HDF", "it is an HDF5 file, not NIfTI"),
        (b"version https://git-lfs", "it is a pointer of git-lfs: fetch the scan with `git lfs pull`"),
        (b"<", "it is a web page or XML: the download did not give the scan"),
        (b"\x89PNG", "it is a picture, not NIfTI"),
    ];
    if head.get(128..132) == Some(b"DICM") {
        return "it is a DICOM file: convert its series to .nii.gz, for instance with dcm2niix";
    }
    let is_pair = matches!(head.get(344..347), Some(b"ni1" | b"ni2"));
    if is_pair {
        return "it is one half of a pair (.hdr and .img), with its voxels in another file: convert it to .nii.gz";
    }
    if let Some((_, what)) = KINDS.iter().find(|(start, _)| head.starts_with(start)) {
        return what;
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
    match ending.as_deref() {
        Some("img" | "hdr") => {
            "it is no NIfTI file with its voxels behind its header (Analyze?): convert it to .nii.gz"
        }
        _ if head.is_empty() => "it is empty",
        _ if head.len() < 348 => "it is truncated: it has no whole NIfTI header",
        _ => "it has no NIfTI header",
    }
}
