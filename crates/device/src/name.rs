//! From a name to a device.

use std::fmt;

use burn::tensor::Device;

use crate::error::DeviceError;
use crate::list::found;

/// The devices that there are names for.
pub const NAMES: &str = "flex, cuda, cuda:N, wgpu, wgpu:N, libtorch, libtorch:N (a GPU)";

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// burn's own CPU backend.
    Flex,
    /// NVIDIA GPUs.
    Cuda,
    /// Any GPU, through Vulkan, Metal or DirectX 12.
    Wgpu,
    /// PyTorch's library.
    LibTorch,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Flex, Self::Cuda, Self::Wgpu, Self::LibTorch];

    /// The cargo feature that compiles it in.
    #[must_use]
    pub fn feature(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::LibTorch => "tch",
        }
    }

    /// Whether it was compiled in.
    #[must_use]
    pub fn is_compiled(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::LibTorch => cfg!(feature = "tch"),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Flex => "flex",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::LibTorch => "libtorch",
        })
    }
}

/// Opens `flex`, `cuda`, `cuda:1`, `wgpu`, `wgpu:0`, `libtorch` or `libtorch:0`.
///
/// # Errors
/// Where the name is unknown, its backend was not compiled in, or the machine has no such device.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    let (kind, index) = name.split_once(':').map_or((name, None), |(kind, index)| (kind, Some(index)));
    let backend = Backend::ALL.into_iter().find(|backend| backend.to_string() == kind);
    let backend = backend
        .filter(|&backend| backend != Backend::Flex || index.is_none())
        .ok_or_else(|| DeviceError::Unknown { name: name.to_owned() })?;
    let parse = |index: &str| {
        let index = index.to_owned();
        index.parse().map_err(|_| DeviceError::Index { name: name.to_owned(), index, backend })
    };
    let index: Option<usize> = index.map(parse).transpose()?;
    if !backend.is_compiled() {
        return Err(DeviceError::NotCompiled { name: name.to_owned(), backend });
    }
    #[cfg(feature = "tch")]
    if let (Backend::LibTorch, Some(index)) = (backend, index) {
        #[allow(deprecated, reason = "burn 0.22 is pinned for this backend")]
        return Ok(Device::libtorch_cuda(index));
    }
    let missing = |reason: String| DeviceError::Missing { name: name.to_owned(), reason };
    let mut devices = found(backend, index.is_some()).map_err(missing)?;
    let index = index.unwrap_or(0);
    if index >= devices.len() {
        return Err(missing(format!(
            "{backend} has {} here; `fastersam devices` lists them",
            match devices.len() {
                1 => "one device".to_owned(),
                n => format!("{n} devices"),
            }
        )));
    }
    Ok(devices.swap_remove(index))
}
