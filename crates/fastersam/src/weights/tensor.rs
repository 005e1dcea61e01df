//! One tensor of a weight file, whatever its format.

use std::fmt;
use std::io;
use std::sync::Arc;

use burn::tensor::DType;

type ReadBytes = Arc<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>;

/// One tensor of a file; its values are read by [`WeightFile::read`](super::WeightFile::read).
#[derive(Clone)]
pub struct WeightTensor {
    /// The size of every axis, PyTorch's layout.
    pub shape: Vec<usize>,
    /// The type it is stored in.
    pub dtype: DType,
    pub(super) bytes: ReadBytes,
}

impl WeightTensor {
    /// A tensor whose little-endian, row-major bytes come from `bytes`.
    pub(crate) fn new(
        shape: Vec<usize>,
        dtype: DType,
        bytes: impl Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self { shape, dtype, bytes: Arc::new(bytes) }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for WeightTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.dtype, self.shape)
    }
}
