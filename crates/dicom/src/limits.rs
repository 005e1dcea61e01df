//! What the reader believes of files that come from elsewhere.

/// The most files of a folder or archive that are looked at.
pub const MAX_FILES: usize = 100_000;
/// The deepest that folders lie in each other.
pub const MAX_FOLDER_DEPTH: usize = 16;
/// The most bytes of one file: an enhanced multi-frame CT of 2000 slices has half of it.
pub const MAX_FILE_BYTES: u64 = 1 << 30;
/// The most bytes that all files of an archive may claim to unpack to.
pub const MAX_ARCHIVE_BYTES: u64 = 1 << 34;
/// How much of a file is read for its attributes at first; most files have their pixels well before.
pub const USUAL_HEADER_BYTES: u64 = 1 << 16;
/// The most bytes that the attributes of a file may take.
pub const MAX_HEADER_BYTES: u64 = 1 << 26;
/// A longer value is passed over: none of the attributes that are used has one.
pub const MAX_VALUE_BYTES: u32 = 1 << 12;
/// The deepest that sequences lie in each other.
pub const MAX_SEQUENCE_DEPTH: usize = 32;
/// The most elements of a file that are looked at.
pub const MAX_ELEMENTS: usize = 1 << 19;
