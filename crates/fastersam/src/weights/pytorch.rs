//! Reading what `torch.save` wrote, without running the code that a pickle may hold.
//!
//! A byte of a pickle can become a hundred bytes of objects, and a compressed archive can hold a
//! thousand times its size: the size of a file's pickles is checked before any of them is parsed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use burn::tensor::DType;
use burn_store::pytorch_reader::{self, PytorchError, PytorchReader};
use zip::ZipArchive;

use fastersam_files::FileError;

use super::error::WeightError;
use super::tensor::WeightTensor;

/// Largest pickle that is parsed, bytes. That of SAM ViT-H has 0.2 MB.
const MAX_PICKLE: u64 = 4 << 20;
/// Pickles at the start of a file in the form before PyTorch 1.6: magic number, version, system, the
/// dictionary of tensors, their keys.
const N_LEGACY_PICKLES: usize = 5;

/// The tensors of a `.pth` or `.pt` file, nested dictionaries flattened to dotted keys.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, WeightTensor)>, WeightError> {
    let is_zip = check_pickles(path)?;
    let reader = PytorchReader::new(path).map_err(|e| match e {
        // An archive of something else.
        PytorchError::InvalidFormat(reason) if is_zip => {
            WeightError::NotACheckpoint { path: path.to_owned(), reason }
        }
        PytorchError::Io(cause) => explain_io(path, cause),
        damaged => WeightError::Damaged { path: path.to_owned(), reason: damaged.to_string() },
    })?;
    let tensors = reader.into_tensors().into_values().filter_map(|tensor| {
        let (key, dtype, shape, read) = tensor.into_parts();
        // Counters and masks are no weights.
        Some((key, WeightTensor::new(shape, float_type(dtype)?, read)))
    });
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

fn float_type(dtype: pytorch_reader::DType) -> Option<DType> {
    match dtype {
        pytorch_reader::DType::F64 => Some(DType::F64),
        pytorch_reader::DType::F32 => Some(DType::F32),
        pytorch_reader::DType::F16 => Some(DType::F16),
        pytorch_reader::DType::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// What the bytes of a file are to blame for, and what the system is.
fn explain_io(path: &Path, cause: io::Error) -> WeightError {
    let path = path.to_owned();
    match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            WeightError::Damaged { path, reason: cause.to_string() }
        }
        _ => FileError { path, cause }.into(),
    }
}

/// Refuses pickles larger than [`MAX_PICKLE`]; says whether the file is a zip archive.
fn check_pickles(path: &Path) -> Result<bool, WeightError> {
    let io = |cause| explain_io(path, cause);
    let mut file = File::open(path).map_err(io)?;
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(io)?;
    file.rewind().map_err(io)?;
    let is_zip = start == b"PK";
    let fits = if is_zip { zipped_pickle_fits(file) } else { plain_pickles_fit(file) };
    if fits.map_err(io)? {
        return Ok(is_zip);
    }
    Err(WeightError::NotACheckpoint {
        path: path.to_owned(),
        reason: format!(
            "its pickle has more than {MAX_PICKLE} bytes, where a checkpoint's has a few hundred a tensor"
        ),
    })
}

fn zipped_pickle_fits(file: File) -> io::Result<bool> {
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    for i in 0..archive.len() {
        let member = archive.by_index_raw(i)?;
        if member.name().is_ok_and(|name| name.ends_with("data.pkl")) && member.size() > MAX_PICKLE {
            return Ok(false);
        }
    }
    Ok(true)
}

fn plain_pickles_fit(file: File) -> io::Result<bool> {
    let mut reader = BufReader::new(file).take(MAX_PICKLE);
    for _ in 0..N_LEGACY_PICKLES {
        match skip_pickle(&mut reader) {
            Ok(()) => {}
            // Where the file itself ends here, it is small, and its reader says what it lacks.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(reader.limit() > 0),
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

/// Reads over one pickle and builds nothing of it.
fn skip_pickle(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let [opcode] = bytes(reader)?;
        let n_bytes = match opcode {
            b'.' => return Ok(()),
            b'K' | b'h' | b'q' | 0x80 | 0x82 => 1,
            b'M' | 0x83 => 2,
            b'J' | b'j' | b'r' | 0x84 => 4,
            b'G' | 0x95 => 8,
            // Strings, bytes and long integers after their length.
            b'U' | b'C' | 0x8a | 0x8c => u64::from(u8::from_le_bytes(bytes(reader)?)),
            b'T' | b'X' | b'B' | 0x8b => u64::from(u32::from_le_bytes(bytes(reader)?)),
            0x8d | 0x8e | 0x96 => u64::from_le_bytes(bytes(reader)?),
            // Text to the end of the line, for names of classes two lines.
            b'I' | b'L' | b'F' | b'S' | b'V' | b'g' | b'p' | b'P' => line(reader)?,
            b'c' | b'i' => line(reader)? + line(reader)?,
            b'('
            | b')'
            | b'0'..=b'2'
            | b'N'
            | b'Q'
            | b'R'
            | b'a'
            | b'b'
            | b'd'
            | b'e'
            | b'l'
            | b'o'
            | b's'
            | b't'
            | b'u'
            | b']'
            | b'}'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x94
            | 0x97
            | 0x98 => 0,
            other => {
                let reason = format!("0x{other:02x} is no instruction of a pickle");
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        };
        if io::copy(&mut reader.by_ref().take(n_bytes), &mut io::sink())? < n_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads over a line; nothing is left to be read over.
fn line(reader: &mut impl BufRead) -> io::Result<u64> {
    if reader.skip_until(b'\n')? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(0)
}
