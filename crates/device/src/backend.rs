//! What computes.

use std::fmt;

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
