//! Phantoms (being written).
