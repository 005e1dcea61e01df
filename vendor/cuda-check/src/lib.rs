//! Nothing of its own: that this compiles says that `fastersam` does, with burn's CUDA backend.
#![forbid(unsafe_code)]

use fastersam as _;
