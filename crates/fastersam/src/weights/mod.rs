//! Pre-trained weights: SAM's official checkpoints, DINOv2, SAM-type decoders.
//!
//! A file passes three steps. [`WeightFile::open`] reads its table of contents (no code in it is run,
//! no tensor is read yet), strips wrappers like `module.` or `state_dict.` and hashes it.
//! [`recognise`] tells the architecture from keys and shapes. [`load_into`] finds the source of every
//! parameter of a model, checks all keys and shapes, and only then reads, one tensor at a time; what
//! was used, missing, unused or resized is in the [`LoadReport`]. [`plan`] gives the same report
//! without reading.
//!
//! Files come from anywhere: whatever is in them, the result is an error that names file and key,
//! never a panic, and memory stays bounded by the model.

mod architecture;
mod error;
mod file;
mod fill;
mod keys;
mod load;
#[cfg(feature = "pytorch")]
mod pytorch;
mod safetensors;
mod tensor;
mod transform;

pub use architecture::{Architecture, recognise};
pub use error::WeightError;
pub(crate) use error::some;
pub use file::{WeightFile, WeightFormat};
pub(crate) use fill::{Source, fill, for_each_value, targets};
pub(crate) use keys::{Target, official_key};
pub use load::{LoadOptions, LoadReport, Resized, load_into, plan, plan_for};
pub(crate) use safetensors::{MAX_HEADER, Opened};
pub use tensor::WeightTensor;
