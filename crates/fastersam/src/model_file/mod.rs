//! One-file models: a checkpoint as a single safetensors file, to be handed on.
//!
//! The file holds all parameters as f32 in `PyTorch`'s layout, under SAM's official names where SAM has them
//! (`image_encoder.blocks.0.attn.qkv.weight`), else under the parameter's path below the same roots. Its metadata has
//! three entries: `format` is `pt`, as for every file in `PyTorch`'s layout; `fastersam` is a [`ModelCard`] in JSON; `seal`
//! is the SHA-256 of the whole file in which the seal itself is 64 zeros. Reading checks the seal: a file with one
//! flipped bit is refused, and so is one that another program saved again.
//!
//! Nothing is ever changed in such a file; a run that is calibrated anew is exported anew.

mod card;
mod read;
mod write;

pub use card::{ModelCard, Program, Score, Training};
pub(crate) use read::load;
pub use read::{is_model_file, read_card};
pub use write::write;

/// The layout that this version writes.
pub const FORMAT: u32 = 1;

/// Entry of the metadata with the [`ModelCard`].
const CARD: &str = "fastersam";
/// Entry of the metadata with the seal.
const SEAL: &str = "seal";
