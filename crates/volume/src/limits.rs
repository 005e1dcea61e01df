//! What readers of untrusted files believe.

/// A scan with more voxels than this is refused before anything is allocated: 4096 slices of 512 x 512 pixels.
pub const MAX_VOXELS: u64 = 1 << 30;

/// The most voxels of a scan that has to lie in memory as a whole: 1 GiB of f32.
pub const MAX_VOXELS_IN_MEMORY: u64 = 1 << 28;

/// The most that a file can shrink by deflate; one that claims more is a bomb.
pub const MAX_DEFLATE_RATIO: u64 = 1100;
