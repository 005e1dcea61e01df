//! What readers of untrusted files believe.

/// A scan with more voxels than this is refused before anything is allocated.
pub const MAX_VOXELS: u64 = 1 << 28;

/// The most that a file can shrink by deflate; one that claims more is a bomb.
pub const MAX_DEFLATE_RATIO: u64 = 1100;
