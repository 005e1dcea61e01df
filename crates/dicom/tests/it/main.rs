#![allow(clippy::unwrap_used, missing_docs)]

mod geometry;
mod hostile;
mod made;
mod pixels;
mod segmentation;
mod selection;
