//! A weight file, whatever its format: named tensors that are read when asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use fastersam_files::{FileError, open_file, sha256_of_file};

use super::error::{WeightError, some};
#[cfg(feature = "pytorch")]
use super::pytorch;
use super::safetensors;
use super::tensor::WeightTensor;

/// The format of a [`WeightFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightFormat {
    /// What `torch.save` writes (zip, or the form before PyTorch 1.6).
    PyTorch,
    /// Safetensors.
    Safetensors,
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "PyTorch checkpoint",
            Self::Safetensors => "safetensors",
        })
    }
}

/// A weight file's table of contents and hash.
#[derive(Clone, Debug)]
pub struct WeightFile {
    path: PathBuf,
    /// Its format.
    pub format: WeightFormat,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The tensors, by their key without wrappers.
    pub tensors: BTreeMap<String, WeightTensor>,
}

impl WeightFile {
    /// Reads a file's table of contents and hashes the file.
    ///
    /// # Errors
    /// Where the file can't be read, is no weight file, is damaged, or holds a key twice.
    pub fn open(path: &Path) -> Result<Self, WeightError> {
        let io = FileError::at(path);
        if path.is_dir() {
            return Err(WeightError::NotACheckpoint {
                path: path.to_owned(),
                reason: "it is a folder".to_owned(),
            });
        }
        let mut file = open_file(path)?;
        let mut start = Vec::new();
        file.by_ref().take(512).read_to_end(&mut start).map_err(&io)?;
        let format =
            sniff(&start).map_err(|reason| WeightError::NotACheckpoint { path: path.to_owned(), reason })?;
        let tensors = match format {
            #[cfg(feature = "pytorch")]
            WeightFormat::PyTorch => pytorch::read(path)?,
            #[cfg(not(feature = "pytorch"))]
            WeightFormat::PyTorch => return Err(WeightError::NoPyTorch { path: path.to_owned() }),
            WeightFormat::Safetensors => safetensors::read(path)?,
        };
        let sha256 = sha256_of_file(path)?;
        let tensors = without_wrappers(path, tensors)?;
        Ok(Self { path: path.to_owned(), format, sha256, tensors })
    }

    /// A file whose table of contents is given, and whose hash nobody needs.
    pub(crate) fn of_tensors(
        path: &Path,
        format: WeightFormat,
        tensors: impl IntoIterator<Item = (String, WeightTensor)>,
    ) -> Self {
        let (path, sha256) = (path.to_owned(), String::new());
        Self { path, format, sha256, tensors: tensors.into_iter().collect() }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a key begins with `prefix`.
    #[must_use]
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.tensors.range(prefix.to_owned()..).next().is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// The shape of a tensor.
    #[must_use]
    pub fn shape(&self, key: &str) -> Option<&[usize]> {
        self.tensors.get(key).map(|tensor| tensor.shape.as_slice())
    }

    /// Number of parameters in all tensors.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.tensors.values().map(WeightTensor::len).sum()
    }

    /// Reads a tensor's values, whatever float type they are stored in.
    ///
    /// # Errors
    /// Where there is no such tensor, it can't be read, or it holds something else than finite floats.
    pub fn read(&self, key: &str) -> Result<Vec<f32>, WeightError> {
        let complain =
            |reason: String| WeightError::Tensor { path: self.path.clone(), key: key.to_owned(), reason };
        let tensor = self.tensors.get(key).ok_or_else(|| complain("is not in the file".to_owned()))?;
        if !tensor.dtype.is_float() {
            return Err(complain(format!("holds {:?}, not floats", tensor.dtype)));
        }
        let bytes = (tensor.bytes)().map_err(|e| complain(format!("can't be read: {e}")))?;
        let values = TensorData::try_from_bytes_vec(bytes, tensor.shape.clone(), tensor.dtype)
            .and_then(TensorData::try_into_vec_as::<f32>)
            .map_err(|e| complain(format!("can't be read: {e}")))?;
        if values.iter().all(|v| v.is_finite()) {
            Ok(values)
        } else {
            Err(complain("holds values that are not finite".to_owned()))
        }
    }
}

/// The number 0x1950a86a20f9469cfc6c, with which `torch.save` began a file before PyTorch 1.6.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Tells the format from the first bytes.
fn sniff(start: &[u8]) -> Result<WeightFormat, String> {
    if start.starts_with(b"PK") {
        return Ok(WeightFormat::PyTorch);
    }
    if start.get(257..262) == Some(b"ustar") {
        return Err("it is a TAR archive, PyTorch's form before 0.1.10, which is not read".to_owned());
    }
    // A pickle of protocol 2 or later. PyTorch's own begin with a magic number, and values follow them.
    if start.len() >= 2 && start[0] == 0x80 && (2..=5).contains(&start[1]) {
        let is_pytorch = start.windows(LEGACY_MAGIC.len()).take(32).any(|bytes| bytes == LEGACY_MAGIC);
        return is_pytorch
            .then_some(WeightFormat::PyTorch)
            .ok_or_else(|| "it is a plain pickle, which holds no tensors".to_owned());
    }
    // The length of the header, then JSON.
    if start.get(8) == Some(&b'{') {
        return Ok(WeightFormat::Safetensors);
    }
    if start.is_empty() {
        return Err("it is empty".to_owned());
    }
    let text: String = String::from_utf8_lossy(&start[..start.len().min(24)])
        .chars()
        .map(|c| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '.' } else { c })
        .collect();
    Err(format!("it begins with {text:?}"))
}

/// What checkpoints are wrapped in: nested dictionaries, `DataParallel`, Hugging Face heads.
const WRAPPERS: [&str; 6] = ["state_dict.", "model_state_dict.", "model.", "module.", "dinov2.", "net."];

fn without_wrappers(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, WeightTensor)>,
) -> Result<BTreeMap<String, WeightTensor>, WeightError> {
    let mut named = BTreeMap::new();
    let mut twice = Vec::new();
    for (full, tensor) in tensors {
        let mut key = full.as_str();
        while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| key.strip_prefix(wrapper)) {
            key = rest;
        }
        if named.insert(key.to_owned(), tensor).is_some() {
            twice.push(key.to_owned());
        }
    }
    if named.is_empty() {
        return Err(WeightError::NotACheckpoint {
            path: path.to_owned(),
            reason: "it holds no tensor".to_owned(),
        });
    }
    if twice.is_empty() {
        return Ok(named);
    }
    Err(WeightError::Tensor {
        path: path.to_owned(),
        key: some(&twice),
        reason: "stands in the file more than once, under different wrappers".to_owned(),
    })
}
